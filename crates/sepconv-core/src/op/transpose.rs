use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::expect_rank;
use super::operator::NO_WORKSPACE;
use super::strided_copy::{self, DataMovement, Span, StridedCopy};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Axes in another order: axis `i` of the result is axis `order[i]` of the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Transpose {
    /// A permutation of the axes.
    pub order: Vec<usize>,
}

impl Operator for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name(), self.order)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let (x, order) = (&inputs[0].shape, &self.order);
        expect_rank("order", order.len(), x)?;
        if (0..x.len()).any(|axis| !order.contains(&axis)) {
            return Err(Error::mismatch("order is not a permutation of the axes")
                .expected(format_args!("0..{}", x.len()), format_args!("{order:?}")));
        }
        let shape = Shape::new(order.iter().map(|&axis| x[axis]).collect::<Vec<_>>())?;
        Ok((shape, inputs[0].dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        // Axes of size 1 move without moving data: those of 1x1 and of depthwise weights.
        if self.order.iter().filter(|&&axis| inputs[0].shape()[axis] != 1).is_sorted() {
            return inputs[0].share(output.clone());
        }
        strided_copy::evaluate(self, inputs, output)
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn is_identity(&self, _: &[&Value]) -> bool {
        self.order.is_sorted()
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        Some(self.clone().into())
    }
}

impl DataMovement for Transpose {
    fn copies(&self, shapes: &[&Shape], _: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        Ok(vec![self.copy(shapes[0], output)])
    }
}

impl Transpose {
    /// The copy that makes the result of shape `output` from an operand of shape `x`.
    pub(crate) fn copy(&self, x: &Shape, output: &Shape) -> StridedCopy {
        let axes: Vec<Option<usize>> = self.order.iter().copied().map(Some).collect();
        let spans: Vec<Span> = output.iter().map(|&size| Span::whole(size)).collect();
        StridedCopy::new(0, x, output, &axes, &spans)
    }
}
