use super::{Simd, bytes, part, signed, strided_mut};
use crate::unroll::unrolled_array;

/// Bytes of the widest vector.
const MOST_BYTES: usize = 64;

/// Integers beside the f32 values of a token: the vocabulary of int8 kernels.
///
/// A vector [`I32`](Self::I32) holds one whole number per lane, or a *quad* of bytes, lowest address first: inputs as
/// `u8` or, counted from 128, as `i8`; weights as `i8`. Every method is exact, so all tokens give the same bits. Sums
/// wrap at 32 bits.
pub trait Int8: Simd {
    /// A vector of [`LANES`](Simd::LANES) whole numbers of 32 bits, or of as many quads of bytes.
    type I32: Copy + Send + Sync;
    /// What inputs are counted from: 128 where the machine multiplies signed int8 only. Quads of inputs hold `x -
    /// INPUT_OFFSET`.
    const INPUT_OFFSET: u8 = 0;
    /// Registers that a vector of weights takes while [`dot`](Self::dot) multiplies it.
    const WEIGHT_REGISTERS: usize;
    /// Registers that [`dot`](Self::dot) needs beside its operands.
    const DOT_REGISTERS: usize = 0;
    /// Whether [`dot_saturating`](Self::dot_saturating) is faster than [`dot`](Self::dot), so that weights whose
    /// products could saturate together are parted.
    const PARTS_WEIGHTS: bool = false;
    /// Whether rows of a tile of one or two vectors are requantized together: not where joining and parting them again
    /// costs more than a vector that is not full.
    const JOINS_ROWS: bool = true;
    /// Vectors of channels that depthwise kernels make together: as many as [`interleave`](Self::interleave) gives, or
    /// one where sums of so many do not fit in registers.
    const INTERLEAVE: usize = 4;
    /// The least and the most vectors of channels in a tile. Others are not compiled.
    const TILE_WIDTHS: [usize; 2] = [1, 4];

    /// `x` in every lane.
    fn splat_i32(self, x: i32) -> Self::I32;
    /// The same quad of inputs in every lane.
    #[inline(always)]
    fn splat_quad(self, x: [u8; 4]) -> Self::I32 {
        self.splat_i32(i32::from_ne_bytes(x))
    }
    /// The first [`LANES`](Simd::LANES) numbers of `from`. Panics when it is shorter.
    fn load_i32(self, from: &[i32]) -> Self::I32;
    /// Writes the first [`LANES`](Simd::LANES) numbers of `to`. Panics when it is shorter.
    fn store_i32(self, x: Self::I32, to: &mut [i32]);
    /// The first `4·LANES` bytes of `from`: quads, or numbers of 32 bits in the order of the machine's bytes. Panics
    /// when it is shorter.
    fn load_quads(self, from: &[i8]) -> Self::I32;
    /// The first [`LANES`](Simd::LANES) bytes of `from`, one in each lane. Panics when it is shorter.
    fn load_u8(self, from: &[u8]) -> Self::I32;
    /// All of `from` up to [`LANES`](Simd::LANES) bytes, one in each lane, then zeros.
    fn load_u8_part(self, from: &[u8]) -> Self::I32;
    /// Writes the first [`LANES`](Simd::LANES) bytes of `to`, from numbers in 0..=255. Panics when it is shorter.
    fn store_u8(self, x: Self::I32, to: &mut [u8]);
    /// Writes all of `to` up to [`LANES`](Simd::LANES) bytes, from numbers in 0..=255.
    fn store_u8_part(self, x: Self::I32, to: &mut [u8]);

