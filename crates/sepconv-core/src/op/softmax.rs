use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::softmax;

use super::check::{expect_axis, expect_f32, f32_elements, f32_tensor, split_at};
use super::operator::{NO_WORKSPACE, any_order};
use super::{Cost, Op, Operator};
use crate::{DType, Result, Shape, Tensor, Value};

/// `e^x / sum(e^x)` along an axis, or its logarithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// The axis whose elements sum to one.
    pub axis: usize,
    /// Whether the result is the logarithm.
    pub log: bool,
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.name(), self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        expect_axis(self.axis, &inputs[0].shape)?;
        Ok((inputs[0].shape.clone(), dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        let extents = split_at(inputs[0].shape(), self.axis);
        f32_tensor(output, |result| softmax::reference(extents, self.log, x[0], result))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(Self { axis: *order.get(self.axis)?, log: self.log }, order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}
