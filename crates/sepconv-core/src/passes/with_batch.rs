use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use crate::interpret::inverse;
use crate::op::{Broadcast, Reshape, Slice};
use crate::{Error, ErrorKind, Graph, Limits, Node, Op, Result, Rewriter, Shape, ValueId};

/// The network for `batch` images at a time instead of one: every input has `batch` in place of the 1 of its first
/// axis.
///
/// The batch axis of every value is followed from the inputs on. Sizes that the file states for it ([`Reshape`],
/// [`Broadcast`], [`Slice`]) grow with it; a node that would mix images, or whose result has no batch axis, is an
/// error.
///
/// # Errors
/// If the first axis of an input is not 1, a node does not allow another batch size, the network keeps state, or it
/// exceeds `limits`.
pub fn with_batch(graph: Graph, batch: usize, limits: &Limits) -> Result<Graph> {
    match batch {
        0 => return Err(Error::argument("batch is empty").expected("at least 1", batch)),
        1 => return Ok(graph),
        _ => {}
    }
    if graph.states().len() > 0 {
        return Err(Error::unsupported("network keeps state, which is that of one image after the other")
            .help("run it one image at a time"));
    }
    let graph = &graph;
    let mut rewriter = Rewriter::new(graph, *limits);
    let mut batch_axes: Vec<Option<usize>> = vec![None; graph.values.len()];
    for port in &graph.inputs {
        let value = graph.value(port.value);
        let axis = inverse(&port.order).first().copied().filter(|&axis| value.shape[axis] == 1).ok_or_else(|| {
            Error::unsupported("input has no batch axis of size 1")
                .at(format!("input {:?}", port.name))
                .expected("a first axis of size 1", &value.shape)
        })?;
        let shape = with_size(&value.shape, axis, batch)?;
        let new = rewriter.builder.port_input(&port.name, shape, value.dtype, port.order.clone())?;
        rewriter.replace(port.value, new);
        batch_axes[port.value.0] = Some(axis);
    }
    for node in &graph.nodes {
        let (value, axis) = batched(graph, &mut rewriter, node, &batch_axes, batch).map_err(|error| {
            let error = match error.kind() {
                ErrorKind::Mismatch => Error::unsupported(REFUSAL).help(error.message()),
                _ => error,
            };
            error.at_node(&node.name, node.op.name())
        })?;
        rewriter.replace(node.output, value);
        batch_axes[node.output.0] = axis;
    }
    rewriter.finish()
}

const REFUSAL: &str = "operator does not allow another batch size";

fn with_size(shape: &Shape, axis: usize, size: usize) -> Result<Shape> {
    let mut dims = shape.to_vec();
    dims[axis] = size;
    Shape::new(dims)
}

/// The new value for the result of a node, and its batch axis.
fn batched(
    graph: &Graph,
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    batch_axes: &[Option<usize>],
    batch: usize,
) -> Result<(ValueId, Option<usize>)> {
    let operands = rewriter.operands(node)?;
    let Some(axis) = batch_axes[node.inputs[0].0] else {
        let value = rewriter.builder.node(&node.name, node.op.clone(), &operands)?;
        let axis = batch_axis(graph, rewriter, node, value, batch);
        let depends = node.inputs.iter().any(|id| batch_axes[id.0].is_some());
        return match depends && axis.is_none() {
            true => Err(refused(graph, rewriter, node, value)),
            false => Ok((value, axis)),
        };
    };
    let before = &graph.value(node.inputs[0]).shape;
    let op = match &node.op {
        Op::Reshape(Reshape { shape }) => match kept_axis(before, axis, shape) {
            Some(kept) => Reshape { shape: with_size(shape, kept, batch)? }.into(),
            None => node.op.clone(),
        },
        Op::Broadcast(Broadcast { shape }) => {
            let axis = axis + shape.len() - before.len();
            match shape[axis] {
                1 => Broadcast { shape: with_size(shape, axis, batch)? }.into(),
                _ => node.op.clone(),
            }
        }
        Op::Slice(slice) => {
            let mut sizes = slice.sizes.clone();
            if sizes[axis] == 1 {
                sizes[axis] = batch;
            }
            Slice { sizes, ..slice.clone() }.into()
        }
        Op::Softmax(softmax) if softmax.axis == axis => {
            return Err(Error::unsupported("operator mixes the images of a batch"));
        }
        Op::LayerNorm(norm) if axis + norm.axes >= before.len() => {
            return Err(Error::unsupported("operator mixes the images of a batch"));
        }
        Op::Recurrent(_) if axis == 0 => {
            return Err(Error::unsupported("operator takes the images of a batch for steps of a sequence"));
        }
        // Each image by itself, or the shape of the result tells.
        op @ (Op::Softmax(_)
        | Op::Conv2d(_)
        | Op::ConvTranspose(_)
        | Op::Dense(_)
        | Op::MatMul(_)
        | Op::BatchNorm(_)
        | Op::LayerNorm(_)
        | Op::Pool(_)
        | Op::Reduce(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Resize(_)
        | Op::Transpose(_)
        | Op::Concat(_)
        | Op::Pad(_)
        | Op::Gather(_)
        | Op::Pairwise(_)
        | Op::Select(_)
        | Op::Cast(_)
        | Op::TopK(_)
        | Op::ScatterNd(_)
        | Op::NonZero(_)
        | Op::NonMaxSuppression(_)
        | Op::GatherNd(_)
        | Op::GatherElements(_)
        | Op::GridSample(_)
        | Op::Detections(_)
        | Op::CumSum(_)
        | Op::ArgExtreme(_)
        | Op::Quantize(_)
        | Op::Dequantize(_)
        | Op::Lut(_)
        | Op::QConv2d(_)
        | Op::QBinary(_)
        | Op::QAveragePool(_)
        | Op::Recurrent(_)) => op.clone(),
    };
    let value = rewriter.builder.node(&node.name, op, &operands)?;
    match batch_axis(graph, rewriter, node, value, batch) {
        Some(axis) => Ok((value, Some(axis))),
        None => Err(refused(graph, rewriter, node, value)),
    }
}

/// The axis where the new result has `batch` in place of 1, if that is its only difference from the old one.
fn batch_axis(graph: &Graph, rewriter: &Rewriter<'_>, node: &Node, value: ValueId, batch: usize) -> Option<usize> {
    let (old, new) = (&graph.value(node.output).shape, rewriter.builder.shape(value));
    let is_same_rank = old.len() == new.len();
    let mut differing = (0..old.len().min(new.len())).filter(|&axis| old[axis] != new[axis]);
    match (differing.next(), differing.next()) {
        (Some(axis), None) if is_same_rank && old[axis] == 1 && new[axis] == batch => Some(axis),
        _ => None,
    }
}

fn refused(graph: &Graph, rewriter: &Rewriter<'_>, node: &Node, value: ValueId) -> Error {
    let old = &graph.value(node.output).shape;
    Error::unsupported(REFUSAL)
        .expected(format_args!("{old} with one axis of 1 grown to the batch"), rewriter.builder.shape(value))
        .help("export the model with a dynamic first axis, or run it one image at a time")
}

/// Where a reshape puts an axis of size 1: the axis of `after` with as many elements before it and a size of 1.
fn kept_axis(before: &Shape, axis: usize, after: &Shape) -> Option<usize> {
    let outer: usize = before[..axis].iter().product();
    (0..after.len()).find(|&kept| after[kept] == 1 && after[..kept].iter().product::<usize>() == outer)
}
