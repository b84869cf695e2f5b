#[cfg(feature = "train")]
mod gradient;
mod kernel;
#[cfg(test)]
mod tests;

#[cfg(feature = "train")]
pub(crate) use gradient::derivative;
pub(crate) use kernel::{ApplyRows, apply, apply_all, exp, exp2, sigmoid};

/// A function of one number that a kernel applies to its result before storing it.
///
/// The kernels differ from [`apply`](Self::apply) by at most 2e-7 or four units in the last place, whichever is more;
/// clips and leaky ReLU not at all. NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x`
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, low), high)`; ReLU6 is `Clip { low: 0, high: 6 }`.
    Clip {
        /// The least result.
        low: f32,
        /// The greatest result.
        high: f32,
    },
    /// `x` where positive, else `slope·x`.
    LeakyRelu {
        /// The slope below zero.
        slope: f32,
    },
    /// `min(max(alpha·x + beta, 0), 1)`. ONNX's default is (0.2, 0.5); MobileNetV3's is (1/6, 0.5).
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at zero.
        beta: f32,
    },
    /// `x · min(max(x/6 + 1/2, 0), 1)` (MobileNetV3, section 5.2).
    HardSwish,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// ReLU6, as MobileNetV1 and V2 use it.
    pub const RELU6: Self = Self::Clip { low: 0.0, high: 6.0 };

    /// `(low, high)` of the activations that are `min(max(x, low), high)`, the identity among them.
    pub(crate) fn bounds(self) -> Option<(f32, f32)> {
        match self {
            Self::Identity => Some((f32::NEG_INFINITY, f32::INFINITY)),
            Self::Relu => Some((0.0, f32::INFINITY)),
            Self::Clip { low, high } => Some((low, high)),
            _ => None,
        }
    }

    /// The definition, one number at a time.
    pub fn apply(self, x: f32) -> f32 {
        // `clamp` and `f32::max` would lose a NaN: comparisons keep it.
        let clip = |x: f32, low: f32, high: f32| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        };
        let sigmoid = |x: f32| (1.0 / (1.0 + libm::exp(-f64::from(x)))) as f32;
        match self {
            Self::Identity => x,
            Self::Relu => clip(x, 0.0, f32::INFINITY),
            Self::Clip { low, high } => clip(x, low, high),
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::HardSigmoid { alpha, beta } => clip(alpha * x + beta, 0.0, 1.0),
            Self::HardSwish => x * clip(x / 6.0 + 0.5, 0.0, 1.0),
            Self::Sigmoid => sigmoid(x),
            Self::Silu => (f64::from(x) / (1.0 + libm::exp(-f64::from(x)))) as f32,
            Self::Tanh => libm::tanhf(x),
        }
    }
}

/// Samples of every activation, for the tests of the kernels that apply them.
#[cfg(test)]
pub(crate) const ALL: [Activation; 12] = [
    Activation::Identity,
    Activation::Relu,
    Activation::RELU6,
    Activation::Clip { low: -1.5, high: 2.25 },
    Activation::LeakyRelu { slope: 0.01 },
    Activation::LeakyRelu { slope: -2.0 },
    Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
    Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
    Activation::HardSwish,
    Activation::Sigmoid,
    Activation::Silu,
    Activation::Tanh,
];
