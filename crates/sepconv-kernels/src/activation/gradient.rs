use super::Activation;
use super::kernel::{clip, sigmoid, tanh};
use crate::simd::Simd;

impl Activation {
    /// The definition of the derivative. At a bend it is that of the flat side, as PyTorch has it.
    pub fn derivative(self, x: f64) -> f64 {
        let inside = |low: f64, high: f64, slope: f64| if low < x && x < high { slope } else { 0.0 };
        let sigmoid = 1.0 / (1.0 + libm::exp(-x));
        match self {
            Self::Identity => 1.0,
            Self::Relu => inside(0.0, f64::INFINITY, 1.0),
            Self::Clip { low, high } => inside(low.into(), high.into(), 1.0),
            Self::LeakyRelu { slope } => {
                if x > 0.0 {
                    1.0
                } else {
                    slope.into()
                }
            }
            Self::HardSigmoid { alpha, beta } => {
                let y = f64::from(alpha) * x + f64::from(beta);
                if 0.0 < y && y < 1.0 { alpha.into() } else { 0.0 }
            }
            Self::HardSwish if x >= 3.0 => 1.0,
            Self::HardSwish => inside(-3.0, 3.0, x / 3.0 + 0.5),
            Self::Sigmoid => sigmoid * (1.0 - sigmoid),
            Self::Silu => sigmoid * (1.0 + x * (1.0 - sigmoid)),
            Self::Tanh => 1.0 - libm::tanh(x) * libm::tanh(x),
        }
    }
}

/// [`Activation::derivative`] in every lane; NaN stays NaN.
#[inline(always)]
pub(crate) fn derivative<S: Simd>(simd: S, activation: Activation, x: S::F32) -> S::F32 {
    let one = simd.splat(1.0);
    match activation {
        Activation::Identity => one,
        Activation::Relu => is_positive(simd, x),
        Activation::Clip { low, high } => between(simd, x, low, high),
        Activation::LeakyRelu { slope } => {
            let rest = simd.splat(1.0 - slope);
            simd.mul_add(is_positive(simd, x), rest, simd.splat(slope))
        }
        Activation::HardSigmoid { alpha, beta } => {
            let y = simd.mul_add(simd.splat(alpha), x, simd.splat(beta));
            simd.mul(simd.splat(alpha), between(simd, y, 0.0, 1.0))
        }
        Activation::HardSwish => {
            // Beyond this it is constant, and nothing overflows.
            let x = clip(simd, x, -4.0, 4.0);
            let below = is_positive(simd, simd.sub(simd.splat(3.0), x));
            let slope = simd.mul_add(x, simd.splat(1.0 / 3.0), simd.splat(-0.5));
            let slope = simd.mul_add(below, slope, one);
            simd.mul(is_positive(simd, simd.add(x, simd.splat(3.0))), slope)
        }
        Activation::Sigmoid => {
            let y = sigmoid(simd, x);
            simd.mul(y, simd.sub(one, y))
        }
        Activation::Silu => {
            let x = clip(simd, x, -100.0, 100.0);
            let y = sigmoid(simd, x);
            simd.mul(y, simd.mul_add(x, simd.sub(one, y), one))
        }
        Activation::Tanh => {
            let y = tanh(simd, x);
            simd.sub(one, simd.mul(y, y))
        }
    }
}

/// 1 where `low < x < high`, else 0.
#[inline(always)]
fn between<S: Simd>(simd: S, x: S::F32, low: f32, high: f32) -> S::F32 {
    let above = is_positive(simd, simd.sub(x, simd.splat(low)));
    simd.mul(above, is_positive(simd, simd.sub(simd.splat(high), x)))
}

/// 1 where `x > 0`, else 0: the smallest number times this twice is above one.
#[inline(always)]
fn is_positive<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let large = simd.splat(f32::from_bits((127 + 100) << 23));
    let grown = simd.mul(simd.max(simd.splat(0.0), simd.mul(x, large)), large);
    simd.min(simd.splat(1.0), grown)
}
