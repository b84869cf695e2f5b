use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::{expect_f32, expect_shape, f32_elements, f32_tensor};
use super::operator::NO_WORKSPACE;
use super::{Cost, Op, Operator};
use crate::{DType, Result, Shape, Tensor, Value};

/// Inference-time batch normalization of `x[..,c]` with `scale[c]`, `shift[c]`, `mean[c]` and `variance[c]`
/// (Ioffe and Szegedy 2015, arXiv:1502.03167).
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance before its square root.
    pub epsilon: f32,
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn operands(&self) -> RangeInclusive<usize> {
        5..=5
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let x = &inputs[0].shape;
        for (name, value) in ["scale", "shift", "mean", "variance"].iter().zip(&inputs[1..]) {
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
            for (i, (result, value)) in result.iter_mut().zip(x[0]).enumerate() {
                let channel = i % output.last();
                let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|operand| f64::from(x[operand][channel]));
                let deviation = libm::sqrt(variance + f64::from(self.epsilon));
                *result = ((f64::from(*value) - mean) / deviation * scale + shift) as f32;
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
