use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::check::expect_dtype;
use super::loops::{Compute, Loops};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// The indices of the elements that are not zero, a column each and an axis a row. The columns that are left over are
/// -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonZero;

impl Loops for NonZero {
    fn name(&self) -> &'static str {
        "non_zero"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Loops::name(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        expect_dtype(inputs[0], &[DType::F32, DType::I64])?;
        let x = &inputs[0].shape;
        if x.is_empty() {
            return Err(Error::mismatch("operand has no axes").expected("at least 1", x));
        }
        Ok((Shape::new([x.len(), x.elements()])?, DType::I64))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn open_axis(&self) -> Option<usize> {
        Some(1)
    }
}

impl Compute for NonZero {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let (x, out) = (&inputs[0], output.shape_and_elements::<i64>().1);
        let columns = out.len() / x.shape().len();
        let is_zero = |i: usize| match x.dtype() {
            DType::F32 => x.elements::<f32>()[i] == 0.0,
            DType::I64 | DType::U8 | DType::I8 => x.elements::<i64>()[i] == 0,
        };
        out.fill(-1);
        for (column, i) in (0..columns).filter(|&i| !is_zero(i)).enumerate() {
            let mut rest = i;
            for (axis, &size) in x.shape().iter().enumerate().rev() {
                out[axis * columns + column] = (rest % size) as i64;
                rest /= size;
            }
        }
    }
}
