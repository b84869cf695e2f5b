use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::layer_norm;

use super::check::{expect_f32, expect_shape, f32_elements, f32_tensor};
use super::operator::NO_WORKSPACE;
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Layer normalization of `x[..,c]` with `scale[c]` and `shift[c]` (Ba, Kiros and Hinton 2016, arXiv:1607.06450):
/// `(x - mean) / √(variance + epsilon) · scale + shift`, where all values of the last axes have a mean and a variance.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// How many axes, counted from the last, are normalized together; at least 1.
    pub axes: usize,
    /// Added to the variance before its square root.
    pub epsilon: f32,
}

impl LayerNorm {
    /// Values of `x` that are normalized together.
    pub(crate) fn group(&self, x: &Shape) -> usize {
        x[x.len().saturating_sub(self.axes)..].iter().product()
    }
}

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.axes {
            1 => f.write_str(self.name()),
            axes => write!(f, "{} of {axes} axes", self.name()),
        }
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let x = &inputs[0].shape;
        if !(1..=x.len()).contains(&self.axes) {
            return Err(
                Error::mismatch("normalized axes do not exist").expected(format_args!("1 to {}", x.len()), self.axes)
            );
        }
        for (name, value) in ["scale", "shift"].iter().zip(&inputs[1..]) {
            expect_shape(name, &value.shape, &[x.last()])?;
        }
        Ok((x.clone(), dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        f32_tensor(output, |result| {
            if !result.is_empty() {
                layer_norm::reference(self.group(output), self.epsilon, x[0], x[1], x[2], result);
            }
        })
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, i: usize, _: &Value) -> bool {
        i == 1 || i == 2
    }
}
