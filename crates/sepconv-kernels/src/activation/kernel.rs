use super::Activation;
use crate::simd::{Kernel, Simd};

/// `activation(x)` in every lane.
#[inline(always)]
pub(crate) fn apply<S: Simd>(simd: S, activation: Activation, x: S::F32) -> S::F32 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => simd.max(simd.splat(0.0), x),
        Activation::Clip { low, high } => clip(simd, x, low, high),
        Activation::LeakyRelu { slope } => {
            let zero = simd.splat(0.0);
            simd.mul_add(simd.splat(slope), simd.min(zero, x), simd.max(zero, x))
        }
        Activation::HardSigmoid { alpha, beta } => hard_sigmoid(simd, x, alpha, beta),
        Activation::HardSwish => simd.mul(x, hard_sigmoid(simd, x, 1.0 / 6.0, 0.5)),
        Activation::Sigmoid => sigmoid(simd, x),
        Activation::Silu => simd.mul(x, sigmoid(simd, x)),
        Activation::Tanh => tanh(simd, x),
    }
}

/// Applies `activation` to all of `data` in place.
#[inline(always)]
pub(crate) fn apply_all<S: Simd>(simd: S, activation: Activation, data: &mut [f32]) {
    let mut chunks = data.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        simd.store(apply(simd, activation, simd.load(chunk)), chunk);
    }
    let rest = chunks.into_remainder();
    simd.store_part(apply(simd, activation, simd.load_part(rest)), rest);
}

/// Applies `activation` to `columns` numbers in each of `rows` rows of `data`, `stride` apart.
pub(crate) struct ApplyRows<'a> {
    pub(crate) activation: Activation,
    pub(crate) data: &'a mut [f32],
    pub(crate) rows: usize,
    pub(crate) stride: usize,
    pub(crate) columns: usize,
}

impl<S: Simd> Kernel<S> for ApplyRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        for row in 0..self.rows {
            apply_all(simd, self.activation, &mut self.data[row * self.stride..][..self.columns]);
        }
    }
}

/// `e^x` within two units in the last place; zero below -87.7 and infinity above 88.4, a little before they are due.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let (fraction, scale) = split_exp(simd, clip(simd, x, -88.0, 89.0));
    simd.mul(simd.add(fraction, simd.splat(1.0)), scale)
}

/// `NaN` must come out of a clip, hence the order of the operands.
#[inline(always)]
fn clip<S: Simd>(simd: S, x: S::F32, low: f32, high: f32) -> S::F32 {
    simd.min(simd.splat(high), simd.max(simd.splat(low), x))
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(simd: S, x: S::F32, alpha: f32, beta: f32) -> S::F32 {
    clip(simd, simd.mul_add(simd.splat(alpha), x, simd.splat(beta)), 0.0, 1.0)
}

#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let one = simd.splat(1.0);
    simd.div(one, simd.add(one, exp(simd, simd.sub(simd.splat(0.0), x))))
}

/// `(e^2x - 1) / (e^2x + 1)`; `e^2x - 1` is put together without forming `e^2x`, so that small `x` keep their precision.
#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let x = clip(simd, x, -10.0, 10.0);
    let (fraction, scale) = split_exp(simd, simd.add(x, x));
    let above_one = simd.mul_add(fraction, scale, simd.sub(scale, simd.splat(1.0)));
    simd.div(above_one, simd.add(above_one, simd.splat(2.0)))
}

/// `(e^r - 1, 2^n)` with `x = n·ln 2 + r` and `|r| <= ln 2 / 2`, for `x` in -88..=89.
#[inline(always)]
fn split_exp<S: Simd>(simd: S, x: S::F32) -> (S::F32, S::F32) {
    // ln 2 in two parts: n times the first is exact, having few bits.
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    // (e^r - 1 - r) / r², the least greatest error: 3e-9 of e^r.
    const SERIES: [f32; 5] = [1.381_453_5e-3, 8.368_703e-3, 4.166_839e-2, 0.166_665_21, 0.499_999_94];

    let n = simd.round(simd.mul(x, simd.splat(core::f32::consts::LOG2_E)));
    let r = simd.mul_add(n, simd.splat(-LN2[0]), x);
    let r = simd.mul_add(n, simd.splat(-LN2[1]), r);
    let mut series = simd.splat(SERIES[0]);
    for &coefficient in &SERIES[1..] {
        series = simd.mul_add(series, r, simd.splat(coefficient));
    }
    (simd.mul_add(simd.mul(series, r), r, r), simd.exp2(n))
}
