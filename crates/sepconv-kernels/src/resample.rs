//! Resampling of pictures along one axis: each pixel of the result is a weighted mean of neighbours.
//!
//! **Cost.** A multiply-add for each byte of the result and each weight. Plain loops: decoding a picture takes longer.
//!
//! **Numerics.** Sums in single precision, in the order of the weights, then the nearest byte, halves upwards.

/// Which pixels along an axis the positions of a result are made of: position `i` of `count` pixels from `first[i]` on, with weights
/// from `i · count` on, none of them negative, which add up to one.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// The first pixel for each position.
    pub first: &'a [usize],
    /// As many weights for each position as for the others.
    pub weights: &'a [f32],
}

impl<'a> Axis<'a> {
    /// The first pixel and the weights of each position.
    fn positions(self) -> impl Iterator<Item = (usize, &'a [f32])> {
        let count = self.weights.len() / self.first.len().max(1);
        self.first.iter().copied().zip(self.weights.chunks_exact(count.max(1)))
    }
}

/// Resamples a row of pixels. Panics where the axis reads beyond it, or `out` is shorter than the axis.
pub fn columns(axis: Axis<'_>, x: &[[u8; 3]], out: &mut [[u8; 3]]) {
    assert_eq!(out.len(), axis.first.len(), "pixels of a resampled row");
    for (out, (first, weights)) in out.iter_mut().zip(axis.positions()) {
        let mut sums = [HALF; 3];
        for (pixel, weight) in x[first..][..weights.len()].iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += f32::from(value) * weight;
            }
        }
        *out = sums.map(|sum| sum as u8);
    }
}

/// Resamples a column of rows of `length` bytes. Panics where the axis reads beyond them, or `out` has not a row for each position.
pub fn rows(axis: Axis<'_>, length: usize, x: &[u8], out: &mut [u8]) {
    assert_eq!(out.len(), axis.first.len() * length, "bytes of resampled rows");
    for (row, (first, weights)) in out.chunks_exact_mut(length.max(1)).zip(axis.positions()) {
        let taps = x[first * length..][..weights.len() * length].chunks_exact(length);
        for (start, out) in (0..).step_by(BLOCK).zip(row.chunks_mut(BLOCK)) {
            let mut sums = [HALF; BLOCK];
            for (tap, weight) in taps.clone().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(&tap[start..][..out.len()]) {
                    *sum += f32::from(value) * weight;
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum as u8;
            }
        }
    }
}

/// What a sum begins with, so that leaving out its fraction rounds it.
const HALF: f32 = 0.5;

/// Bytes of a row whose sums are formed together.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::{Axis, columns, rows};
    use crate::testing::Lcg;

    /// Of nine pixels the means of pairs, and one pixel as it is.
    const FIRST: [usize; 5] = [0, 2, 4, 6, 7];
    const WEIGHTS: [f32; 10] = [0.5, 0.5, 0.25, 0.75, 0.0, 1.0, 0.5, 0.5, 1.0, 0.0];
    const AXIS: Axis<'_> = Axis { first: &FIRST, weights: &WEIGHTS };

    fn mean(i: usize, value: impl Fn(usize) -> u8) -> u8 {
        let exact = (0..2).map(|k| f64::from(WEIGHTS[2 * i + k]) * f64::from(value(FIRST[i] + k))).sum::<f64>();
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
            assert_eq!(*pixel, [0, 1, 2].map(|c| mean(i, |x_| x[x_][c])), "pixel {i}");
        }
    }
}
