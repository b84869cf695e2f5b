use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::reduce::{self, Reduction};

use super::check::{expect_axis, expect_same_dtype, f32_elements, f32_tensor};
use super::names::LowerCase;
use super::operator::NO_WORKSPACE;
use super::{Cost, Op, Operator, integers};
use crate::{DType, Result, Shape, Tensor, Value};

/// A reduction over some axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// The reduction.
    pub reduction: Reduction,
    /// The axes to reduce, in increasing order.
    pub axes: Vec<usize>,
    /// Whether reduced axes stay, with size 1.
    pub keep_dims: bool,
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", LowerCase(&self.reduction), self.axes)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::F32, DType::I64])?;
        let (x, axes) = (&inputs[0].shape, &self.axes);
        axes.iter().try_for_each(|&axis| expect_axis(axis, x))?;
        let dims = x.iter().enumerate().filter_map(|(axis, &size)| match axes.contains(&axis) {
            true => self.keep_dims.then_some(1),
            false => Some(size),
        });
        Ok((Shape::new(dims.collect::<Vec<_>>())?, dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        if let Some(x) = inputs[0].as_i64() {
            let mut result = vec![0; output.elements()];
            integers::reduce(self, inputs[0].shape(), x, &mut result)?;
            return Tensor::i64(output.to_vec(), result);
        }
        let x = f32_elements(inputs)?;
        let reduced = self.reduced_axes(inputs[0].shape().len());
        f32_tensor(output, |result| reduce::reference(self.reduction, inputs[0].shape(), &reduced, x[0], result))
    }

    fn permuted(&self, order: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        let left = |axis: &usize| self.keep_dims || !self.axes.contains(axis);
        let mut axes: Vec<usize> = self.axes.iter().map(|&axis| order[axis]).collect();
        axes.sort_unstable();
        let kept: Vec<usize> = (0..order.len()).filter(left).map(|axis| order[axis]).collect();
        // The axes that are left move up.
        let result = kept.iter().map(|axis| kept.iter().filter(|other| *other < axis).count()).collect();
        Some((Self { axes, ..self.clone() }.into(), result))
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn is_global_mean(&self) -> bool {
        self.reduction == Reduction::Mean && self.axes == [1, 2]
    }
}

impl Reduce {
    /// Whether each axis is reduced.
    pub(crate) fn reduced_axes(&self, rank: usize) -> Vec<bool> {
        (0..rank).map(|axis| self.axes.contains(&axis)).collect()
    }
}
