use core::mem;

use super::kernel::Patch;
use super::microkernel::{Int8MicroKernel, OutputTile, last_quad};
use super::pack_int8::{HEADER, K_GROUP, Runs};
use crate::epilogue::Int8Output;
use crate::simd::{FourPixels, Int8, Isa, bytes, strided_mut};

/// Pixels whose sums are made together. Those that are left over are made one by one.
const PIXELS: usize = 4;

/// Bytes that the inputs of [`PIXELS`] pixels take as pairs of 16 bits.
pub(crate) fn widened_len(runs: Runs) -> usize {
    2 * PIXELS * size_of::<i32>() * runs.quads()
}

/// Bytes of scratch that a tile needs on `isa`: none where it reads inputs as they are.
pub(crate) fn scratch_len(isa: Isa, runs: Runs) -> usize {
    if isa.lanes() == 1 { widened_len(runs) } else { 0 }
}

/// Neighboring pixels of a row by all output channels of a group, on machines without vectors: the inputs of a few
/// pixels are widened once, in the order in which they are multiplied, and then meet the weights of one channel after
/// the other. So most of what is done for a product is the product.
pub(super) struct Widened<'a, 'b, 'c> {
    pub(super) micro_kernel: &'a mut Int8MicroKernel<'b>,
    /// The inputs of the first pixel: all taps of the window, in order.
    pub(super) patch: Patch<'c, u8>,
    /// Panels of one channel, of `panel` bytes each.
    pub(super) panels: &'c [i8],
    pub(super) panel: usize,
    pub(super) output: OutputTile,
}

impl Widened<'_, '_, '_> {
    pub(super) fn run<S: Int8>(mut self, simd: S, pixels: usize) {
        let whole = pixels - pixels % PIXELS;
        (0..whole).step_by(PIXELS).for_each(|pixel| self.block::<S, PIXELS>(simd, pixel));
        (whole..pixels).for_each(|pixel| self.block::<S, 1>(simd, pixel));
    }

    /// Computes `P` pixels.
    fn block<S: Int8, const P: usize>(&mut self, simd: S, pixel: usize) {
        let Self { patch, panels, panel, output, .. } = *self;
        let Int8MicroKernel { zero_points, output: result, scratch, .. } = &mut *self.micro_kernel;
        let words = bytes::words_mut(&mut scratch[..(panel - HEADER) / K_GROUP * 2 * P * size_of::<i32>()]);
        let mut row_sums = [0; P];
        for (p, row_sum) in row_sums.iter_mut().enumerate() {
            let mut words = &mut words[2 * p..];
            let mut widen = |run: &[u8]| {
                let (whole, rest) = run.as_chunks::<4>();
                let last = (!rest.is_empty()).then(|| last_quad(run));
                whole.iter().chain(&last).for_each(|&x| {
                    let x = u32::from_ne_bytes(x);
                    words[0] = (x & 0x00ff_00ff) as i32;
                    words[1] = (x >> 8 & 0x00ff_00ff) as i32;
                    // The last words of a pixel have no others after them.
                    words = mem::take(&mut words).get_mut(2 * P..).unwrap_or_default();
                });
                if zero_points.w != 0 {
                    *row_sum -= i32::from(zero_points.w) * run.iter().map(|&x| i32::from(x)).sum::<i32>();
                }
            };
            for (_, y) in patch.vertical {
                let row = &patch.rows.row(y)[(pixel + p) * patch.step..];
                for (_, start) in patch.horizontal {
                    widen(&row[start..][..patch.length]);
                }
            }
        }
        let start = output.start + pixel * output.stride;
        let channels = (0..output.columns).zip(panels.chunks_exact(panel));
        let sums = |panel: &[i8]| {
            let (header, weights) = panel.split_at(HEADER);
            let [bias, scale] = [0, K_GROUP].map(|at| bytes::word(&header[at..]));
            let sums = row_sums.map(|sum| bias.wrapping_add(sum));
            (simd.add_pairs(sums, words, weights), f32::from_bits(scale as u32))
        };
        let [at, stride] = [start, output.stride];
        match result {
            Int8Output::U8 { epilogue, residual, out } => {
                let out = &mut out[at..];
                if P == PIXELS {
                    let block = FourPixels { words, row_sums: &row_sums, panels, panel };
                    simd.four_pixels(block, epilogue.output.zero_point.into(), out, stride);
                } else {
                    let rows: [&mut [u8]; P] = strided_mut(out, stride, output.columns);
                    for (channel, panel) in channels {
                        let (sums, scale) = sums(panel);
                        let bytes = epilogue.output.bytes(simd, sums, scale);
                        unroll!(p in 0..P, {
                            rows[p][channel] = bytes[p];
                        });
                    }
                }
                if !epilogue.is_plain() {
                    for p in (0..P).map(|p| p * stride) {
                        let residual = residual.map(|residual| &residual[at + p..]);
                        epilogue.refine(simd, &mut out[p..][..output.columns], residual);
                    }
                }
            }
            Int8Output::F32(out) => {
                let rows: [&mut [f32]; P] = strided_mut(&mut out[at..], stride, output.columns);
                for (channel, panel) in channels {
                    let (sums, scale) = sums(panel);
                    unroll!(p in 0..P, {
                        rows[p][channel] = sums[p] as f32 * scale;
                    });
                }
            }
        }
    }
}
