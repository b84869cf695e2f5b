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
        Activation::HardSwish => hard_swish(simd, x),
        Activation::Sigmoid => sigmoid(simd, x),
        Activation::Silu => silu(simd, x),
        Activation::Tanh => tanh(simd, x),
    }
}

/// Applies `activation` to all of `data` in place.
#[inline(always)]
pub(crate) fn apply_all<S: Simd>(simd: S, activation: Activation, data: &mut [f32]) {
    // Each loop is of one activation, so that its steps are short and overlap. A closure would not always be inlined.
    macro_rules! each {
        ($x:ident => $result:expr) => {{
            let mut fours = data.chunks_exact_mut(4 * S::LANES);
            for four in &mut fours {
                unroll!(i in 0..4, {
                    let $x = simd.load(&four[i * S::LANES..]);
                    simd.store($result, &mut four[i * S::LANES..]);
                });
            }
            for part in fours.into_remainder().chunks_mut(S::LANES) {
                let $x = simd.load_part(part);
                simd.store_part($result, part);
            }
        }};
    }
    match activation {
        Activation::Identity => {}
        Activation::HardSwish => each!(x => hard_swish(simd, x)),
        Activation::Sigmoid => each!(x => sigmoid(simd, x)),
        Activation::Silu => each!(x => silu(simd, x)),
        other => each!(x => apply(simd, other, x)),
    }
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
        // Rows that follow each other are one.
        let [rows, columns] =
            if self.columns == self.stride { [1, self.rows * self.columns] } else { [self.rows, self.columns] };
        for row in 0..rows {
            apply_all(simd, self.activation, &mut self.data[row * self.stride..][..columns]);
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
pub(super) fn clip<S: Simd>(simd: S, x: S::F32, low: f32, high: f32) -> S::F32 {
    simd.min(simd.splat(high), simd.max(simd.splat(low), x))
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(simd: S, x: S::F32, alpha: f32, beta: f32) -> S::F32 {
    clip(simd, simd.mul_add(simd.splat(alpha), x, simd.splat(beta)), 0.0, 1.0)
}

#[inline(always)]
fn hard_swish<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    simd.mul(x, hard_sigmoid(simd, x, 1.0 / 6.0, 0.5))
}

#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    simd.div(simd.splat(1.0), one_plus_exp_of_minus(simd, x))
}

#[inline(always)]
fn silu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    simd.div(x, one_plus_exp_of_minus(simd, x))
}

/// `1 + e^-x`, which sigmoid and SiLU divide by: within 1.1e-7 of itself where it is small enough to matter in a
/// quotient, infinity below -88.4.
#[inline(always)]
fn one_plus_exp_of_minus<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let power = clip(simd, simd.mul(x, simd.splat(-core::f32::consts::LOG2_E)), -126.0, 128.0);
    let (fraction, scale) = split_exp2(simd, power);
    simd.mul_add(fraction, scale, simd.splat(1.0))
}

/// `2^x` within a relative 2e-7 for `x` up to 127; zero below -126.5.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let (fraction, scale) = split_exp2(simd, simd.max(simd.splat(-127.0), x));
    simd.mul(fraction, scale)
}

/// `(2^f, 2^n)` with `x = n + f` and `|f| <= 1/2`, for `x` in -127..=128.
#[inline(always)]
fn split_exp2<S: Simd>(simd: S, x: S::F32) -> (S::F32, S::F32) {
    // 2^f, the least greatest relative error: 8e-8.
    const SERIES: [f32; 6] = [1.327_647_1e-3, 9.675_541e-3, 5.550_713e-2, 0.240_221_2, 0.693_146_94, 1.000_000_1];

    let n = simd.round(x);
    let f = simd.sub(x, n);
    let mut series = simd.splat(SERIES[0]);
    for &coefficient in &SERIES[1..] {
        series = simd.mul_add(series, f, simd.splat(coefficient));
    }
    (series, simd.exp2(n))
}

/// `(e^2x - 1) / (e^2x + 1)`; `e^2x - 1` is put together without forming `e^2x`, so that small `x` keep their
/// precision.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::F32) -> S::F32 {
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
