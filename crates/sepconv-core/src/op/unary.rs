use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::Activation;

use super::check::{expect_same_dtype, f32_elements, f32_tensor};
use super::names::{ActivationName, LowerCase};
use super::operator::{NO_WORKSPACE, any_order};
use super::{Aliasing, Cost, Op, Operator, UnaryFunction};
use crate::{DType, Error, Result, Shape, Tensor, Value};

impl Operator for UnaryFunction {
    fn name(&self) -> &'static str {
        "unary"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Activation(activation) => write!(f, "{}", ActivationName(*activation)),
            function => write!(f, "{}", LowerCase(function)),
        }
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::F32, DType::I64])?;
        Ok((inputs[0].shape.clone(), dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        if let Some(x) = inputs[0].as_i64() {
            let function = integer_function(*self)?;
            let result = x.iter().map(|&x| function(x).ok_or_else(integer_error));
            return Tensor::i64(output.to_vec(), result.collect::<Result<Vec<_>>>()?);
        }
        let x = f32_elements(inputs)?;
        f32_tensor(output, |result| result.iter_mut().zip(x[0]).for_each(|(result, &x)| *result = self.apply(x)))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(*self, order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn aliasing(&self) -> Aliasing {
        Aliasing::InPlace
    }

    fn is_identity(&self, _: &[&Value]) -> bool {
        *self == Self::Activation(Activation::Identity)
    }
}

/// Integer arithmetic, as computations of shapes need it; `None` where the result is not an integer of 64 bits.
pub(super) fn integer_function(function: UnaryFunction) -> Result<fn(i64) -> Option<i64>> {
    match function {
        UnaryFunction::Neg => Ok(i64::checked_neg),
        UnaryFunction::Abs => Ok(i64::checked_abs),
        UnaryFunction::Sign => Ok(|x| Some(x.signum())),
        UnaryFunction::Activation(Activation::Relu) => Ok(|x| Some(x.max(0))),
        function => {
            Err(Error::unsupported("function has no integer form")
                .expected("neg, abs, sign or relu", LowerCase(&function)))
        }
    }
}

pub(super) fn integer_error() -> Error {
    Error::malformed("integer arithmetic overflows or divides by zero")
}
