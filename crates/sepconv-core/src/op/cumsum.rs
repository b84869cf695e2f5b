use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::check::{expect_axis, expect_dtype, split_at};
use super::loops::{Compute, Loops};
use crate::{DType, Result, Shape, TensorView, TensorViewMut, Value};

/// Sums of the elements so far along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CumSum {
    /// The axis.
    pub axis: usize,
    /// Whether the element itself is left out.
    pub exclusive: bool,
    /// Whether the last element comes first.
    pub reverse: bool,
}

impl Loops for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", Loops::name(self), self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        expect_dtype(inputs[0], &[DType::F32, DType::I64])?;
        expect_axis(self.axis, &inputs[0].shape)?;
        Ok((inputs[0].shape.clone(), inputs[0].dtype))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        (rank == order.len()).then(|| (Self { axis: order[self.axis], ..*self }.into(), order.to_vec()))
    }
}

impl Compute for CumSum {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        match inputs[0].dtype() {
            DType::F32 => self.sum(&inputs[0], output, 0.0, |sum: f64, x: f32| sum + f64::from(x), |sum| sum as f32),
            DType::I64 | DType::U8 | DType::I8 => self.sum(&inputs[0], output, 0, i64::wrapping_add, |sum| sum),
        }
    }
}

impl CumSum {
    fn sum<T: bytemuck::Pod, S: Copy>(
        &self,
        x: &TensorView<'_>,
        output: &mut TensorViewMut<'_>,
        zero: S,
        add: impl Fn(S, T) -> S,
        result: impl Fn(S) -> T,
    ) {
        let [outer, size, inner] = split_at(x.shape(), self.axis);
        let (x, out) = (x.elements::<T>(), output.shape_and_elements::<T>().1);
        for lane in 0..outer * inner {
            let first = lane / inner * size * inner + lane % inner;
            let mut sum = zero;
            for step in 0..size {
                let i = first + inner * if self.reverse { size - 1 - step } else { step };
                let next = add(sum, x[i]);
                out[i] = result(if self.exclusive { sum } else { next });
                sum = next;
            }
        }
    }
}
