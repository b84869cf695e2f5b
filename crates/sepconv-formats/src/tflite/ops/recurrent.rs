//! Layers that go on from run to run: each has variable tensors of its own.

use sepconv_core::op::{Cell, Concat, Conv2d, Dense, Dequantize, Quantize, Recurrent, Slice, Transpose};
use sepconv_core::{DType, Error, Op, Result, Shape, Tensor, ValueId};
use sepconv_kernels::{Activation, Window};

use super::shape::reshaped;
use crate::tflite::node::Node;

/// The gates in ONNX's order among operands that have input, forget, cell and output.
const GATES: [usize; 4] = [0, 3, 1, 2];

/// Operands are the input, weights of four gates, recurrent ones, three peepholes, four biases, the projection's two,
/// hidden and cell state, and four coefficients of layer normalization.
pub(super) fn unidirectional_sequence_lstm(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(20..=24)?;
    if let Some(i) = [9, 10, 11, 16, 17, 20, 21, 22, 23].into_iter().find(|&i| node.has(i)) {
        return Err(Error::unsupported("LSTM has peepholes, a projection or layer normalization")
            .expected("no such operand", format_args!("input {i}")));
    }
    if node.option_activation(0)? != Activation::Tanh {
        return Err(Error::unsupported("LSTM has another activation").expected("tanh", "another"));
    }
    let clip = match node.option(1, 0.0f32)? {
        clip if clip > 0.0 => clip,
        _ => f32::INFINITY,
    };
    let time_major = node.option(3, false)?;
    let x = node.operand(0)?;
    let x = if time_major { x } else { node.apply(Transpose { order: vec![1, 0, 2] }, &[x])? };
    let [weights, recurrent, bias] = [1, 5, 12].map(|first| GATES.map(|gate| first + gate));
    let (weights, recurrent) = (stacked(node, weights)?, stacked(node, recurrent)?);
    let bias = stacked(node, bias)?;
    let rows = node.shape(bias).elements();
    let none = node.zeros(rows)?;
    let bias = node.apply(Concat { axis: 0 }, &[bias, none])?;
    let [hidden, cell] = [state(node, 18)?, state(node, 19)?];
    let layer = Recurrent { cell: Cell::Lstm { clip }, reverse: false };
    let result = node.apply(layer, &[x, weights, recurrent, bias, hidden, cell])?;
    let shape = node.shape(result);
    let (slots, dims) = (shape[0], shape[1..].to_vec());
    for (state, slot) in [(hidden, slots - 2), (cell, slots - 1)] {
        let last = rows_from(node, result, slot, 1)?;
        let last = reshaped(node, last, dims.clone())?;
        node.importer.builder.assign(state, last)?;
    }
    let steps = rows_from(node, result, 0, slots - 1)?;
    if time_major { Ok(steps) } else { node.apply(Transpose { order: vec![1, 0, 2] }, &[steps]) }
}

/// Operands one above the other.
fn stacked(node: &mut Node, operands: [usize; 4]) -> Result<ValueId> {
    let parts = operands.iter().map(|&i| node.operand(i)).collect::<Result<Vec<_>>>()?;
    node.apply(Concat { axis: 0 }, &parts)
}

/// Some indices of the first axis.
fn rows_from(node: &mut Node, x: ValueId, start: usize, count: usize) -> Result<ValueId> {
    let mut sizes = node.shape(x).to_vec();
    let (mut starts, steps) = (vec![0; sizes.len()], vec![1; sizes.len()]);
    (starts[0], sizes[0]) = (start, count);
    node.apply(Slice { starts, steps, sizes }, &[x])
}

/// The real numbers of a variable tensor, zeros at first.
fn state(node: &mut Node, i: usize) -> Result<ValueId> {
    let shape = node.declared_shape(i)?;
    node.importer.builder.check_memory(shape.elements() * size_of::<f32>())?;
    node.state(i, Tensor::zeros(shape, DType::F32))
}

/// A fully connected layer to features, and a convolution of each with its last values: a filter for each feature, and
/// `rank` of them for each result.
pub(super) fn svdf(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(5..=5)?;
    let (x, weights, filters) = (node.operand(0)?, node.operand(1)?, node.operand(2)?);
    let shape = node.shape(filters);
    let &[features, memory] = &*shape else {
        return Err(Error::mismatch("filters have the wrong rank").expected("2 axes", shape));
    };
    let rank = node.option_size(0, 0)?;
    let units = features.checked_div(rank).filter(|units| units * rank == features && *units > 0 && memory > 0);
    let units = units.ok_or_else(|| {
        Error::mismatch("filters do not divide by the rank").expected(format_args!("[{rank}·units,memory]"), &shape)
    })?;
    let none = node.zeros(features)?;
    let latest = node.apply(Dense { activation: Activation::Identity }, &[x, weights, none])?;
    let batch = node.shape(latest)[0];
    // The file has the values of each feature next to each other; here they are rows.
    let kept = Shape::new([batch, memory, 1, features])?;
    node.importer.builder.check_memory(kept.elements() * size_of::<f32>())?;
    let params = node.quantization(4)?;
    let real = Tensor::zeros(kept.clone(), DType::F32);
    let (initial, latest) = match &params {
        Some(params) => {
            let quantize = Op::from(Quantize(params.clone()));
            (quantize.evaluate(&[&real], &kept)?, node.apply(quantize, &[latest])?)
        }
        None => (real, node.rounded(4, latest)?),
    };
    let state = node.state(4, initial)?;
    let latest = reshaped(node, latest, vec![batch, 1, 1, features])?;
    let (starts, steps) = (vec![0, 1, 0, 0], vec![1; 4]);
    let older = node.apply(Slice { starts, steps, sizes: vec![batch, memory - 1, 1, features] }, &[state])?;
    let values = node.apply(Concat { axis: 1 }, &[older, latest])?;
    node.importer.builder.assign(state, values)?;
    let values = match params {
        Some(params) => node.apply(Dequantize(params), &[values])?,
        None => values,
    };
    let filters = reshaped(node, filters, vec![units, rank, memory])?;
    let filters = node.apply(Transpose { order: vec![0, 2, 1] }, &[filters])?;
    let filters = reshaped(node, filters, vec![units, memory, 1, rank])?;
    let bias = node.bias(3, units, [4, 2])?;
    let conv = Conv2d { window: Window::new(memory, 1), groups: units, activation: node.option_activation(1)? };
    let result = node.apply(conv, &[values, filters, bias])?;
    reshaped(node, result, vec![batch, units])
}
