use super::Taps;
use crate::Rows;
use crate::simd::{Int8, Kernel, Simd};
use crate::unroll::unrolled_array;

/// The arguments of [`resize`](super::resize), checked.
pub(super) struct Resize<'a, T> {
    pub(super) c: usize,
    pub(super) row_taps: &'a [Taps],
    pub(super) column_taps: &'a [Taps],
    pub(super) x: Rows<'a, T>,
    pub(super) scratch: &'a mut [f32],
    pub(super) out: &'a mut [T],
}

impl<S: Simd, T: Element<S>> Kernel<S> for Resize<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { c, row_taps, column_taps, x, scratch, mut out } = self;
        let length = column_taps.len() * c;
        // A ring: which row of the input each slot holds, resized along the columns.
        let (slots, mut held) = (scratch.len() / length, [usize::MAX; 4]);
        let mut last: Option<(&Taps, &[T])> = None;
        for row in row_taps {
            let (here, rest) = out.split_at_mut(length);
            out = rest;
            match last {
                Some((taps, before)) if taps == row => here.copy_from_slice(before),
                _ if slots == 0 => horizontal(simd, c, column_taps, x.row(row.first), here),
                _ => {
                    for y in row.first..row.first + row.count {
                        let slot = y % slots;
                        if held[slot] != y {
                            horizontal(simd, c, column_taps, x.row(y), &mut scratch[slot * length..][..length]);
                            held[slot] = y;
                        }
                    }
                    let line = |i: usize| &scratch[(row.first + i) % slots * length..][..length];
                    match row.count {
                        1 => vertical(simd, [line(0)], &row.weights, here),
                        2 => vertical(simd, [line(0), line(1)], &row.weights, here),
                        3 => vertical(simd, [line(0), line(1), line(2)], &row.weights, here),
                        _ => vertical(simd, [line(0), line(1), line(2), line(3)], &row.weights, here),
                    }
                }
            }
            last = Some((row, here));
        }
    }
}

/// Resizes a row along its columns.
///
/// A vector may reach beyond its pixel: what it writes there is written again, pixels being made in order.
#[inline(always)]
fn horizontal<S: Simd, X: Element<S>, Y: Element<S>>(simd: S, c: usize, taps: &[Taps], x: &[X], out: &mut [Y]) {
    for (pixel, taps) in taps.iter().enumerate() {
        for v in (0..c).step_by(S::LANES) {
            let (x, out) = (&x[taps.first * c + v..], &mut out[pixel * c + v..]);
            if x.len() >= (taps.count - 1) * c + S::LANES && out.len() >= S::LANES {
                let mut sum = simd.mul(X::load(simd, x), simd.splat(taps.weights[0]));
                for i in 1..taps.count {
                    sum = X::mul_add(simd, X::load(simd, &x[i * c..]), simd.splat(taps.weights[i]), sum);
                }
                Y::store(simd, sum, out);
            } else {
                let lanes = S::LANES.min(c - v);
                let mut sum = simd.mul(X::load_part(simd, &x[..lanes]), simd.splat(taps.weights[0]));
                for i in 1..taps.count {
                    let sample = X::load_part(simd, &x[i * c..][..lanes]);
                    sum = X::mul_add(simd, sample, simd.splat(taps.weights[i]), sum);
                }
                Y::store_part(simd, sum, &mut out[..lanes]);
            }
        }
    }
}

/// `out = Σ weights[i]·lines[i]`, lines being as long as `out`; a lone line of weight one comes through unchanged.
#[inline(always)]
fn vertical<S: Simd, T: Element<S>, const N: usize>(simd: S, lines: [&[f32]; N], weights: &[f32; 4], out: &mut [T]) {
    let weights: [S::F32; N] = unrolled_array(|i| simd.splat(weights[i]));
    let whole = out.len() - out.len() % S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        let mut sum = simd.mul(simd.load(&lines[0][at..]), weights[0]);
        for i in 1..N {
            sum = T::mul_add(simd, simd.load(&lines[i][at..]), weights[i], sum);
        }
        T::store(simd, sum, &mut out[at..]);
    }
    let mut sum = simd.mul(simd.load_part(&lines[0][whole..]), weights[0]);
    for i in 1..N {
        sum = T::mul_add(simd, simd.load_part(&lines[i][whole..]), weights[i], sum);
    }
    T::store_part(simd, sum, &mut out[whole..]);
}

/// What feature maps consist of.
pub(super) trait Element<S: Simd>: Copy {
    /// The first values of `from`, one in each lane. Panics when it is shorter.
    fn load(simd: S, from: &[Self]) -> S::F32;
    /// All of `from` up to a vector, then zeros.
    fn load_part(simd: S, from: &[Self]) -> S::F32;
    /// Writes the first values of `to`. Panics when it is shorter.
    fn store(simd: S, x: S::F32, to: &mut [Self]);
    /// Writes all of `to` up to a vector.
    fn store_part(simd: S, x: S::F32, to: &mut [Self]);
    /// `a · b + c`
    fn mul_add(simd: S, a: S::F32, b: S::F32, c: S::F32) -> S::F32;
}

impl<S: Simd> Element<S> for f32 {
    #[inline(always)]
    fn load(simd: S, from: &[Self]) -> S::F32 {
        simd.load(from)
    }
    #[inline(always)]
    fn load_part(simd: S, from: &[Self]) -> S::F32 {
        simd.load_part(from)
    }
    #[inline(always)]
    fn store(simd: S, x: S::F32, to: &mut [Self]) {
        simd.store(x, to);
    }
    #[inline(always)]
    fn store_part(simd: S, x: S::F32, to: &mut [Self]) {
        simd.store_part(x, to);
    }
    #[inline(always)]
    fn mul_add(simd: S, a: S::F32, b: S::F32, c: S::F32) -> S::F32 {
        simd.mul_add(a, b, c)
    }
}

impl<S: Int8> Element<S> for u8 {
    #[inline(always)]
    fn load(simd: S, from: &[Self]) -> S::F32 {
        simd.to_f32(simd.load_u8(from))
    }
    #[inline(always)]
    fn load_part(simd: S, from: &[Self]) -> S::F32 {
        simd.to_f32(simd.load_u8_part(from))
    }
    #[inline(always)]
    fn store(simd: S, x: S::F32, to: &mut [Self]) {
        simd.store_u8(rounded(simd, x), to);
    }
    #[inline(always)]
    fn store_part(simd: S, x: S::F32, to: &mut [Self]) {
        simd.store_u8_part(rounded(simd, x), to);
    }
    /// Never fused: all instruction sets give the same bits.
    #[inline(always)]
    fn mul_add(simd: S, a: S::F32, b: S::F32, c: S::F32) -> S::F32 {
        simd.add(simd.mul(a, b), c)
    }
}

/// The nearest byte: a cubic may overshoot.
#[inline(always)]
fn rounded<S: Int8>(simd: S, x: S::F32) -> S::I32 {
    simd.to_i32(simd.min(simd.max(x, simd.splat(0.0)), simd.splat(255.0)))
}
