use core::ops::Range;

use crate::gemm::microkernel::{GemmDtype, MicroKernel, OutputTile};
use crate::gemm::{AxisTaps, L2_WEIGHT_BUDGET, Patch, Runs, Tile, TileTask, split};
use crate::geometry::{ConvGeometry, ConvOperands};
use crate::rows::Rows;
use crate::simd::{Kernel, Simd};

pub(super) struct Convolution<'a, M: GemmDtype> {
    pub(super) micro_kernel: M,
    pub(super) tile: Tile,
    pub(super) conv: ConvGeometry,
    pub(super) operands: ConvOperands<'a, M::Element, M::Weight>,
    pub(super) scratch: &'a mut [M::Element],
}

impl<S: Simd, M: MicroKernel<S>> Kernel<S> for Convolution<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { mut micro_kernel, tile, conv, operands, scratch } = self;
        let ConvOperands { x, packed, rows } = operands;
        let ([_, ow, o], padding) = (conv.output, micro_kernel.padding());
        let [group_in, group_out] = conv.group_channels();
        let columns = tile.token_columns::<S>();
        let panels = group_out.div_ceil(columns);
        let panel = packed.len() / (conv.groups * panels);
        let output = OutputTile { start: 0, stride: o, columns: o };
        let fits = S::LANES == 1 || size_of_val(packed) <= L2_WEIGHT_BUDGET;
        let at_once = if fits { conv.groups * panels } else { 1 };
        for first in (0..conv.groups * panels).step_by(at_once) {
            for (index, oy) in rows.clone().enumerate() {
                let taps = if micro_kernel.padding_is_zero() { conv.met(oy) } else { 0..conv.window.kernel[0] };
                let gathers = conv.gathers(M::K_GROUP);
                if gathers {
                    conv.gather(oy, x, padding, scratch);
                }
                for (pixels, blocks) in conv.blocks(tile, conv.met(oy) == taps, gathers) {
                    let all = pixels.start..pixels.start + blocks * pixels.len();
                    let patch = if gathers {
                        conv.gathered(pixels.start, scratch)
                    } else {
                        conv.patch(oy, taps.clone(), all, x, padding, scratch)
                    };
                    for (group, part) in groups(first..first + at_once, panels) {
                        let mut patch = patch;
                        patch.horizontal.at += group * group_in;
                        let column = group * group_out + (part.start % panels) * columns;
                        let start = (index * ow + pixels.start) * o + column;
                        let output = output.subtile(start, (group + 1) * group_out - column);
                        let panels = &packed[part.start * panel..part.end * panel];
                        let task = TileTask { micro_kernel: &mut micro_kernel, patch, blocks, panels, panel, output };
                        M::run(task, simd, pixels.len(), tile);
                    }
                }
            }
        }
    }
}

/// Divides a range of panels by group, of which each has `per_group`.
fn groups(range: Range<usize>, per_group: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (range.start / per_group..range.end.div_ceil(per_group)).map(move |group| {
        let (start, end) = (group * per_group, (group + 1) * per_group);
        (group, start.max(range.start)..end.min(range.end))
    })
}

impl ConvGeometry {
    /// The rows of the window that overlap the feature map at output row `oy`.
    pub(super) fn met(&self, oy: usize) -> Range<usize> {
        self.window.taps(0, oy, self.input[0])
    }

    /// Divides an output row into runs of equal blocks: the first block of each run, and their number. Unless windows
    /// are `gathered`, blocks of those that read beyond the feature map are runs by themselves: all of them where not
    /// all rows that are read are `in_plane`.
    fn blocks(&self, tile: Tile, in_plane: bool, gathered: bool) -> impl Iterator<Item = (Range<usize>, usize)> {
        let mut inside = self.inside();
        if gathered {
            inside = 0..self.output[1];
        } else if !in_plane {
            inside = 0..0;
        }
        split(self.output[1], tile.mr).flat_map(move |(pixel, rows, blocks)| {
            let first = inside.start.saturating_sub(pixel).div_ceil(rows).min(blocks);
            let last = (inside.end.saturating_sub(pixel) / rows).clamp(first, blocks);
            let run = move |block, blocks| (pixel + block * rows..pixel + (block + 1) * rows, blocks);
            let alone = (0..first).chain(last..blocks).map(move |block| run(block, 1));
            alone.chain((first < last).then(|| run(first, last - first)))
        })
    }

    /// The inputs of some pixels of output row `oy`, in the first group, that rows `taps` of the window read. Where
    /// these are beyond the feature map they are first copied into `scratch` with padding around them.
    fn patch<'a, T: Copy>(
        &self,
        oy: usize,
        taps: Range<usize>,
        pixels: Range<usize>,
        x: Rows<'a, T>,
        padding: T,
        scratch: &'a mut [T],
    ) -> Patch<'a, T> {
        let Self { window, input: [_, w, c], .. } = *self;
        let met = self.met(oy);
        let Runs { count: runs, length } = self.runs();
        let y = if met.is_empty() { 0 } else { window.source(0, oy, met.start) };
        let dilation = window.dilation.map(|dilation| dilation as isize);
        let vertical = AxisTaps { first: taps.start, step: 1, count: taps.len(), at: y, stride: dilation[0] };
        let horizontal = AxisTaps { first: 0, step: 1, count: runs, at: 0, stride: dilation[1] * c as isize };
        let patch = Patch { rows: x, vertical, horizontal, runs, step: window.stride[1] * c, length };
        let (start, span) = (pixels.start * window.stride[1], self.span(pixels.len()));
        match start.checked_sub(window.before[1]) {
            Some(start) if start + span <= w && met == taps => {
                Patch { horizontal: AxisTaps { at: start * c, ..horizontal }, ..patch }
            }
            _ => {
                let scratch = &mut scratch[..taps.len() * span * c];
                for (tap, strip) in taps.zip(scratch.chunks_exact_mut(span * c)) {
                    let row = if met.contains(&tap) { x.row(window.source(0, oy, tap)) } else { &[] };
                    copy_padded(row, start * c, window.before[1] * c, padding, strip);
                }
                Patch {
                    rows: Rows::new(scratch, span * c),
                    vertical: AxisTaps { at: 0, stride: 1, ..vertical },
                    ..patch
                }
            }
        }
    }
}

/// Copies `row`, taken to have `before` numbers of `padding` before it and padding after it, from `start` on.
pub(super) fn copy_padded<T: Copy>(row: &[T], start: usize, before: usize, padding: T, strip: &mut [T]) {
    let absent = before.saturating_sub(start).min(strip.len());
    let (head, strip) = strip.split_at_mut(absent);
    head.fill(padding);
    let row = &row[(start + absent).saturating_sub(before).min(row.len())..];
    let (body, tail) = strip.split_at_mut(row.len().min(strip.len()));
    body.copy_from_slice(&row[..body.len()]);
    tail.fill(padding);
}