    /// `a + b`
    fn add_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// `a - b`
    fn sub_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// `sum` and the four products of the quads `x - INPUT_OFFSET`, made of inputs, and `w`, of weights.
    fn dot(self, sum: Self::I32, x: Self::I32, w: Self::I32) -> Self::I32;
    /// `sum` and the products of both halves of 16 bits: the arithmetic of machines without vectors.
    #[inline(always)]
    fn multiply_pairs(self, sum: i32, a: i32, b: i32) -> i32 {
        let low = i32::from(a as i16) * i32::from(b as i16);
        sum.wrapping_add(low).wrapping_add((a >> 16) * (b >> 16))
    }
    /// Adds to the sums of `P` pixels the products of their inputs and the same weights, quad by quad: of each pixel
    /// `words` has the bytes 0 and 2 and then the bytes 1 and 3 as pairs of 16 bits. Panics where there are not as many
    /// inputs as weights.
    #[inline(always)]
    fn add_pairs<const P: usize>(self, mut sums: [i32; P], words: &[i32], weights: &[i8]) -> [i32; P] {
        assert_eq!(words.len(), weights.len() / 4 * 2 * P);
        for (words, weights) in words.chunks_exact(2 * P).zip(weights.as_chunks::<4>().0) {
            let pair = |i: usize| i32::from(weights[i]) & 0xffff | i32::from(weights[i + 2]) << 16;
            let (even, odd) = (pair(0), pair(1));
            unroll!(p in 0..P, {
                sums[p] = self.multiply_pairs(sums[p], words[2 * p], even);
                sums[p] = self.multiply_pairs(sums[p], words[2 * p + 1], odd);
            });
        }
        sums
    }
    /// The results of four pixels in all channels, of which nothing is cut off: those of a pixel follow each other in
    /// `out`, and pixels are `stride` apart. Panics where lengths contradict each other.
    #[inline(always)]
    fn four_pixels(self, block: FourPixels<'_>, zero_point: i32, out: &mut [u8], stride: usize) {
        four_pixels(self, block, zero_point, out, stride);
    }
    /// The results of the windows of one channel along a row, `pitch` apart in `out`: `pairs` has `K.div_ceil(2)` pairs
    /// of 16 bits for each column, which window `x` meets from `x·STRIDE` on. Panics where these are not all columns.
    #[inline(always)]
    fn add_windows<const K: usize, const STRIDE: usize>(
        self,
        constants: &Windows<K>,
        pairs: &[i32],
        out: &mut [u8],
        pitch: usize,
    ) {
        add_windows::<Self, K, STRIDE>(self, constants, pairs, out, pitch);
    }
    /// The nearest whole number of 32 bits, halves to even.
    #[inline(always)]
    fn round_word(self, x: f32) -> i32 {
        libm::rintf(x) as i32
    }
    /// As [`round_word`](Self::round_word), of products with a scale.
    #[inline(always)]
    fn scale_and_round<const P: usize>(self, mut sums: [i32; P], scale: f32) -> [i32; P] {
        unroll!(p in 0..P, {
            sums[p] = self.round_word(sums[p] as f32 * scale);
        });
        sums
    }
    /// The fastest [`dot`](Self::dot) that the instructions allow: where the sum of the first two or of the last two
    /// products leaves 16 bits it may saturate.
    #[inline(always)]
    fn dot_saturating(self, sum: Self::I32, x: Self::I32, w: Self::I32) -> Self::I32 {
        self.dot(sum, x, w)
    }
    /// As [`optimization_barrier`](Simd::optimization_barrier).
    #[inline(always)]
    fn optimization_barrier_i32(self, x: Self::I32) -> Self::I32 {
        x
    }
    /// the nearest f32, halves to even.
    fn to_f32(self, x: Self::I32) -> Self::F32;
    /// The nearest whole number, halves to even, and -2³¹ for all below it; for numbers below 2³¹.
    fn to_i32(self, x: Self::F32) -> Self::I32;
    /// The f32 values whose bits these are.
    fn reinterpret(self, x: Self::I32) -> Self::F32;
    /// `lut[x]` for `x` in 0..=255.
    fn lookup(self, lut: &[u8; 256], x: Self::I32) -> Self::I32;
    /// `x = lut[x]` for every byte.
    #[inline(always)]
    fn lookup_all(self, lut: &[u8; 256], x: &mut [u8]) {
        for x in x {
            *x = lut[usize::from(*x)];
        }
    }

    /// From `4·LANES` channels of four rows, quads of the four rows' inputs at one channel. Lane `i` of all four
    /// vectors together holds the channel [`channel(i)`](Self::channel). Panics when a row is shorter.
    fn interleave(self, rows: [&[u8]; 4]) -> [Self::I32; 4];
    /// As [`interleave`](Self::interleave), for up to [`LANES`](Simd::LANES) channels, in their order; absent bytes
    /// count as zero.
    fn interleave_part(self, rows: [&[u8]; 4]) -> Self::I32;
    /// The channel that lane `i % LANES` of vector `i / LANES` holds after [`interleave`](Self::interleave): groups of
    /// four lanes take turns over the vectors, as instructions that work within 128 bits leave them.
    #[inline(always)]
    fn channel(i: usize) -> usize {
        channel(Self::LANES, i)
    }
    /// Four vectors as bytes `clamp(x + zero_point, low, high)`: that of lane `i` of all together is byte
    /// [`channel(i)`](Self::channel).
    fn narrow(self, x: [Self::I32; 4], zero_point: u8, bounds: [u8; 2]) -> Self::I32;
    /// Moves byte [`channel(i)`](Self::channel) to place `i`: what [`narrow`](Self::narrow) gives, in the order of
    /// lanes.
    fn deinterleave(self, x: Self::I32) -> Self::I32;
    /// `lut[x]` for every byte.
    #[inline(always)]
    fn lookup_quads(self, lut: &[u8; 256], x: Self::I32) -> Self::I32 {
        let mut bytes = [0; MOST_BYTES];
        self.store_quads(x, &mut bytes);
        self.lookup_all(lut, &mut bytes[..4 * Self::LANES]);
        self.load_quads(signed(&bytes))
    }
    /// Writes the `4·LANES` bytes of quads. Panics when `to` is shorter.
    fn store_quads(self, x: Self::I32, to: &mut [u8]);
    /// Writes all of `to` up to `4·LANES` bytes.
    #[inline(always)]
    fn store_quads_part(self, x: Self::I32, to: &mut [u8]) {
        if to.len() == 4 * Self::LANES {
            return self.store_quads(x, to);
        }
        let mut bytes = [0; MOST_BYTES];
        self.store_quads(x, &mut bytes);
        write(&bytes, to);
    }
    /// Cuts the `4·LANES` bytes into `PARTS`, two or four, and writes of each as many as the slice has that it goes to;
    /// parts without a slice are left out.
    #[inline(always)]
    fn store_quads_parts<'a, const PARTS: usize>(self, x: Self::I32, to: impl Iterator<Item = &'a mut [u8]>) {
        let mut bytes = [0; MOST_BYTES];
        self.store_quads(x, &mut bytes);
        for (from, to) in bytes.chunks_exact(4 * Self::LANES / PARTS).zip(to.take(PARTS)) {
            write(from, to);
        }
    }
}

