use super::pack::Header;
use super::quads::{contributes_to, is_horizontal, quads, row_of_byte, weight_index, weight_vectors};
use super::strip::Strip;
use crate::requantize::Requantize;
use crate::simd::{Columns, Int8, Kernel, signed};
use crate::unroll::unrolled_array;

/// Bytes of quads that are made before they are multiplied: half of the nearest cache, or less.
const SCRATCH: usize = 8192;

/// Quads of neighboring columns of one group of channels.
#[repr(align(64))]
pub(super) struct Scratch([u8; SCRATCH]);

impl Scratch {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([0; SCRATCH])
    }
}

/// The kernel of a strip in `G` vectors of sums where a product takes several registers, so that few sums fit beside
/// it: the quads of a tile of a row are made first, and then the sums of each output, one after the other.
pub(super) struct Interleaved<'a, const K: usize, const STRIDE: usize, const G: usize> {
    pub(super) strip: Strip<'a>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) out: &'a mut [u8],
}

impl<S: Int8, const K: usize, const STRIDE: usize, const G: usize> Kernel<S> for Interleaved<'_, K, STRIDE, G> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        // As a constant the number of channels makes ordinary loads and stores of those of a part.
        let whole = if G == 4 { 4 * S::LANES } else { S::LANES };
        match self.strip.group.channels.len() {
            lanes if lanes < whole => self.rows(simd, lanes),
            _ => self.rows(simd, whole),
        }
    }
}

impl<const K: usize, const STRIDE: usize, const G: usize> Interleaved<'_, K, STRIDE, G> {
    /// Computes `lanes` channels of every row.
    #[inline(always)]
    fn rows<S: Int8>(self, simd: S, lanes: usize) {
        let Strip { dw, phase, lines, padding, group, header, packed, output } = self.strip;
        let ([_, w, c], [_, ow, _], first) = (dw.input, dw.output, group.channels.start);
        let quad = G * 4 * S::LANES;
        let row = Row::<K, STRIDE, G> {
            padding: &padding[first..first + lanes],
            inputs: phase.inputs(dw, first, lanes),
            left: phase.before,
            width: phase.width[0],
        };
        let outputs = phase.outputs(dw, first, lanes);
        let (constants, weights) = packed.split_at(2 * quad);
        let windows = Windows::<K, STRIDE, G> { constants, weights, header, output };
        let most = (SCRATCH / (quad * quads(K)) - K) / STRIDE + 1;
        for (y, out) in self.out.chunks_exact_mut(ow * c).enumerate() {
            let lines = *lines[y * STRIDE..].first_chunk::<K>().expect("as many lines as the window has rows");
            let lines: [_; K] = unrolled_array(|t| &lines[t][..w * c]);
            for x in (0..phase.width[1]).step_by(most) {
                let count = most.min(phase.width[1] - x);
                row.interleave(simd, &lines, x, count, &mut self.scratch.0);
                windows.run(simd, &self.scratch.0, x, count, &outputs, out);
            }
        }
    }
}

/// Where a row of quads is from.
struct Row<'a, const K: usize, const STRIDE: usize, const G: usize> {
    /// A column of padding.
    padding: &'a [u8],
    inputs: Columns,
    /// Padding before the first column.
    left: usize,
    /// Columns of the input.
    width: usize,
}

impl<const K: usize, const STRIDE: usize, const G: usize> Row<'_, K, STRIDE, G> {
    /// Makes the quads of the columns that `count` windows from `x` read.
    #[inline(always)]
    fn interleave<S: Int8>(&self, simd: S, lines: &[&[u8]; K], x: usize, count: usize, scratch: &mut [u8; SCRATCH]) {
        let columns = (count - 1) * STRIDE + K;
        let column = quads(K) * G * 4 * S::LANES;
        for (i, to) in scratch.chunks_exact_mut(column).take(columns).enumerate() {
            let j = (x * STRIDE + i).wrapping_sub(self.left);
            let inside = j < self.width;
            unroll!(q in 0..2, {
                if q < quads(K) && !is_horizontal(K, q) {
                    let rows = unrolled_array(|b| {
                        if inside { self.inputs.of(lines[row_of_byte(K, q, b)], j) } else { self.padding }
                    });
                    self.store(simd, rows, &mut to[q * G * 4 * S::LANES..]);
                } else if q < quads(K) && i % STRIDE == 0 {
                    let rows = if inside && j + 3 < self.width {
                        self.inputs.run(lines[K - 1], j)
                    } else {
                        unrolled_array(|b| {
                            let j = j.wrapping_add(b);
                            if j < self.width { self.inputs.of(lines[K - 1], j) } else { self.padding }
                        })
                    };
                    self.store(simd, rows, &mut to[q * G * 4 * S::LANES..]);
                }
            });
        }
    }

    #[inline(always)]
    fn store<S: Int8>(&self, simd: S, rows: [&[u8]; 4], to: &mut [u8]) {
        if G == 4 {
            for (quads, to) in simd.interleave(rows).into_iter().zip(to.chunks_exact_mut(4 * S::LANES)) {
                simd.store_quads(quads, to);
            }
        } else {
            simd.store_quads(simd.interleave_part(rows), to);
        }
    }
}

/// What the quads of a row are multiplied with.
struct Windows<'a, const K: usize, const STRIDE: usize, const G: usize> {
    /// Biases and scales.
    constants: &'a [i8],
    weights: &'a [i8],
    header: Header,
    output: Requantize,
}

