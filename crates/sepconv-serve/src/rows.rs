//! Tensors of several images: joined, divided, and run in the batches that a network was compiled for.

use std::borrow::Cow;
use std::ops::Range;

use sepconv::{Data, Result, Session, Shape, Tensor, TensorView};

/// One tensor of the rows of several, which have equal shapes but for the first axis.
pub(crate) fn concat(tensors: &[&Tensor]) -> Result<Tensor> {
    let rows = tensors.iter().map(|tensor| tensor.shape()[0]).sum();
    let mut data = tensors[0].data().clone();
    tensors[1..].iter().for_each(|tensor| append(&mut data, tensor.data()));
    Tensor::new(with_rows(tensors[0].shape(), rows)?, data)
}

/// Some rows of a tensor; all of it is not copied.
pub(crate) fn slice<'a>(tensor: &'a Tensor, rows: &Range<usize>) -> Result<Cow<'a, Tensor>> {
    let shape = tensor.shape();
    if shape.first().is_none_or(|&all| *rows == (0..all)) {
        return Ok(Cow::Borrowed(tensor));
    }
    let range = elements(shape, rows);
    let data = match tensor.data() {
        Data::F32(data) => Data::F32(data[range].to_vec()),
        Data::I64(data) => Data::I64(data[range].to_vec()),
        Data::U8(data) => Data::U8(data[range].to_vec()),
        Data::I8(data) => Data::I8(data[range].to_vec()),
    };
    Tensor::new(with_rows(shape, rows.len())?, data).map(Cow::Owned)
}

/// Runs as many rows as `inputs` have, in the largest batches that they fill. `sessions` are by size of batch, the
/// largest first; the last is of 1.
pub(crate) fn run<'s>(
    sessions: &'s mut [(usize, Session)],
    inputs: &[Tensor],
    rows: usize,
) -> Result<Cow<'s, [Tensor]>> {
    if let Some(exact) = sessions.iter().position(|&(size, _)| size == rows) {
        let session = &mut sessions[exact].1;
        return session.run(&inputs.iter().collect::<Vec<_>>()).map(Cow::Borrowed);
    }
    let mut results: Vec<Vec<Tensor>> = Vec::new();
    let mut start = 0;
    while start < rows {
        let left = rows - start;
        let fits = sessions.iter_mut().find(|(size, _)| *size <= left);
        let Some((size, session)) = fits else { break };
        let shapes = inputs.iter().map(|input| with_rows(input.shape(), *size)).collect::<Result<Vec<_>>>()?;
        let views = inputs.iter().zip(&shapes).map(|(input, shape)| view(input, shape, start..start + *size));
        let outputs = session.run(&views.collect::<Result<Vec<_>>>()?)?;
        results.push(outputs.to_vec());
        start += *size;
    }
    let outputs = results.first().map_or(0, Vec::len);
    let joined = |i: usize| concat(&results.iter().map(|outputs| &outputs[i]).collect::<Vec<_>>());
    (0..outputs).map(joined).collect::<Result<Vec<_>>>().map(Cow::Owned)
}

fn view<'a>(tensor: &'a Tensor, shape: &'a Shape, rows: Range<usize>) -> Result<TensorView<'a>> {
    let range = elements(tensor.shape(), &rows);
    match tensor.data() {
        Data::F32(data) => TensorView::f32(shape, &data[range]),
        Data::I64(data) => TensorView::i64(shape, &data[range]),
        Data::U8(data) => TensorView::u8(shape, &data[range]),
        Data::I8(data) => TensorView::i8(shape, &data[range]),
    }
}

/// The elements of some rows.
fn elements(shape: &Shape, rows: &Range<usize>) -> Range<usize> {
    let row: usize = shape[1..].iter().product();
    rows.start * row..rows.end * row
}

/// A shape with another first axis.
pub(crate) fn with_rows(shape: &Shape, rows: usize) -> Result<Shape> {
    let mut dims = shape.to_vec();
    dims[0] = rows;
    Shape::new(dims)
}

/// Elements of the same type behind others.
fn append(data: &mut Data, more: &Data) {
    match (data, more) {
        (Data::F32(data), Data::F32(more)) => data.extend_from_slice(more),
        (Data::I64(data), Data::I64(more)) => data.extend_from_slice(more),
        (Data::U8(data), Data::U8(more)) => data.extend_from_slice(more),
        (Data::I8(data), Data::I8(more)) => data.extend_from_slice(more),
        (Data::F32(_) | Data::I64(_) | Data::U8(_) | Data::I8(_), _) => {
            unreachable!("tensors of one input have one type")
        }
    }
}
