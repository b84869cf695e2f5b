use core::ops::Range;

use super::taps::InnerTaps;
use crate::requantize::Requantize;
use crate::simd::{Int8, Kernel};
use crate::{ConvGeometry, Isa, Rows};

/// How a mean becomes a u8: `output(Σ (x - zero_point) · (scale / count))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The zero point of the input.
    pub zero_point: u8,
    /// Units of the result in a unit of the input.
    pub scale: f32,
    /// How the mean becomes a u8.
    pub output: Requantize,
}

impl Mean {
    /// The definition, of the sum of `count` bytes.
    pub fn apply(&self, sum: i32, count: usize) -> u8 {
        let centered = sum - count as i32 * i32::from(self.zero_point);
        self.output.round(centered as f32 * (self.scale / count.max(1) as f32))
    }
}

/// Pools u8 values into the output rows `rows`, as [`pool`](super::pool) does f32 values: maxima of the bytes, or the
/// `mean` of those inside the feature map, which must be given for an average and for nothing else. A row of `x` is
/// `[w,c]`, `out` is `[rows,ow,c]`. Sums are exact for windows of up to 2²³ taps.
///
/// Panics when sizes contradict each other.
pub fn pool_int8(
    isa: Isa,
    pool: &ConvGeometry,
    mean: Option<&Mean>,
    x: Rows<'_, u8>,
    rows: Range<usize>,
    out: &mut [u8],
) {
    pool.check_pool();
    assert!(rows.start <= rows.end && rows.end <= pool.output[0], "pooled rows {rows:?} of {}", pool.output[0]);
    assert_eq!(x.length(), pool.input[1] * pool.input[2], "u8 values in a row of pooling input");
    assert_eq!(out.len(), rows.len() * pool.output[1] * pool.output[2], "u8 values of pooling output");
    isa.run_int8(PoolInt8 { pool, mean, x, rows, out });
}

/// As [`pool_int8`], on a token that is known when compiling: no other instruction set is linked. Panics where an index
/// is out of bounds.
pub fn pool_int8_on<S: Int8>(
    simd: S,
    pool: &ConvGeometry,
    mean: Option<&Mean>,
    x: Rows<'_, u8>,
    rows: Range<usize>,
    out: &mut [u8],
) {
    simd.vectorize(PoolInt8 { pool, mean, x, rows, out });
}

/// The arguments of [`pool_int8`], checked.
struct PoolInt8<'a> {
    pool: &'a ConvGeometry,
    mean: Option<&'a Mean>,
    x: Rows<'a, u8>,
    rows: Range<usize>,
    out: &'a mut [u8],
}

/// Vectors of channels that pass over a window together.
const VECTORS: usize = 4;

impl<S: Int8> Kernel<S> for PoolInt8<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { pool, mean, x, rows, out } = self;
        let [_, ow, c] = pool.output;
        for (y, out) in rows.zip(out.chunks_exact_mut(ow * c)) {
            let (mut taps, mut column) = (InnerTaps::of_row(pool, x, y), 0);
            while column < ow {
                let columns = taps.move_to(column);
                let out = &mut out[column * c..][..columns * c];
                for (out, first) in out.chunks_mut(VECTORS * S::LANES).zip((0..).step_by(VECTORS * S::LANES)) {
                    match mean {
                        Some(mean) => average(simd, &taps, mean, first, out),
                        None => greatest(simd, &taps, first, out),
                    }
                }
                column += columns;
            }
        }
    }
}

/// Vector `v` of some channels: whole, in part, or nothing.
#[inline(always)]
fn part<S: Int8>(bytes: &[u8], v: usize) -> &[u8] {
    let end = |v: usize| bytes.len().min(v * S::LANES);
    &bytes[end(v)..end(v + 1)]
}

#[inline(always)]
fn average<S: Int8>(simd: S, taps: &InnerTaps<'_, u8>, mean: &Mean, first: usize, out: &mut [u8]) {
    let mut sums = [simd.splat_i32(0); VECTORS];
    for i in 0..taps.rows() {
        let row = taps.row(i, first);
        for j in 0..taps.columns {
            let bytes = &row[j * taps.step..][..out.len()];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = simd.add_i32(*sum, simd.load_u8_part(part::<S>(bytes, v)));
            }
        }
    }
    let count = taps.len();
    let zero = simd.splat_i32(count as i32 * i32::from(mean.zero_point));
    let scale = simd.splat(mean.scale / count.max(1) as f32);
    for (sum, out) in sums.into_iter().zip(out.chunks_mut(S::LANES)) {
        simd.store_u8_part(mean.output.vector(simd, simd.sub_i32(sum, zero), scale), out);
    }
}

#[inline(always)]
fn greatest<S: Int8>(simd: S, taps: &InnerTaps<'_, u8>, first: usize, out: &mut [u8]) {
    // f32 values hold bytes, and every instruction set compares them.
    let mut greatest = [simd.splat(0.0); VECTORS];
    for i in 0..taps.rows() {
        let row = taps.row(i, first);
        for j in 0..taps.columns {
            let bytes = &row[j * taps.step..][..out.len()];
            for (v, greatest) in greatest.iter_mut().enumerate() {
                *greatest = simd.max(simd.to_f32(simd.load_u8_part(part::<S>(bytes, v))), *greatest);
            }
        }
    }
    for (greatest, out) in greatest.into_iter().zip(out.chunks_mut(S::LANES)) {
        simd.store_u8_part(simd.to_i32(greatest), out);
    }
}
