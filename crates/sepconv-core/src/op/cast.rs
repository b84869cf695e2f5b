use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use bytemuck::cast_slice;

use super::Op;
use super::loops::{Compute, Loops};
use super::operator::any_order;
use crate::{DType, Result, Shape, TensorView, TensorViewMut, Value};

/// The same numbers in another dtype. Floats lose their fraction in integers, and become the nearest that there is;
/// integers that are too wide for 8 bits wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The new dtype.
    pub to: DType,
}

impl Loops for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Loops::name(self), self.to)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        Ok((inputs[0].shape.clone(), self.to))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(*self, order, rank)
    }
}

impl Compute for Cast {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let x = &inputs[0];
        match x.dtype() {
            DType::F32 if self.to == DType::F32 => output.bytes_mut().copy_from_slice(x.bytes()),
            DType::F32 => store(output, x.elements::<f32>().iter().map(|&x| x as i64)),
            DType::I64 => store(output, x.elements::<i64>().iter().copied()),
            DType::U8 => store(output, x.bytes().iter().map(|&x| x.into())),
            DType::I8 => store(output, cast_slice::<_, i8>(x.bytes()).iter().map(|&x| x.into())),
        }
    }
}

fn store(output: &mut TensorViewMut<'_>, numbers: impl Iterator<Item = i64>) {
    match output.dtype() {
        DType::F32 => fill(output, numbers, |x| x as f32),
        DType::I64 => fill(output, numbers, |x| x),
        DType::U8 | DType::I8 => fill(output, numbers, |x| x as u8),
    }
}

fn fill<T: bytemuck::Pod>(output: &mut TensorViewMut<'_>, numbers: impl Iterator<Item = i64>, as_t: fn(i64) -> T) {
    output.shape_and_elements::<T>().1.iter_mut().zip(numbers).for_each(|(out, x)| *out = as_t(x));
}
