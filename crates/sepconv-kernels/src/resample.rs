//! Resampling of images along one axis: each pixel of the result is a weighted mean of neighbors.
//!
//! **Cost.** A multiply-add for each byte of the result and each weight. Plain loops: decoding an image takes longer.
//!
//! **Numerics.** Weights are whole numbers of [`ONE`]ths, sums are exact and rounded to the nearest byte, halves
//! upwards: as in Pillow.

/// The weight that stands for 1: sums of bytes times weights fit in 32 bits.
pub const ONE: i32 = 1 << BITS;

const BITS: u32 = 22;

/// Which pixels along an axis the positions of a result are made of: position `i` of `count` pixels from `first[i]` on,
/// with weights from `i · count` on, none of them negative, which add up to [`ONE`] or nearly so.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// The first pixel for each position.
    pub first: &'a [usize],
    /// As many weights for each position as for the others.
    pub weights: &'a [i32],
}

impl<'a> Axis<'a> {
    /// The first pixel and the weights of each position.
    fn positions(self) -> impl Iterator<Item = (usize, &'a [i32])> {
        let count = self.weights.len() / self.first.len().max(1);
        self.first.iter().copied().zip(self.weights.chunks_exact(count.max(1)))
    }
}

/// Resamples a row of pixels. Panics where the axis reads beyond it, or `out` is not as long as the axis.
pub fn columns(axis: Axis<'_>, x: &[[u8; 3]], out: &mut [[u8; 3]]) {
    assert_eq!(out.len(), axis.first.len(), "pixels of a resampled row");
    for (out, (first, weights)) in out.iter_mut().zip(axis.positions()) {
        let mut sums = [HALF; 3];
        for (pixel, &weight) in x[first..][..weights.len()].iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * weight;
            }
        }
        *out = sums.map(byte);
    }
}

/// Resamples a column of rows of `length` bytes. Panics where the axis reads beyond them, or `out` has not a row for
/// each position.
pub fn rows(axis: Axis<'_>, length: usize, x: &[u8], out: &mut [u8]) {
    assert_eq!(out.len(), axis.first.len() * length, "u8 values of resampled rows");
    for (row, (first, weights)) in out.chunks_exact_mut(length.max(1)).zip(axis.positions()) {
        let taps = x[first * length..][..weights.len() * length].chunks_exact(length);
        for (start, out) in (0..).step_by(BLOCK).zip(row.chunks_mut(BLOCK)) {
            let mut sums = [HALF; BLOCK];
            for (tap, &weight) in taps.clone().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(&tap[start..][..out.len()]) {
                    *sum += i32::from(value) * weight;
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = byte(sum);
            }
        }
    }
}

/// What a sum begins with, so that leaving out its fraction rounds it.
const HALF: i32 = ONE / 2;

/// Bytes of a row whose sums are formed together.
const BLOCK: usize = 64;

fn byte(sum: i32) -> u8 {
    (sum >> BITS).min(255) as u8
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::{Axis, ONE, columns, rows};
    use crate::testing::Lcg;

    /// Of nine pixels the means of pairs, and one pixel as it is.
    const FIRST: [usize; 5] = [0, 2, 4, 6, 7];
    const WEIGHTS: [i32; 10] = [ONE / 2, ONE / 2, ONE / 4, ONE / 4 * 3, 0, ONE, ONE / 2, ONE / 2, ONE, 0];
    const AXIS: Axis<'_> = Axis { first: &FIRST, weights: &WEIGHTS };

    fn mean(i: usize, value: impl Fn(usize) -> u8) -> u8 {
        let exact = (0..2).map(|k| f64::from(WEIGHTS[2 * i + k]) * f64::from(value(FIRST[i] + k))).sum::<f64>()
            / f64::from(ONE);
        (exact + 0.5).floor() as u8
    }

    #[test]
    fn columns_and_rows_are_weighted_means() {
        for length in [3, 63, 64, 66, 150] {
            let x = Lcg(length as u64).bytes(9 * length);
            let mut got = vec![0; 5 * length];
            rows(AXIS, length, &x, &mut got);
            let want: Vec<_> = (0..5 * length).map(|at| mean(at / length, |y| x[y * length + at % length])).collect();
            assert_eq!(got, want, "rows of {length}");
        }
        let x: Vec<_> = Lcg(7).bytes(27).as_chunks().0.to_vec();
        let mut got = [[0; 3]; 5];
        columns(AXIS, &x, &mut got);
        for (i, pixel) in got.iter().enumerate() {
            assert_eq!(*pixel, [0, 1, 2].map(|c| mean(i, |column| x[column][c])), "pixel {i}");
        }
    }
}
