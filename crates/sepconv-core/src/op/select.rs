use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::broadcast::broadcast_shape;
use super::check::{expect_dtype, expect_same_dtype};
use super::loops::{Compute, Loops, for_each_run};
use super::operator::any_order;
use crate::{DType, Result, Shape, TensorView, TensorViewMut, Value};

/// Elements of the second operand where the first, of integers, is not zero, else of the third, broadcast as in NumPy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select;

impl Loops for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Loops::name(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        expect_dtype(inputs[0], &[DType::I64])?;
        let dtype = expect_same_dtype(&inputs[1..], &[DType::F32, DType::I64, DType::U8, DType::I8])?;
        let shape = broadcast_shape(&inputs[1].shape, &inputs[2].shape)?;
        Ok((broadcast_shape(&inputs[0].shape, &shape)?, dtype))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(*self, order, rank)
    }
}

impl Compute for Select {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        match output.dtype() {
            DType::F32 => each::<u32>(inputs, output),
            DType::I64 => each::<u64>(inputs, output),
            DType::U8 | DType::I8 => each::<u8>(inputs, output),
        }
    }
}

fn each<T: bytemuck::Pod>(inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>) {
    let condition = inputs[0].elements::<i64>();
    let [a, b] = [1, 2].map(|i| inputs[i].elements::<T>());
    let (shape, out) = output.shape_and_elements::<T>();
    let shapes = [0, 1, 2].map(|i| inputs[i].shape());
    for_each_run(shapes, shape, &mut |first, len, [from_condition, from_a, from_b]| {
        for (i, out) in out[first..][..len].iter_mut().enumerate() {
            let (a, b) = (a[from_a.0 + i * from_a.1], b[from_b.0 + i * from_b.1]);
            *out = if condition[from_condition.0 + i * from_condition.1] != 0 { a } else { b };
        }
    });
}
