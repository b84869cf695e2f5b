use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::check::expect_dtype;
use super::gather::index_from_start;
use super::loops::{Compute, Loops};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// Slices of the first operand, each selected by a row of indices into its first axes. `batch_dims` axes lead both
/// operands. A row that is out of range selects zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherNd {
    /// How many leading axes operands share.
    pub batch_dims: usize,
}

impl Loops for GatherNd {
    fn name(&self) -> &'static str {
        "gather_nd"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Loops::name(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let (x, indices, batch) = (&inputs[0].shape, &inputs[1].shape, self.batch_dims);
        expect_dtype(inputs[1], &[DType::I64])?;
        let rows = indices.len().checked_sub(1).filter(|&rows| batch <= rows && batch <= x.len());
        let [rows, count] = rows.map_or([0; 2], |rows| [rows, indices[rows]]);
        let fits = indices.len() > batch && x.get(..batch) == indices.get(..batch) && count <= x.len() - batch;
        if !fits {
            return Err(Error::mismatch("indices do not fit the operand")
                .expected(format_args!("{batch} equal axes, then rows of indices into {x}"), indices));
        }
        Ok((Shape::new([&indices[..rows], &x[batch + count..]].concat())?, inputs[0].dtype))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }
}

impl Compute for GatherNd {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let (x, indices) = (&inputs[0], &inputs[1]);
        let (batches, inside) = x.shape().split_at(self.batch_dims);
        let count = indices.shape()[indices.shape().len() - 1];
        let batch_len: usize = inside.iter().product();
        let rows = IndexRows { sizes: &inside[..count], slice: inside[count..].iter().product() };
        let bytes = rows.slice * x.dtype().size();
        let number = output.bytes_mut().len() / bytes;
        let each_batch = number / batches.iter().product::<usize>();
        for (i, out) in output.bytes_mut().chunks_exact_mut(bytes).enumerate() {
            let place = rows.place(&indices.elements::<i64>()[i * count..][..count]);
            match place {
                Some(place) => {
                    let start = (i / each_batch * batch_len + place) * x.dtype().size();
                    out.copy_from_slice(&x.bytes()[start..][..bytes]);
                }
                None => out.fill(0),
            }
        }
    }
}

/// How rows of indices select slices: the sizes of the axes they index, and the elements of a slice.
pub(super) struct IndexRows<'a> {
    pub(super) sizes: &'a [usize],
    pub(super) slice: usize,
}

impl IndexRows<'_> {
    /// The first element of the slice that a row selects; `None` where it is out of range.
    pub(super) fn place(&self, row: &[i64]) -> Option<usize> {
        let mut indices = self.sizes.iter().zip(row);
        let row = indices.try_fold(0, |row, (&size, &index)| Some(row * size + index_from_start(index, size)?));
        row.map(|row| row * self.slice)
    }
}
