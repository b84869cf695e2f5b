use super::{Simd, part, signed};

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