impl<const K: usize, const STRIDE: usize, const G: usize> Windows<'_, K, STRIDE, G> {
    /// Computes `count` outputs from `x`; the scratch has the quads of their windows.
    #[inline(always)]
    fn run<S: Int8>(
        &self,
        simd: S,
        scratch: &[u8; SCRATCH],
        x: usize,
        count: usize,
        outputs: &Columns,
        out: &mut [u8],
    ) {
        if G == 1 && count >= 4 {
            // The last four may overlap those before them.
            for i in (0..count).step_by(4).map(|i| i.min(count - 4)) {
                let sums = self.sums::<S, 4>(simd, scratch, i);
                self.store_four(simd, unrolled_array(|p| sums[p][0]), x + i, outputs, out);
            }
            return;
        }
        let pairs = count & !1;
        for i in (0..pairs).step_by(2) {
            let [first, second] = self.sums::<S, 2>(simd, scratch, i);
            self.store(simd, first, outputs.of_mut(out, x + i));
            self.store(simd, second, outputs.of_mut(out, x + i + 1));
        }
        for i in pairs..count {
            let [sums] = self.sums::<S, 1>(simd, scratch, i);
            self.store(simd, sums, outputs.of_mut(out, x + i));
        }
    }

    /// The sums of `P` neighboring outputs from the `i`-th of the scratch.
    #[inline(always)]
    fn sums<S: Int8, const P: usize>(&self, simd: S, scratch: &[u8; SCRATCH], i: usize) -> [[S::I32; G]; P] {
        let vector = 4 * S::LANES;
        let step = quads(K) * G * vector;
        let quads_of = &signed(scratch)[i * STRIDE * step..][..((P - 1) * STRIDE + K) * step];
        let weights = &self.weights[..weight_vectors(K) * G * vector];
        let mut sums = [[simd.splat_i32(0); G]; P];
        unroll!(g in 0..G, {
            let bias = simd.load_quads(&self.constants[g * vector..]);
            unroll!(p in 0..P, {
                sums[p][g] = bias;
            });
            unroll!(q in 0..2, {
                unroll!(kx in 0..K, {
                    if q < quads(K) && contributes_to(K, STRIDE, q, kx) {
                        let w = simd.load_quads(&weights[(weight_index(K, STRIDE, q, kx) * G + g) * vector..]);
                        unroll!(p in 0..P, {
                            let quad = &quads_of[(p * STRIDE + kx) * step + (q * G + g) * vector..];
                            sums[p][g] = simd.dot_saturating(sums[p][g], simd.load_quads(quad), w);
                        });
                    }
                });
            });
        });
        if self.header.summands > 1 {
            self.more::<S, P>(simd, quads_of, &mut sums);
        }
        sums
    }

    /// Adds the summands of weights beyond the first.
    #[inline(always)]
    fn more<S: Int8, const P: usize>(&self, simd: S, quads_of: &[i8], sums: &mut [[S::I32; G]; P]) {
        let vector = 4 * S::LANES;
        let (step, all) = (quads(K) * G * vector, weight_vectors(K) * G * vector);
        for index in self.header.with_more() {
            let place = place::<K, STRIDE>(index) * G * vector;
            for weights in self.weights.chunks_exact(all).skip(1) {
                unroll!(g in 0..G, {
                    let w = simd.load_quads(&weights[(index * G + g) * vector..]);
                    unroll!(p in 0..P, {
                        let quad = &quads_of[p * STRIDE * step + place + g * vector..];
                        sums[p][g] = simd.dot_saturating(sums[p][g], simd.load_quads(quad), w);
                    });
                });
            }
        }
    }

    /// Stores a vector of each of four neighboring outputs from `x`.
    #[inline(always)]
    fn store_four<S: Int8>(&self, simd: S, sums: [S::I32; 4], x: usize, outputs: &Columns, out: &mut [u8]) {
        let scale = simd.reinterpret(simd.load_quads(&self.constants[4 * S::LANES..]));
        let bytes = simd.deinterleave(self.output.quads(simd, sums, [scale; 4]));
        let mut four = [0; 64];
        simd.store_quads(bytes, &mut four);
        for (p, from) in four.chunks_exact(S::LANES).take(4).enumerate() {
            let to = outputs.of_mut(out, x + p);
            to.copy_from_slice(&from[..to.len()]);
        }
    }

    /// Stores one output.
    #[inline(always)]
    fn store<S: Int8>(&self, simd: S, sums: [S::I32; G], to: &mut [u8]) {
        let mut scale = [simd.splat(0.0); G];
        unroll!(g in 0..G, {
            scale[g] = simd.reinterpret(simd.load_quads(&self.constants[(G + g) * 4 * S::LANES..]));
        });
        if G == 4 {
            let (sums, scale) = (
                [sums[0], sums[1 % G], sums[2 % G], sums[3 % G]],
                [scale[0], scale[1 % G], scale[2 % G], scale[3 % G]],
            );
            simd.store_quads(self.output.quads(simd, sums, scale), to);
        } else {
            simd.store_u8_part(self.output.vector(simd, sums[0], scale[0]), to);
        }
    }
}

/// Where the quad that a weight vector is for lies, in quads from the first of its window.
#[inline(always)]
fn place<const K: usize, const STRIDE: usize>(index: usize) -> usize {
    let places = const { places::<K, STRIDE>() };
    places[index]
}

const fn places<const K: usize, const STRIDE: usize>() -> [usize; 16] {
    let mut places = [0; 16];
    let mut i = 0;
    while i < quads(K) * K {
        let (q, kx) = (i / K, i % K);
        if contributes_to(K, STRIDE, q, kx) {
            places[weight_index(K, STRIDE, q, kx)] = kx * quads(K) + q;
        }
        i += 1;
    }
    places
}
