use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::{expect_dtype, expect_shape};
use super::gather_nd::IndexRows;
use super::loops::{Compute, Loops};
use super::{BinaryFunction, Op, binary};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// The first operand with slices of the third in it, each where a row of indices of the second says. Later ones win;
/// a row that is out of range changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScatterNd {
    /// How an element is joined to the one that is there; `None` replaces it.
    pub reduction: Option<BinaryFunction>,
}

impl Loops for ScatterNd {
    fn name(&self) -> &'static str {
        "scatter_nd"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Loops::name(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let (x, indices) = (&inputs[0].shape, &inputs[1].shape);
        expect_dtype(inputs[1], &[DType::I64])?;
        expect_dtype(inputs[2], &[inputs[0].dtype])?;
        if self.reduction.is_some() {
            expect_dtype(inputs[0], &[DType::F32, DType::I64])?;
        }
        let Some((&count, rows)) = indices.split_last().filter(|(count, _)| **count <= x.len()) else {
            return Err(Error::mismatch("indices do not fit the operand")
                .expected(format_args!("rows of indices into {x}"), indices));
        };
        expect_shape("list of updates", &inputs[2].shape, &[rows, &x[count..]].concat())?;
        Ok((x.clone(), inputs[0].dtype))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }
}

impl Compute for ScatterNd {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let [x, indices, updates] = [0, 1, 2].map(|i| &inputs[i]);
        let count = indices.shape()[indices.shape().len() - 1];
        let rows = IndexRows { sizes: &x.shape()[..count], slice: x.shape()[count..].iter().product() };
        let element = x.dtype().size();
        let dtype = x.dtype();
        let out = output.bytes_mut();
        out.copy_from_slice(x.bytes());
        for (i, update) in updates.bytes().chunks_exact(rows.slice * element).enumerate() {
            let row = &indices.elements::<i64>()[i * count..][..count];
            let Some(place) = rows.place(row) else { continue };
            let slice = &mut out[place * element..][..update.len()];
            match (self.reduction, dtype) {
                (Some(function), DType::F32) => join(slice, update, &|a, b| function.apply(a, b)),
                (Some(function), DType::I64) => {
                    join(slice, update, &|a, b| binary::on_integers(function, a, b).unwrap_or(0));
                }
                (Some(_), DType::U8 | DType::I8) | (None, _) => slice.copy_from_slice(update),
            }
        }
    }
}

fn join<T: bytemuck::Pod>(slice: &mut [u8], update: &[u8], function: &dyn Fn(T, T) -> T) {
    let update = bytemuck::cast_slice::<_, T>(update);
    bytemuck::cast_slice_mut::<_, T>(slice).iter_mut().zip(update).for_each(|(x, &update)| *x = function(*x, update));
}
