use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::{expect_axis, expect_dtype};
use super::strided_copy::{self, DataMovement, StridedCopy};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Slices of `data` along an axis, selected by integer `indices`: the axis is replaced by the shape of `indices`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.name(), self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let (x, indices, axis) = (&inputs[0].shape, inputs[1], self.axis);
        expect_dtype(indices, &[DType::I64])?;
        expect_axis(axis, x)?;
        let shape = Shape::new([&x[..axis], &indices.shape[..], &x[axis + 1..]].concat())?;
        Ok((shape, inputs[0].dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        Shape::new([inputs[1].shape.elements(), StridedCopy::WORDS]).map(Some)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        strided_copy::evaluate(self, inputs, output)
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        Some(self.clone().into())
    }
}

impl DataMovement for Gather {
    fn copies(&self, shapes: &[&Shape], indices: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        let (x, indices) = (shapes[0], indices.unwrap_or_default());
        let [outer, size, inner] = super::check::split_at(x, self.axis);
        let copy = |(to, &index): (usize, &i64)| {
            let from = if index < 0 { index.saturating_add_unsigned(size as u64) } else { index };
            let from = usize::try_from(from).ok().filter(|&from| from < size).ok_or_else(|| {
                Error::mismatch("index of a gather is out of range")
                    .expected(format_args!("an index into {size}"), index)
            })?;
            Ok(StridedCopy {
                operand: 0,
                dims: vec![outer, inner],
                from: from * inner,
                from_strides: vec![(size * inner) as isize, 1],
                to: to * inner,
                to_strides: vec![indices.len() * inner, 1],
            })
        };
        debug_assert_eq!(output.elements(), outer * indices.len() * inner);
        indices.iter().enumerate().map(copy).collect()
    }

    fn copied_operands(&self, _: usize) -> usize {
        1
    }
}
