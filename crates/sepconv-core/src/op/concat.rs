use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::{expect_axis, expect_same_dtype};
use super::operator::{NO_WORKSPACE, any_order};
use super::strided_copy::{self, DataMovement, Span, StridedCopy, own_axes};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Operands one after the other along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.name(), self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let (first, axis) = (&inputs[0].shape, self.axis);
        expect_axis(axis, first)?;
        let mut dims = first.to_vec();
        for shape in inputs[1..].iter().map(|value| &value.shape) {
            let fits = shape.len() == first.len() && (0..first.len()).all(|i| i == axis || shape[i] == first[i]);
            let total = fits.then(|| dims[axis].checked_add(shape[axis])).flatten();
            dims[axis] = total.ok_or_else(|| {
                Error::mismatch("operands differ beside the concatenated axis")
                    .expected(format_args!("{first} except along axis {axis}"), shape)
            })?;
        }
        Ok((Shape::new(dims)?, expect_same_dtype(inputs, &[inputs[0].dtype])?))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        strided_copy::evaluate(self, inputs, output)
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(Self { axis: *order.get(self.axis)? }, order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn is_identity(&self, inputs: &[&Value]) -> bool {
        inputs.len() == 1
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        Some(self.clone().into())
    }
}

impl DataMovement for Concat {
    fn copies(&self, shapes: &[&Shape], _: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        let (axes, mut to) = (own_axes(output.len()), 0);
        let mut copies = Vec::with_capacity(shapes.len());
        for (operand, shape) in shapes.iter().enumerate() {
            let span = |i: usize| Span { to: if i == self.axis { to } else { 0 }, ..Span::whole(shape[i]) };
            let spans = (0..output.len()).map(span).collect::<Vec<_>>();
            copies.push(StridedCopy::new(operand, shape, output, &axes, &spans));
            to += shape[self.axis];
        }
        Ok(copies)
    }
}
