use core::ops::Range;

use super::super::lines::Lines;
use super::kernel::DepthwiseInt8;
use super::pack::{Header, Sections, Vectors, group_len, groups};
use crate::requantize::Requantize;
use crate::simd::{Columns, Int8, Kernel};
use crate::unroll::unrolled_array;

impl DepthwiseInt8<'_> {
    /// Any window and multiplier: a group of channels of a line at a time, tile by tile, four taps together.
    #[inline(always)]
    pub(super) fn any_window<S: Int8>(self, simd: S) {
        let Self { dw, variant, packed, epilogue, .. } = self;
        let vectors = Vectors::of::<S>();
        let sections = Sections::of(vectors, dw, packed);
        let (padding, output) = (self.padding(&sections), epilogue.output);
        let lines = Lines::new(dw, self.x, self.rows);
        for (y, out) in lines.rows.clone().zip(self.out.chunks_exact_mut(lines.pixels.len() * dw.output[2])) {
            let (mut rest, taps) = (sections.groups, Taps::new(&lines, padding, y));
            for (group, header) in groups(vectors, dw).zip(sections.headers()) {
                let packed;
                (packed, rest) = rest.split_at(group_len(variant, vectors, dw, &group, header.summands));
                let (taps, channels, out) = (&taps, &group.channels, &mut *out);
                match group.vectors {
                    4 if const { S::INTERLEAVE == 4 } => {
                        simd.vectorize(Tiles::<4, 2> { taps, channels, header, packed, output, out });
                    }
                    _ => simd.vectorize(Tiles::<1, 4> { taps, channels, header, packed, output, out }),
                }
            }
            if let Some(lut) = epilogue.lut {
                simd.lookup_all(lut, out);
            }
        }
    }
}

/// Computes a group of channels of a line in `G` vectors, `P` pixels at a time.
struct Tiles<'a, const G: usize, const P: usize> {
    taps: &'a Taps<'a>,
    channels: &'a Range<usize>,
    header: Header,
    packed: &'a [i8],
    output: Requantize,
    out: &'a mut [u8],
}

impl<S: Int8, const G: usize, const P: usize> Kernel<S> for Tiles<'_, G, P> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { taps, channels, header, packed, output, out } = self;
        let (lines, vector) = (taps.lines, 4 * S::LANES);
        let lanes = if G == 4 { vector } else { channels.len() };
        let inputs = lines.inputs(channels.clone());
        let (mut bias, mut scale) = ([simd.splat_i32(0); G], [simd.splat(0.0); G]);
        for g in 0..G {
            bias[g] = simd.load_quads(&packed[g * vector..]);
            scale[g] = simd.reinterpret(simd.load_quads(&packed[(G + g) * vector..]));
        }
        let columns = lines.columns().channels(inputs.start, if G == 4 { vector } else { inputs.len() });
        let (multiplier, weights) = (lines.dw.multiplier(), &packed[2 * G * vector..]);
        let place = |i| (channels.start + i) / multiplier - inputs.start;
        let mut places = [0; 16];
        for (i, to) in places[..lanes.min(16)].iter_mut().enumerate() {
            *to = place(i) as u8;
        }
        let line = Line::<G> { taps, columns, multiplier, places, lanes, header, weights };
        for pixels in lines.tiles(P) {
            let mut sums = [bias; P];
            line.accumulate(simd, pixels.start, &mut sums);
            unroll!(p in 0..P, {
                if p < pixels.len() {
                    let place = (pixels.start - lines.pixels.start + p) * lines.dw.output[2] + channels.start;
                    let to = &mut out[place..][..lanes];
                    if G == 4 {
                        let (sums, scale) = (
                            [sums[p][0], sums[p][1 % G], sums[p][2 % G], sums[p][3 % G]],
                            [scale[0], scale[1 % G], scale[2 % G], scale[3 % G]],
                        );
                        simd.store_quads(output.quads(simd, sums, scale), to);
                    } else {
                        simd.store_u8_part(output.vector(simd, sums[p][0], scale[0]), to);
                    }
                }
            });
        }
    }
}

/// Taps that are worked out once for a line. Windows of more work out the rest for each tile.
const MOST_TAPS: usize = 128;

