use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::check::{expect_axis, expect_dtype, expect_rank};
use super::gather::index_from_start;
use super::loops::{Compute, Loops};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// For each index of the second operand, the element of the first at its place, with the index along `axis` instead.
/// One that is out of range selects zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherElements {
    /// The axis.
    pub axis: usize,
}

impl Loops for GatherElements {
    fn name(&self) -> &'static str {
        "gather_elements"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", Loops::name(self), self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let (x, indices) = (&inputs[0].shape, &inputs[1].shape);
        expect_dtype(inputs[1], &[DType::I64])?;
        expect_axis(self.axis, x)?;
        expect_rank("list of indices", indices.len(), x)?;
        if let Some(axis) = (0..x.len()).find(|&axis| axis != self.axis && indices[axis] > x[axis]) {
            return Err(Error::mismatch("more indices than elements along an axis")
                .expected(format_args!("at most {} along axis {axis}", x[axis]), indices));
        }
        Ok((indices.clone(), inputs[0].dtype))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }
}

impl Compute for GatherElements {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let (x, indices, element) = (&inputs[0], inputs[1].elements::<i64>(), inputs[0].dtype().size());
        let (from, shape) = (x.shape(), inputs[1].shape());
        for (i, (out, &index)) in output.bytes_mut().chunks_exact_mut(element).zip(indices).enumerate() {
            let (mut rest, mut stride, mut place) = (i, 1, 0);
            let index = index_from_start(index, from[self.axis]);
            for axis in (0..from.len()).rev() {
                let along = rest % shape[axis];
                place += stride * if axis == self.axis { index.unwrap_or(0) } else { along };
                (rest, stride) = (rest / shape[axis], stride * from[axis]);
            }
            match index {
                Some(_) => out.copy_from_slice(&x.bytes()[place * element..][..element]),
                None => out.fill(0),
            }
        }
    }
}
