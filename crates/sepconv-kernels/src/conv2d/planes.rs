//! Convolutions of few input channels, in vectors of pixels: a row of the input is split into a plane for each channel
//! once, and every tap of the window is then a run of neighbors in one of them.

use core::ops::Range;

use crate::activation::ApplyRows;
use crate::epilogue::F32Output;
use crate::gemm::Tile;
use crate::geometry::{ConvGeometry, ConvOperands};
use crate::layout::copy_strided;
use crate::rows::{Ring, Rows};
use crate::simd::{Isa, Kernel, Simd};
use crate::unroll::unrolled_array;
use crate::window::Window;

/// Output channels at a time.
const CHANNELS: usize = Tile::PIXELS.nr;

/// How rows of the input are split. A row is the planes of its channels; a plane has the columns of each phase of the
/// stride, one after the other, so that neighbors are what neighboring windows read. Padding is part of a plane.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    /// Rows of the input that a window covers.
    rows: usize,
    channels: usize,
    stride: usize,
    /// Columns of a phase.
    columns: usize,
    /// Numbers of a row of the input that is split in two steps: by channel, then by phase.
    halfway: usize,
    /// Results of a tile.
    results: usize,
}

impl Planes {
    /// None where there is no such kernel, or the planes were too large.
    pub(super) fn of(isa: Isa, conv: &ConvGeometry) -> Option<Self> {
        const FEW: usize = 4;
        const MOST: usize = 1 << 16;
        let ConvGeometry { window, input: [_, w, c], output: [_, ow, o], groups } = *conv;
        // A module that is downloaded does without.
        if groups > 1 || c > FEW || isa.lanes() == 1 || cfg!(target_family = "wasm") {
            return None;
        }
        let stride = window.stride[1];
        let covered = (w + window.before[1]).div_ceil(stride);
        let last = (window.kernel[1] - 1) * window.dilation[1] / stride;
        let read = last.checked_add(ow.checked_next_multiple_of(Tile::PIXELS.mr)?)?;
        let rows = (window.kernel[0] - 1) * window.dilation[0] + 1;
        let halfway = if stride > 1 && c > 1 { c * w } else { 0 };
        let results = o.checked_next_multiple_of(CHANNELS)?.checked_mul(Tile::PIXELS.mr)?;
        let columns = covered.max(read);
        let len = columns.checked_mul(stride)?.checked_mul(c)?.checked_mul(rows)?.checked_add(results)?;
        (len <= MOST).then_some(Self { rows, channels: c, stride, columns, halfway, results })
    }

    /// Numbers of a split row.
    fn row(self) -> usize {
        self.channels * self.plane()
    }

    fn plane(self) -> usize {
        self.stride * self.columns
    }

    /// Numbers of all rows that a window covers, of a row halfway, and of the results of a tile.
    pub(super) fn scratch_len(self) -> usize {
        self.rows * self.row() + self.halfway + self.results
    }

    /// Splits a row of `[w, c]`; what is padding is left as it is.
    fn split(self, before: usize, row: &[f32], halfway: &mut [f32], to: &mut [f32]) {
        let (c, w) = (self.channels, row.len() / self.channels);
        let (row, [channel, column]) = if halfway.is_empty() {
            (row, [1, c])
        } else {
            copy_strided(&[c, w], row, 0, &[1, c as isize], halfway, 0, &[w, 1]);
            (&*halfway, [w, 1])
        };
        for phase in 0..self.stride.min(w) {
            let padded = phase + before;
            let start = padded % self.stride * self.columns + padded / self.stride;
            let dims = [c, (w - phase).div_ceil(self.stride)];
            let strides = [channel as isize, (self.stride * column) as isize];
            copy_strided(&dims, row, phase * column, &strides, to, start, &[self.plane(), 1]);
        }
    }
}

