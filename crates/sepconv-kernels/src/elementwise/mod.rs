//! x
use crate::Activation;
/// A function of one number.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    Activation(Activation),
    Exp,
    Log,
    Sqrt,
    Neg,
    Abs,
    Reciprocal,
    Floor,
    Ceil,
    Round,
    Erf,
    Sign,
    Softplus,
    Softsign,
    Elu { alpha: f32 },
    Selu { alpha: f32, gamma: f32 },
    Celu { alpha: f32 },
    Gelu { tanh: bool },
    Mish,
    ThresholdedRelu { alpha: f32 },
    Sin,
    Cos,
}
/// A function of two numbers.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Pow,
    PRelu,
}
