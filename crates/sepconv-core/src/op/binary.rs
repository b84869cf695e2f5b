use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::Activation;

use super::broadcast::{broadcast_shape, for_each_pair};
use super::check::{expect_same_dtype, f32_elements, f32_tensor};
use super::names::{ActivationName, LowerCase, Then};
use super::operator::{NO_WORKSPACE, any_order};
use super::unary::integer_error;
use super::{BinaryFunction, Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// A function of two elements, broadcast as in NumPy, then the activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The function.
    pub function: BinaryFunction,
    /// Applied to each result.
    pub activation: Activation,
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", LowerCase(&self.function), Then(self.activation))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::F32, DType::I64])?;
        Ok((broadcast_shape(&inputs[0].shape, &inputs[1].shape)?, dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let shapes = [inputs[0].shape(), inputs[1].shape()];
        if let (Some(a), Some(b)) = (inputs[0].as_i64(), inputs[1].as_i64()) {
            expect_no_activation(self.activation)?;
            let mut result = vec![Some(0); output.elements()];
            for_each_pair(shapes, [a, b], output, |i, a, b| result[i] = on_integers(self.function, a, b));
            let result = result.into_iter().map(|x| x.ok_or_else(integer_error)).collect::<Result<Vec<_>>>()?;
            return Tensor::i64(output.to_vec(), result);
        }
        let x = f32_elements(inputs)?;
        f32_tensor(output, |result| {
            for_each_pair(shapes, [x[0], x[1]], output, |i, a, b| {
                result[i] = self.activation.apply(self.function.apply(a, b));
            });
        })
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(self.clone(), order, rank)
    }

    fn is_parameter(&self, _: usize, operand: &Value) -> bool {
        // A single number belongs to the formula of an activation.
        operand.dtype == DType::F32 && operand.shape.elements() > 1
    }

    fn with_activation(&self, activation: Activation) -> Option<Op> {
        (self.activation == Activation::Identity).then(|| Self { activation, ..self.clone() }.into())
    }
}

pub(super) fn expect_no_activation(activation: Activation) -> Result<()> {
    match activation {
        Activation::Identity => Ok(()),
        activation => {
            Err(Error::unsupported("integers have no activations").expected("none", ActivationName(activation)))
        }
    }
}

/// Integer arithmetic, as computations of shapes need it; `None` where the result is not an integer of 64 bits.
pub(super) fn on_integers(function: BinaryFunction, a: i64, b: i64) -> Option<i64> {
    match function {
        BinaryFunction::Add => a.checked_add(b),
        BinaryFunction::Sub => a.checked_sub(b),
        BinaryFunction::Mul => a.checked_mul(b),
        BinaryFunction::Div => a.checked_div(b),
        BinaryFunction::Min => Some(a.min(b)),
        BinaryFunction::Max => Some(a.max(b)),
        BinaryFunction::Pow => a.checked_pow(u32::try_from(b).ok()?),
        BinaryFunction::PRelu if a < 0 => a.checked_mul(b),
        BinaryFunction::PRelu => Some(a),
    }
}
