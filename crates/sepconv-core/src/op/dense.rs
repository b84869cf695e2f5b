use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::{Activation, pointwise};

use super::check::{expect_f32, expect_shape, f32_elements, f32_tensor};
use super::names::Then;
use super::operator::NO_WORKSPACE;
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Fully connected layer: `x[..,k]`, `weights[n,k]`, `bias[n]`, then the activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Applied to each result.
    pub activation: Activation,
}

impl Operator for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name(), Then(self.activation))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let (x, weights) = (&inputs[0].shape, &inputs[1].shape);
        let [n, k] = (**weights)
            .try_into()
            .map_err(|_| Error::mismatch("weights have the wrong rank").expected("2 axes", weights))?;
        if x.is_empty() || x.last() != k || k == 0 {
            return Err(
                Error::mismatch("weights do not match the input").expected(format_args!("[..,{}]", k.max(1)), x)
            );
        }
        expect_shape("bias", &inputs[2].shape, &[n])?;
        Ok((Shape::new([&x[..x.len() - 1], &[n]].concat())?, dtype))
    }

    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost {
        Cost { macs: (output.elements() as u64).saturating_mul(inputs[0].shape.last() as u64), ..Cost::ONE_PASS }
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        let (k, n) = (inputs[0].shape().last(), output.last());
        f32_tensor(output, |result| pointwise::reference(k, n, x[0], x[1], x[2], None, self.activation, result))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, i: usize, _: &Value) -> bool {
        i == 1 || i == 2
    }

    fn with_activation(&self, activation: Activation) -> Option<Op> {
        (self.activation == Activation::Identity).then(|| Self { activation }.into())
    }
}
