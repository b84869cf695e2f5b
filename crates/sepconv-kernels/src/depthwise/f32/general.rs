use core::ops::Range;

use super::super::lines::Lines;
use super::kernel::DepthwiseF32;
use crate::activation::ApplyRows;
use crate::simd::{Columns, Kernel, Simd};
use crate::unroll::unrolled_array;

/// Pixels of a tile, which share each load of a weight.
const PIXELS: usize = 7;

impl DepthwiseF32<'_> {
    /// Any window and multiplier, tile by tile along each line.
    #[inline(always)]
    pub(super) fn any_window<S: Simd>(self, simd: S) {
        let Self { packed, activation, .. } = self;
        let (lines, channels, bounds) =
            (Lines::new(self.dw, self.x, self.rows), self.dw.output[2], activation.bounds());
        for (y, line) in lines.rows.clone().zip(self.out.chunks_exact_mut(lines.pixels.len() * channels)) {
            for pixels in lines.tiles(PIXELS) {
                let out = &mut line[(pixels.start - lines.pixels.start) * channels..][..pixels.len() * channels];
                simd.vectorize(Tile::<PIXELS> { lines: &lines, packed, bounds, y, pixels, out });
            }
            if bounds.is_none() {
                let columns = line.len();
                simd.vectorize(ApplyRows { activation, data: line, rows: 1, stride: columns, columns });
            }
        }
    }
}

/// Up to `P` pixels of line `y`, of all channels.
struct Tile<'a, const P: usize> {
    lines: &'a Lines<'a, f32>,
    packed: &'a [f32],
    bounds: Option<(f32, f32)>,
    y: usize,
    pixels: Range<usize>,
    out: &'a mut [f32],
}

impl<S: Simd, const P: usize> Kernel<S> for Tile<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, simd: S) {
        let (dw, columns) = (&self.lines.dw, self.lines.columns());
        let (multiplier, channels) = (dw.multiplier(), dw.output[2]);
        let vector = S::LANES * (dw.taps() + 1);
        // Two vectors of channels share the search for their columns, where their sums fit in registers.
        let pairs = if S::REGISTERS >= 32 && multiplier == 1 { channels / (2 * S::LANES) } else { 0 };
        let mut channel = 0;
        for packed in self.packed.chunks_exact(2 * vector).take(pairs) {
            let (columns, packed) = (columns.channels(channel, 2 * S::LANES), [&packed[..vector], &packed[vector..]]);
            self.vectors(simd, packed, channel, S::LANES, &columns, |x, v| simd.load(&x[v * S::LANES..]));
            channel += 2 * S::LANES;
        }
        for packed in self.packed[pairs * 2 * vector..].chunks_exact(vector) {
            let lanes = S::LANES.min(channels - channel);
            let inputs = self.lines.inputs(channel..channel + lanes);
            let columns = columns.channels(inputs.start, inputs.len());
            if lanes == S::LANES && multiplier == 1 {
                self.vectors(simd, [packed], channel, S::LANES, &columns, |x, _| simd.load(x));
            } else {
                let mut places = [0; 16];
                for (i, place) in places[..lanes].iter_mut().enumerate() {
                    *place = ((channel + i) / multiplier - inputs.start) as u32;
                }
                self.vectors(simd, [packed], channel, lanes, &columns, |x, _| {
                    if multiplier == 1 { simd.load_part(x) } else { simd.spread(x, &places) }
                });
            }
            channel += lanes;
        }
    }
}

impl<const P: usize> Tile<'_, P> {
    /// Computes `V` vectors of `lanes` output channels from `channel`; `load` makes a vector for one of a column.
    #[inline(always)]
    fn vectors<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        packed: [&[f32]; V],
        channel: usize,
        lanes: usize,
        columns: &Columns,
        load: impl Fn(&[f32], usize) -> S::F32,
    ) {
        let Self { lines, pixels, .. } = self;
        let ([h, w, _], window, firsts) = (lines.dw.input, &lines.dw.window, lines.firsts(P));
        let ([_, kw], [_, stride]) = (window.kernel, window.stride);
        let mut sums: [[S::F32; V]; P] = [unrolled_array(|v| simd.load(packed[v])); P];
        for ky in window.taps(0, self.y, h) {
            let row = lines.x.row(window.source(0, self.y, ky));
            for kx in 0..kw {
                let column = (pixels.start * stride).wrapping_add(lines.shift(kx));
                let weights: [_; V] = unrolled_array(|v| simd.load(&packed[v][(1 + ky * kw + kx) * S::LANES..]));
                // What pixels beyond the last of the tile read is not stored.
                if column < firsts {
                    let all = columns.strided::<_, P>(row, column, stride);
                    unroll!(p in 0..P, {
                        unroll!(v in 0..V, {
                            sums[p][v] = simd.mul_add(load(all[p], v), weights[v], sums[p][v]);
                        });
                    });
                } else {
                    unroll!(p in 0..P, {
                        let column = column.wrapping_add(stride.wrapping_mul(p));
                        if column < w {
                            let x = columns.of(row, column);
                            unroll!(v in 0..V, {
                                sums[p][v] = simd.mul_add(load(x, v), weights[v], sums[p][v]);
                            });
                        }
                    });
                }
            }
        }
        let (count, channels) = (pixels.len(), lines.dw.output[2]);
        unroll!(p in 0..P, {
            if p < count {
                unroll!(v in 0..V, {
                    let sum = match self.bounds {
                        Some((low, high)) => simd.min(simd.splat(high), simd.max(simd.splat(low), sums[p][v])),
                        None => sums[p][v],
                    };
                    simd.store_part(sum, &mut self.out[p * channels + channel + v * S::LANES..][..lanes]);
                });
            }
        });
    }
}
