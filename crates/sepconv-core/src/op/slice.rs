use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::expect_rank;
use super::operator::{NO_WORKSPACE, any_order, reordered};
use super::strided_copy::{self, DataMovement, Span, StridedCopy, own_axes};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// A regular part: along each axis `sizes` elements from `starts` on, `steps` apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// The first index along each axis.
    pub starts: Vec<usize>,
    /// The distance between indices; negative walks backwards.
    pub steps: Vec<isize>,
    /// The number of elements.
    pub sizes: Vec<usize>,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {:?} by {:?}", self.name(), self.starts, self.steps)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let Self { starts, steps, sizes } = self;
        let x = &inputs[0].shape;
        for (name, len) in [("starts", starts.len()), ("steps", steps.len()), ("sizes", sizes.len())] {
            expect_rank(name, len, x)?;
        }
        for (axis, &size) in x.iter().enumerate() {
            let inside = match sizes[axis].checked_sub(1) {
                // An empty part starts anywhere up to the end.
                None => starts[axis] <= size,
                Some(hops) => {
                    let last = isize::try_from(hops).ok().and_then(|hops| hops.checked_mul(steps[axis]));
                    let last = last.and_then(|offset| starts[axis].checked_add_signed(offset));
                    starts[axis] < size && last.is_some_and(|last| last < size)
                }
            };
            if !inside {
                return Err(Error::mismatch("slice reaches outside the operand").expected(
                    format_args!("indices below {size} along axis {axis}"),
                    format_args!("{} elements from {} by {}", sizes[axis], starts[axis], steps[axis]),
                ));
            }
        }
        Ok((Shape::new(&sizes[..])?, inputs[0].dtype))
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
        let Self { starts, steps, sizes } = self;
        if rank != order.len() {
            return None;
        }
        let op =
            Self { starts: reordered(starts, order), steps: reordered(steps, order), sizes: reordered(sizes, order) };
        any_order(op, order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn is_identity(&self, inputs: &[&Value]) -> bool {
        *self.sizes == *inputs[0].shape && self.steps.iter().all(|&step| step == 1)
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        Some(self.clone().into())
    }
}

impl DataMovement for Slice {
    fn copies(&self, shapes: &[&Shape], _: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        let Self { starts, steps, sizes } = self;
        // The start of an empty axis and the step of a single element may be too large for addresses.
        let from = |i: usize| if sizes[i] > 0 { starts[i] } else { 0 };
        let step = |i: usize| if sizes[i] > 1 { steps[i] } else { 0 };
        let spans = (0..output.len()).map(|i| Span { to: 0, size: sizes[i], from: from(i), step: step(i) });
        let spans = spans.collect::<Vec<_>>();
        Ok(vec![StridedCopy::new(0, shapes[0], output, &own_axes(output.len()), &spans)])
    }
}