/// The taps of a line, row by row.
struct Taps<'a> {
    lines: &'a Lines<'a, u8>,
    /// A row of inputs that stand for zero.
    padding: &'a [u8],
    y: usize,
    first: [(&'a [u8], usize); MOST_TAPS],
}

impl<'a> Taps<'a> {
    fn new(lines: &'a Lines<'a, u8>, padding: &'a [u8], y: usize) -> Self {
        let mut taps = Self { lines, padding, y, first: [(padding, 0); MOST_TAPS] };
        for i in 0..lines.dw.taps().next_multiple_of(4).min(MOST_TAPS) {
            taps.first[i] = taps.work_out(i);
        }
        taps
    }

    /// The row that tap `i` reads, which is padding above and below the feature map and beyond the last tap, and where
    /// in it output pixel 0 reads.
    #[inline(always)]
    fn tap(&self, i: usize) -> (&'a [u8], usize) {
        if i < MOST_TAPS { self.first[i] } else { self.work_out(i) }
    }

    fn work_out(&self, i: usize) -> (&'a [u8], usize) {
        let (dw, window) = (&self.lines.dw, &self.lines.dw.window);
        let [ky, kx] = [i / window.kernel[1], i % window.kernel[1]];
        let is_inside = window.taps(0, self.y, dw.input[0]).contains(&ky);
        let row = if is_inside { self.lines.x.row(window.source(0, self.y, ky)) } else { self.padding };
        (row, self.lines.shift(kx))
    }
}

/// What is the same for all tiles of a line.
struct Line<'a, const G: usize> {
    taps: &'a Taps<'a>,
    columns: Columns,
    multiplier: usize,
    /// Of a column, the input of each of the output channels.
    places: [u8; 16],
    lanes: usize,
    header: Header,
    weights: &'a [i8],
}

impl<const G: usize> Line<'_, G> {
    /// Adds all taps to the sums of the pixels from `x`.
    #[inline(always)]
    fn accumulate<S: Int8, const P: usize>(&self, simd: S, x: usize, sums: &mut [[S::I32; G]; P]) {
        let Taps { lines, padding, .. } = self.taps;
        let ([_, w, _], stride, firsts) = (lines.dw.input, lines.dw.window.stride[1], lines.firsts(P));
        let quad = G * 4 * S::LANES;
        let all = lines.dw.taps().div_ceil(4) * quad;
        for q in 0..all / quad {
            let taps: [_; 4] = unrolled_array(|b| self.taps.tap(4 * q + b));
            let mut rows = [[&padding[..0]; 4]; P];
            for (b, (row, shift)) in taps.into_iter().enumerate() {
                let column = (x * stride).wrapping_add(shift);
                // What pixels beyond the last of the tile read is not stored.
                let runs = if column < firsts {
                    self.columns.strided::<_, P>(row, column, stride)
                } else {
                    unrolled_array(|p| {
                        let column = column.wrapping_add(stride.wrapping_mul(p));
                        if column < w { self.columns.of(row, column) } else { self.columns.of(padding, 0) }
                    })
                };
                unroll!(p in 0..P, {
                    rows[p][b] = runs[p];
                });
            }
            self.add(simd, &rows, &self.weights[q * quad..][..quad], sums);
            let mut more = if self.header.has_more(q) { all + q * quad } else { self.weights.len() };
            while more < self.weights.len() {
                self.add(simd, &rows, &self.weights[more..][..quad], sums);
                more += all;
            }
        }
    }

    /// Adds four taps to the sums of each pixel.
    #[inline(always)]
    fn add<S: Int8, const P: usize>(
        &self,
        simd: S,
        rows: &[[&[u8]; 4]; P],
        weights: &[i8],
        sums: &mut [[S::I32; G]; P],
    ) {
        unroll!(p in 0..P, {
            let mut quads = [sums[p][0]; G];
            if G == 4 {
                quads.copy_from_slice(&simd.interleave(rows[p]));
            } else if self.multiplier == 1 {
                quads[0] = simd.interleave_part(rows[p]);
            } else {
                quads[0] = self.spread(simd, rows[p]);
            }
            unroll!(g in 0..G, {
                let weights = simd.load_quads(&weights[g * 4 * S::LANES..]);
                // Weights whose products could saturate together are parted only where that is faster.
                sums[p][g] = match S::PARTS_WEIGHTS {
                    true => simd.dot_saturating(sums[p][g], quads[g], weights),
                    false => simd.dot(sums[p][g], quads[g], weights),
                };
            });
            // Rows that are loaded too early take the registers of sums.
            sums[p][0] = simd.optimization_barrier_i32(sums[p][0]);
        });
    }

    /// The inputs of the group's output channels: each input channel serves as many as the multiplier.
    #[inline(always)]
    fn spread<S: Int8>(&self, simd: S, rows: [&[u8]; 4]) -> S::I32 {
        let mut spread = [[0; 16]; 4];
        for i in 0..4 {
            for lane in 0..self.lanes {
                spread[i][lane] = rows[i][usize::from(self.places[lane])];
            }
        }
        simd.interleave_part(unrolled_array(|i| &spread[i][..self.lanes]))
    }
}
