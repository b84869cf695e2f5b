use crate::Activation;

/// A function of one number. Each variant's text is its definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// One of the functions that convolutions can apply as well.
    Activation(Activation),
    /// `e^x`
    Exp,
    /// The natural logarithm.
    Log,
    /// The square root.
    Sqrt,
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `1 / x`
    Reciprocal,
    /// The greatest whole number that is not above `x`.
    Floor,
    /// The least whole number that is not below `x`.
    Ceil,
    /// The nearest whole number, halves to even.
    Round,
    /// The error function.
    Erf,
    /// -1, 0 or 1; NaN for NaN.
    Sign,
    /// `ln(1 + e^x)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x` where positive, else `alpha·(e^x - 1)`.
    Elu {
        /// The limit towards minus infinity, negated.
        alpha: f32,
    },
    /// `gamma·x` where positive, else `gamma·alpha·(e^x - 1)`.
    Selu {
        /// The ratio of the branches.
        alpha: f32,
        /// The slope above zero.
        gamma: f32,
    },
    /// `max(x, 0) + min(alpha·(e^(x/alpha) - 1), 0)`
    Celu {
        /// The limit towards minus infinity, negated.
        alpha: f32,
    },
    /// `x·Φ(x)` with the normal distribution's `Φ`, or with the hyperbolic tangent's approximation to it.
    Gelu {
        /// Whether `Φ(x)` is `(1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2`.
        tanh: bool,
    },
    /// `x·tanh(ln(1 + e^x))`
    Mish,
    /// `x` above `alpha`, else 0.
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
    /// The sine, of radians.
    Sin,
    /// The cosine, of radians.
    Cos,
    /// The tangent, of radians.
    Tan,
    /// The inverse sine, in radians.
    Asin,
    /// The inverse cosine, in radians.
    Acos,
    /// The inverse tangent, in radians.
    Atan,
    /// The hyperbolic sine.
    Sinh,
    /// The hyperbolic cosine.
    Cosh,
    /// The inverse hyperbolic sine.
    Asinh,
    /// The inverse hyperbolic cosine.
    Acosh,
    /// The inverse hyperbolic tangent.
    Atanh,
}

impl Unary {
    /// The definition.
    pub fn apply(self, x: f32) -> f32 {
        let elu = |x: f32, alpha: f32| if x > 0.0 { x } else { alpha * libm::expm1f(x) };
        // With the positive part taken out, no exponential overflows.
        let softplus = |x: f32| if x > 0.0 { x + libm::log1pf(libm::expf(-x)) } else { libm::log1pf(libm::expf(x)) };
        match self {
            Self::Activation(activation) => activation.apply(x),
            Self::Exp => libm::expf(x),
            Self::Log => libm::logf(x),
            Self::Sqrt => libm::sqrtf(x),
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Reciprocal => 1.0 / x,
            Self::Floor => libm::floorf(x),
            Self::Ceil => libm::ceilf(x),
            Self::Round => libm::rintf(x),
            Self::Erf => libm::erff(x),
            Self::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Elu { alpha } => elu(x, alpha),
            Self::Selu { alpha, gamma } => gamma * elu(x, alpha),
            Self::Celu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha * libm::expm1f(x / alpha)
                }
            }
            Self::Gelu { tanh: false } => 0.5 * x * libm::erfcf(-x * core::f32::consts::FRAC_1_SQRT_2),
            Self::Gelu { tanh: true } => {
                let root = core::f32::consts::FRAC_2_SQRT_PI * core::f32::consts::FRAC_1_SQRT_2;
                0.5 * x * (1.0 + libm::tanhf(root * (x + 0.044_715 * x * x * x)))
            }
            Self::Mish => x * libm::tanhf(softplus(x)),
            Self::ThresholdedRelu { alpha } => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            Self::Sin => libm::sinf(x),
            Self::Cos => libm::cosf(x),
            Self::Tan => libm::tanf(x),
            Self::Asin => libm::asinf(x),
            Self::Acos => libm::acosf(x),
            Self::Atan => libm::atanf(x),
            Self::Sinh => libm::sinhf(x),
            Self::Cosh => libm::coshf(x),
            Self::Asinh => libm::asinhf(x),
            Self::Acosh => libm::acoshf(x),
            Self::Atanh => libm::atanhf(x),
        }
    }
}