/// Four pixels by weights that are packed in panels of one channel, see [`Int8::four_pixels`].
#[derive(Clone, Copy, Debug)]
pub struct FourPixels<'a> {
    /// The inputs, as [`Int8::add_pairs`] reads them.
    pub(crate) words: &'a [i32],
    /// What is added to the sums of each pixel.
    pub(crate) row_sums: &'a [i32],
    /// Of each channel the bias and the scale, as 32 bits each, and its weights.
    pub(crate) panels: &'a [i8],
    /// Bytes of a panel.
    pub(crate) panel: usize,
}

/// [`Int8::four_pixels`] without instructions for it.
#[inline(always)]
fn four_pixels<S: Int8>(simd: S, block: FourPixels<'_>, zero_point: i32, out: &mut [u8], stride: usize) {
    let FourPixels { words, row_sums, panels, panel } = block;
    let mut rows: [&mut [u8]; 4] = strided_mut(out, stride, panels.len() / panel);
    for (channel, panel) in panels.chunks_exact(panel).enumerate() {
        let [bias, scale] = [0, 4].map(|at| bytes::word(&panel[at..]));
        let sums = unrolled_array(|p| row_sums[p].wrapping_add(bias));
        let sums = simd.add_pairs::<4>(sums, words, &panel[8..]);
        let rounded = simd.scale_and_round(sums, f32::from_bits(scale as u32));
        for (row, rounded) in rows.iter_mut().zip(rounded) {
            row[channel] = rounded.saturating_add(zero_point).clamp(0, 255) as u8;
        }
    }
}

/// [`Int8::add_windows`], of any window.
#[inline(always)]
pub(super) fn add_windows<S: Int8, const K: usize, const STRIDE: usize>(
    simd: S,
    constants: &Windows<K>,
    pairs: &[i32],
    out: &mut [u8],
    pitch: usize,
) {
    let Windows { weights, bias, scale, zero_point } = constants;
    let height = K.div_ceil(2);
    let windows = pairs.windows(K * height).step_by(STRIDE * height);
    for (window, out) in windows.zip(out.iter_mut().step_by(pitch)) {
        let mut sum = *bias;
        for (column, weights) in window.chunks_exact(height).zip(weights) {
            for (&pair, &weight) in column.iter().zip(weights) {
                sum = simd.multiply_pairs(sum, pair, weight);
            }
        }
        let [rounded] = simd.scale_and_round([sum], *scale);
        *out = rounded.saturating_add(*zero_point).clamp(0, 255) as u8;
    }
}

/// What is the same for all windows of a channel, see [`Int8::add_windows`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Windows<const K: usize> {
    /// For each column of the window, two rows in a pair of 16 bits.
    pub(crate) weights: [[i32; 4]; K],
    pub(crate) bias: i32,
    pub(crate) scale: f32,
    pub(crate) zero_point: i32,
}

/// Writes all of `to` from the first bytes of `from`.
#[inline(always)]
fn write(from: &[u8], to: &mut [u8]) {
    for (from, to) in from.chunks(8).zip(to.chunks_mut(8)) {
        match from.first_chunk() {
            Some(from) => part::write(u64::from_le_bytes(*from), to),
            None => to.copy_from_slice(&from[..to.len()]),
        }
    }
}

/// The channel of lane `i` of four vectors of so many lanes together: see [`Int8::channel`].
#[inline(always)]
pub(crate) fn channel(lanes: usize, i: usize) -> usize {
    let (vector, lane) = (i / lanes, i % lanes);
    lane / 4 * 16 + vector * 4 + lane % 4
}
