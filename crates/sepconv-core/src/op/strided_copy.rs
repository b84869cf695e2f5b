use alloc::vec;
use alloc::vec::Vec;

use bytemuck::cast_slice;
use sepconv_kernels::layout;

use super::Operator;
use crate::{Data, Result, Shape, Tensor};

/// A block of elements that is copied from an operand to the result.
///
/// Transposing, slicing, concatenating, padding, gathering and broadcasting are lists of these; the interpreter and the
/// plan execute the same lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StridedCopy {
    /// Which operand is read.
    pub operand: usize,
    /// The block's size along each axis of the result.
    pub dims: Vec<usize>,
    /// The index of the first element read.
    pub from: usize,
    /// How far apart neighbors along each axis are in the operand.
    pub from_strides: Vec<isize>,
    /// The index of the first element written.
    pub to: usize,
    /// How far apart neighbors along each axis are in the result.
    pub to_strides: Vec<usize>,
}

/// Along one axis of the result: where a block starts, its size, and what it reads.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) to: usize,
    pub(super) size: usize,
    pub(super) from: usize,
    pub(super) step: isize,
}

impl Span {
    /// All of an axis.
    pub(super) fn whole(size: usize) -> Self {
        Self { to: 0, size, from: 0, step: 1 }
    }
}

impl StridedCopy {
    /// Words of 8 bytes that one takes, its lists included.
    pub(super) const WORDS: usize = 32;

    /// Whether elements are read in the order in which they are written, from the first on, one after the other.
    pub fn is_contiguous(&self) -> bool {
        let mut stride = 1;
        let axes = self.dims.iter().zip(self.from_strides.iter().zip(&self.to_strides)).rev();
        let mut follow = axes.filter(|(size, _)| **size != 1).map(|(&size, (&from, &to))| {
            let here = stride;
            stride *= size;
            from == here as isize && to == here
        });
        self.from == 0 && self.to == 0 && follow.all(|follows| follows)
    }

    /// A block of operand number `operand`. `axes[i]` is the operand's axis that axis `i` of the result follows; `None`
    /// repeats.
    pub(super) fn new(operand: usize, x: &Shape, output: &Shape, axes: &[Option<usize>], spans: &[Span]) -> Self {
        let (from_strides, to_strides) = (x.strides(), output.strides());
        let stride = |axis: Option<usize>| axis.map_or(0, |axis| from_strides[axis]);
        Self {
            operand,
            dims: spans.iter().map(|span| span.size).collect(),
            from: axes.iter().zip(spans).map(|(&axis, span)| stride(axis) * span.from).sum(),
            from_strides: axes.iter().zip(spans).map(|(&axis, span)| stride(axis) as isize * span.step).collect(),
            to: to_strides.iter().zip(spans).map(|(stride, span)| stride * span.to).sum(),
            to_strides,
        }
    }

    /// Copies the block from operand `x` into the result.
    pub(crate) fn execute<T: layout::Element>(&self, x: &[T], output: &mut [T]) {
        layout::copy_strided(&self.dims, x, self.from, &self.from_strides, output, self.to, &self.to_strides);
    }
}

/// The axes of a result that follow those of its operand.
pub(super) fn own_axes(rank: usize) -> Vec<Option<usize>> {
    (0..rank).map(Some).collect()
}

/// An operator whose result consists of operand elements, of any dtype.
pub(crate) trait DataMovement: Operator {
    /// The copies that make the result of shape `output` from operands of these shapes; `indices` are those of a
    /// gather.
    ///
    /// # Errors
    /// When an index of a gather is out of range.
    fn copies(&self, shapes: &[&Shape], indices: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>>;

    /// The constant that fills what no copy writes.
    fn fill(&self) -> Option<f32> {
        None
    }

    /// How many of the first operands are copied; the others say how.
    fn copied_operands(&self, operands: usize) -> usize {
        operands
    }
}

/// The definition of an operator that moves elements.
pub(super) fn evaluate(op: &dyn DataMovement, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
    let shapes: Vec<&Shape> = inputs.iter().map(|tensor| tensor.shape()).collect();
    let indices = inputs.get(1).and_then(|tensor| tensor.as_i64());
    let copies = op.copies(&shapes, indices, output)?;
    let fill = op.fill().unwrap_or(0.0);
    let data = match inputs[0].data() {
        Data::F32(_) => Data::F32(execute(&copies, inputs, Tensor::as_f32, fill, output)),
        Data::I64(_) => Data::I64(execute(&copies, inputs, Tensor::as_i64, fill as i64, output)),
        Data::U8(_) => Data::U8(execute(&copies, inputs, Tensor::as_u8, fill as u8, output)),
        // Copied as u8: one loop for both.
        Data::I8(_) => {
            let bytes = execute(&copies, inputs, |tensor| tensor.as_i8().map(cast_slice), fill as i8 as u8, output);
            Data::I8(bytes.into_iter().map(|byte| byte as i8).collect())
        }
    };
    Tensor::new(output.clone(), data)
}

fn execute<T: layout::Element>(
    copies: &[StridedCopy],
    inputs: &[&Tensor],
    elements: fn(&Tensor) -> Option<&[T]>,
    fill: T,
    output: &Shape,
) -> Vec<T> {
    let mut result = vec![fill; output.elements()];
    for copy in copies {
        let x = elements(inputs[copy.operand]).expect("operands of one dtype");
        copy.execute(x, &mut result);
    }
    result
}