/// A convolution of few channels.
pub(super) struct FewChannels<'a> {
    pub(super) planes: Planes,
    pub(super) conv: ConvGeometry,
    pub(super) operands: ConvOperands<'a, f32, f32>,
    pub(super) output: F32Output<'a>,
    pub(super) scratch: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for FewChannels<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { planes, conv, operands: ConvOperands { x, packed, rows }, output, scratch } = self;
        let F32Output { residual, activation, out } = output;
        let ([_, ow, o], window) = (conv.output, conv.window);
        let panel = packed.len() / o.div_ceil(CHANNELS);
        let (split, rest) = scratch.split_at_mut(planes.rows * planes.row());
        let (halfway, results) = rest.split_at_mut(planes.halfway);
        split.fill(0.0);
        let mut ring = Ring::new(split, planes.row());
        // A residual is added to whole rows, before anything is clipped.
        let in_registers = if residual.is_some() { None } else { activation.bounds() };
        for (oy, out) in rows.clone().zip(out.chunks_exact_mut(ow * o)) {
            let taps = conv.met(oy);
            if !taps.is_empty() {
                let needed = window.source(0, oy, taps.start)..window.source(0, oy, taps.end - 1) + 1;
                ring.make(needed, |rows, to| {
                    for (y, to) in rows.zip(to.chunks_exact_mut(planes.row())) {
                        planes.split(window.before[1], x.row(y), halfway, to);
                    }
                });
            }
            let row = Row { window, planes, rows: ring.rows(), oy, taps, clip: in_registers };
            for start in (0..ow).step_by(Tile::PIXELS.mr) {
                let pixels = start..ow.min(start + Tile::PIXELS.mr);
                for (index, panel) in packed.chunks_exact(panel).enumerate() {
                    let first = index * CHANNELS;
                    row.tile(simd, pixels.clone(), o - first, panel, &mut results[first * Tile::PIXELS.mr..]);
                }
                let dims = [pixels.len(), o];
                copy_strided(&dims, results, 0, &[1, Tile::PIXELS.mr as isize], out, start * o, &[o, 1]);
            }
            if let Some(residual) = residual {
                let residual = &residual[(oy - rows.start) * ow * o..][..ow * o];
                for at in (0..out.len()).step_by(S::LANES) {
                    let part = at..out.len().min(at + S::LANES);
                    let sum = simd.add(simd.load_part(&out[part.clone()]), simd.load_part(&residual[part.clone()]));
                    simd.store_part(sum, &mut out[part]);
                }
            }
            if in_registers.is_none() {
                simd.vectorize(ApplyRows { activation, data: out, rows: 1, stride: ow * o, columns: ow * o });
            }
        }
    }
}

/// What a row of outputs is made of.
struct Row<'a> {
    window: Window,
    planes: Planes,
    /// Split rows.
    rows: Rows<'a>,
    oy: usize,
    /// The rows of the window that are not padding.
    taps: Range<usize>,
    /// Bounds of the results.
    clip: Option<(f32, f32)>,
}

impl Row<'_> {
    /// Writes the results of some pixels, at most those of a [`Tile::PIXELS`], for up to [`CHANNELS`] channels.
    #[inline(always)]
    fn tile<S: Simd>(&self, simd: S, pixels: Range<usize>, channels: usize, panel: &[f32], to: &mut [f32]) {
        match channels {
            1 => self.channels::<S, 1>(simd, pixels, panel, to),
            2 => self.channels::<S, 2>(simd, pixels, panel, to),
            3 => self.channels::<S, 3>(simd, pixels, panel, to),
            _ => self.channels::<S, CHANNELS>(simd, pixels, panel, to),
        }
    }

    #[inline(always)]
    fn channels<S: Simd, const N: usize>(&self, simd: S, pixels: Range<usize>, panel: &[f32], to: &mut [f32]) {
        let mut start = pixels.start;
        while start < pixels.end {
            let to = &mut to[start - pixels.start..];
            if pixels.end - start <= S::LANES {
                simd.vectorize(PixelSums::<N, 1> { row: self, start, panel, to });
                break;
            }
            if const { Tile::pixel_vectors(S::REGISTERS) == 4 } {
                simd.vectorize(PixelSums::<N, 4> { row: self, start, panel, to });
            } else {
                simd.vectorize(PixelSums::<N, 2> { row: self, start, panel, to });
            }
            start += Tile::pixel_vectors(S::REGISTERS) * S::LANES;
        }
    }
}

/// `N` channels of `V` vectors of pixels.
struct PixelSums<'a, const N: usize, const V: usize> {
    row: &'a Row<'a>,
    start: usize,
    panel: &'a [f32],
    to: &'a mut [f32],
}

impl<S: Simd, const N: usize, const V: usize> Kernel<S> for PixelSums<'_, N, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { row: &Row { window, planes, rows, oy, ref taps, clip }, start, panel, to } = self;
        let (biases, weights) = panel.split_at(CHANNELS);
        let mut acc: [[S::F32; V]; N] = unrolled_array(|n| [simd.splat(biases[n]); V]);
        for ky in taps.clone() {
            let row = rows.row(window.source(0, oy, ky));
            for kx in 0..window.kernel[1] {
                let column = kx * window.dilation[1];
                let place = column % planes.stride * planes.columns + column / planes.stride + start;
                let tap = (ky * window.kernel[1] + kx) * planes.channels;
                for c in 0..planes.channels {
                    let x = &row[place + c * planes.plane()..][..V * S::LANES];
                    let weights = &weights[(tap + c) * CHANNELS..][..CHANNELS];
                    let x: [S::F32; V] = unrolled_array(|v| simd.load(&x[v * S::LANES..]));
                    unroll!(n in 0..N, {
                        let weight = simd.splat(weights[n]);
                        unroll!(v in 0..V, {
                            acc[n][v] = simd.optimization_barrier(simd.mul_add(x[v], weight, acc[n][v]));
                        });
                    });
                }
            }
        }
        let (low, high) = clip.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let (low, high) = (simd.splat(low), simd.splat(high));
        unroll!(n in 0..N, {
            let to = &mut to[n * Tile::PIXELS.mr..][..V * S::LANES];
            unroll!(v in 0..V, {
                simd.store(simd.min(high, simd.max(low, acc[n][v])), &mut to[v * S::LANES..]);
            });
        });
    }
}
