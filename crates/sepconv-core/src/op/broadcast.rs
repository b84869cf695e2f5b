use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::operator::NO_WORKSPACE;
use super::strided_copy::{self, DataMovement, Span, StridedCopy};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Repetition along axes of size 1 (or missing leading ones) to a shape, as in NumPy.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// The new shape.
    pub shape: Shape,
}

impl Operator for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let x = &inputs[0].shape;
        if broadcast_shape(x, &self.shape)? != self.shape {
            return Err(Error::mismatch("operand does not broadcast to the shape").expected(&self.shape, x));
        }
        Ok((self.shape.clone(), inputs[0].dtype))
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

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn is_identity(&self, inputs: &[&Value]) -> bool {
        inputs[0].shape == self.shape
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        Some(self.clone().into())
    }
}

impl DataMovement for Broadcast {
    fn copies(&self, shapes: &[&Shape], _: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        let (x, missing) = (shapes[0], output.len() - shapes[0].len());
        let axis = |i: usize| i.checked_sub(missing).filter(|&axis| x[axis] != 1);
        let axes: Vec<Option<usize>> = (0..output.len()).map(axis).collect();
        let spans: Vec<Span> = output.iter().map(|&size| Span::whole(size)).collect();
        Ok(vec![StridedCopy::new(0, x, output, &axes, &spans)])
    }
}

/// The shape of an elementwise result: sizes equal, or one of them 1, aligned at the last axis.
pub(crate) fn broadcast_shape(a: &Shape, b: &Shape) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let size = |shape: &Shape, axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let dims: Option<Vec<usize>> = (0..rank)
        .map(|axis| {
            let (a, b) = (size(a, axis), size(b, axis));
            if a == 1 { Some(b) } else { (b == 1 || a == b).then_some(a) }
        })
        .collect();
    Shape::new(dims.ok_or_else(|| {
        Error::mismatch("shapes do not broadcast").expected("equal sizes or 1", format_args!("{a} and {b}"))
    })?)
}

/// The distance between an operand's elements along each axis of the result; zero where it repeats.
pub(crate) fn broadcast_strides(x: &Shape, output: &Shape) -> Vec<usize> {
    let (strides, missing) = (x.strides(), output.len() - x.len());
    let stride = |axis: usize| axis.checked_sub(missing).filter(|&axis| x[axis] != 1).map_or(0, |axis| strides[axis]);
    (0..output.len()).map(stride).collect()
}

/// Calls `f` with each index of the result and the pair of elements that broadcasting assigns to it.
pub(super) fn for_each_pair<T: Copy>(
    shapes: [&Shape; 2],
    x: [&[T]; 2],
    output: &Shape,
    mut f: impl FnMut(usize, T, T),
) {
    let strides = shapes.map(|shape| broadcast_strides(shape, output));
    let output_strides = output.strides();
    for i in 0..output.elements() {
        let at = |operand: usize| -> usize {
            (0..output.len()).map(|axis| i / output_strides[axis] % output[axis] * strides[operand][axis]).sum()
        };
        f(i, x[0][at(0)], x[1][at(1)]);
    }
}
