use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::{expect_axis, expect_dtype};
use super::loops::Compute;
use super::strided_copy::{self, DataMovement, StridedCopy};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, TensorView, TensorViewMut, Value};

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

/// With indices that a run computes. Those that are out of range select zeros: a run cannot fail.
impl Compute for Gather {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let (x, indices) = (&inputs[0], inputs[1].elements::<i64>());
        let [size, inner] = [x.shape()[self.axis], x.shape()[self.axis + 1..].iter().product()];
        let row = inner * x.dtype().size();
        let rows = output.bytes_mut().chunks_exact_mut((indices.len() * row).max(1));
        for (from, to) in x.bytes().chunks_exact((size * row).max(1)).zip(rows) {
            for (to, &index) in to.chunks_exact_mut(row).zip(indices) {
                match index_from_start(index, size) {
                    Some(index) => to.copy_from_slice(&from[index * row..][..row]),
                    None => to.fill(0),
                }
            }
        }
    }
}

/// The place that an index means; negative ones count from the end.
pub(super) fn index_from_start(index: i64, size: usize) -> Option<usize> {
    let index = if index < 0 { index.saturating_add_unsigned(size as u64) } else { index };
    usize::try_from(index).ok().filter(|&index| index < size)
}

impl DataMovement for Gather {
    fn copies(&self, shapes: &[&Shape], indices: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        let (x, indices) = (shapes[0], indices.unwrap_or_default());
        let [outer, size, inner] = super::check::split_at(x, self.axis);
        let copy = |(to, &index): (usize, &i64)| {
            let from = index_from_start(index, size).ok_or_else(|| {
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
