use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::operator::NO_WORKSPACE;
use super::strided_copy::{DataMovement, Span, StridedCopy};
use super::{Aliasing, Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// The same elements in another shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// The new shape.
    pub shape: Shape,
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let x = &inputs[0].shape;
        if self.shape.elements() != x.elements() {
            return Err(Error::mismatch("reshape changes the number of elements").expected(
                format_args!("{} elements of {x}", x.elements()),
                format_args!("{} of {}", self.shape.elements(), self.shape),
            ));
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
        inputs[0].share(output.clone())
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn aliasing(&self) -> Aliasing {
        Aliasing::Always
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

impl DataMovement for Reshape {
    fn copies(&self, shapes: &[&Shape], _: Option<&[i64]>, _: &Shape) -> Result<Vec<StridedCopy>> {
        let flat = Shape::new([shapes[0].elements()])?;
        Ok(vec![StridedCopy::new(0, &flat, &flat, &[Some(0)], &[Span::whole(flat.elements())])])
    }
}
