use core::ops::Range;

use crate::gemm::microkernel::{GemmDtype, MicroKernel, OutputTile};
use crate::gemm::{AxisTaps, Patch, Tile, TileTask, split};
use crate::geometry::{ConvGeometry, ConvOperands};
use crate::rows::Rows;
use crate::simd::{Kernel, Simd};

pub(super) struct Transposed<'a, M: GemmDtype> {
    pub(super) micro_kernel: M,
    pub(super) tile: Tile,
    pub(super) conv: ConvGeometry,
    pub(super) operands: ConvOperands<'a, M::Element, M::Weight>,
}

impl<S: Simd, M: MicroKernel<S>> Kernel<S> for Transposed<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { mut micro_kernel, tile, conv, operands } = self;
        let ConvOperands { x, packed, rows } = operands;
        let ([_, ow, o], stride) = (conv.output, conv.window.stride[1]);
        let [group_in, group_out] = conv.group_channels();
        let weights = packed.len() / conv.groups;
        let panel = weights / group_out.div_ceil(tile.token_columns::<S>());
        // Pixels a stride apart meet the same taps, one input pixel further on: they make a tile, short of the borders.
        let output = OutputTile { start: 0, stride: stride * o, columns: o };
        for (index, oy) in rows.enumerate() {
            let vertical = conv.transposed_taps(0, oy);
            for phase in 0..stride.min(ow) {
                for (pixel, rows, blocks) in conv.transposed_blocks(phase, tile) {
                    let ox = phase + pixel * stride;
                    let patch = conv.transposed_patch(x, vertical, conv.transposed_taps(1, ox));
                    for (group, panels) in packed.chunks_exact(weights).enumerate() {
                        let mut patch = patch;
                        patch.horizontal.at += group * group_in;
                        let output = output.subtile((index * ow + ox) * o + group * group_out, group_out);
                        let task = TileTask { micro_kernel: &mut micro_kernel, patch, blocks, panels, panel, output };
                        M::run(task, simd, rows, tile);
                    }
                }
            }
        }
    }
}

impl ConvGeometry {
    /// Divides the pixels `phase`, `phase + stride`, … of a row into blocks that meet the same taps: `(first, rows,
    /// blocks)`, counted in strides.
    fn transposed_blocks(&self, phase: usize, tile: Tile) -> impl Iterator<Item = (usize, usize, usize)> {
        let stride = self.window.stride[1];
        let pixels = (self.output[1] - phase).div_ceil(stride);
        let inside = self.transposed_inside(phase, pixels);
        let met = move |pixel: usize| {
            let taps = self.transposed_taps(1, phase + pixel * stride);
            (taps.first, taps.count)
        };
        let mut pixel = 0;
        core::iter::from_fn(move || {
            let start = pixel;
            pixel += 1;
            if start == inside.start {
                pixel = pixel.max(inside.end);
            }
            while pixel < pixels && pixel != inside.start && met(pixel) == met(start) {
                pixel += 1;
            }
            (start < pixels).then_some((start, pixel - start))
        })
        .flat_map(move |(start, length)| {
            split(length, tile.mr).map(move |(first, rows, blocks)| (start + first, rows, blocks))
        })
    }

    /// Those of `pixels` a stride apart from `phase` on that every tap meets which meets any of them.
    fn transposed_inside(&self, phase: usize, pixels: usize) -> Range<usize> {
        let (window, w) = (&self.window, self.input[1]);
        let [stride, dilation, before] = [window.stride[1], window.dilation[1], window.before[1]];
        let mut inside = 0..pixels;
        for tap in 0..self.window.kernel[1] {
            // Pixel `i` reads input `i + shift`.
            let distance = (phase + before) as isize - (tap * dilation) as isize;
            if distance.rem_euclid(stride as isize) == 0 {
                let shift = distance.div_euclid(stride as isize);
                inside.start = inside.start.max(0usize.saturating_add_signed(-shift));
                inside.end = inside.end.min(w.saturating_add_signed(-shift));
            }
        }
        let start = inside.start.min(pixels);
        start..inside.end.clamp(start, pixels)
    }

    /// The taps along `axis` that meet output position `out`, each reading further back by the same distance.
    fn transposed_taps(&self, axis: usize, out: usize) -> AxisTaps {
        let mut taps =
            (0..self.window.kernel[axis]).filter_map(|tap| Some((tap, self.transposed_source(axis, out, tap)?)));
        let Some((first, at)) = taps.next() else { return AxisTaps { count: 0, ..AxisTaps::one(0) } };
        match taps.next() {
            None => AxisTaps { first, ..AxisTaps::one(at) },
            Some((second, next)) => {
                let count = 2 + taps.count();
                AxisTaps { first, step: second - first, count, at, stride: next as isize - at as isize }
            }
        }
    }

    fn transposed_patch<'a, T>(&self, rows: Rows<'a, T>, vertical: AxisTaps, horizontal: AxisTaps) -> Patch<'a, T> {
        let c = self.input[2];
        let horizontal = AxisTaps { at: horizontal.at * c, stride: horizontal.stride * c as isize, ..horizontal };
        Patch { rows, vertical, horizontal, runs: self.window.kernel[1], step: c, length: self.group_channels()[0] }
    }
}
