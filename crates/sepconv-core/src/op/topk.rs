use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::check::{expect_axis, split_at};
use super::loops::{Compute, Loops, order_key};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// The indices of the `k` greatest or smallest elements along an axis, in that order; of equals the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopK {
    /// The axis.
    pub axis: usize,
    /// How many.
    pub k: usize,
    /// Whether the greatest are wanted.
    pub largest: bool,
}

impl Loops for TopK {
    fn name(&self) -> &'static str {
        "topk"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.largest { "greatest" } else { "smallest" };
        write!(f, "{} {} {which} [{}]", Loops::name(self), self.k, self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let mut dims = inputs[0].shape.to_vec();
        expect_axis(self.axis, &inputs[0].shape)?;
        if self.k > dims[self.axis] {
            return Err(Error::mismatch("axis has fewer elements")
                .expected(format_args!("at least {}", self.k), dims[self.axis]));
        }
        dims[self.axis] = self.k;
        Ok((Shape::new(dims)?, DType::I64))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn taps(&self, inputs: &[&Value]) -> u64 {
        inputs[0].shape[self.axis] as u64
    }

    /// Encodings keep the order of elements.
    fn recoded(&self) -> Option<Op> {
        Some((*self).into())
    }
}

impl Compute for TopK {
    fn scratch_words(&self, shapes: &[&Shape]) -> usize {
        shapes[0][self.axis]
    }

    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, scratch: &mut [u64]) {
        let x = &inputs[0];
        let [outer, size, inner] = split_at(x.shape(), self.axis);
        let out = output.shape_and_elements::<i64>().1;
        let places = &mut scratch[..size];
        for lane in 0..outer * inner {
            let (before, after) = (lane / inner, lane % inner);
            let key = |place: u64| order_key(x, (before * size + place as usize) * inner + after);
            places.iter_mut().zip(0..).for_each(|(place, i)| *place = i);
            match self.largest {
                true => places.sort_unstable_by_key(|&place| (Reverse(key(place)), place)),
                false => places.sort_unstable_by_key(|&place| (key(place), place)),
            }
            for (rank, &place) in places[..self.k].iter().enumerate() {
                out[(before * self.k + rank) * inner + after] = place as i64;
            }
        }
    }
}
