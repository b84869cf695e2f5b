use alloc::vec::Vec;

use crate::op::{Broadcast, Conv2d, ConvKind};
use crate::{Graph, Node, Op, Result, Rewriter, Shape, ValueId, rewrite};

/// A depthwise convolution with several filters for each channel reads every channel as often instead, one filter each:
/// the kernels of fixed windows have one, and a copy costs less than the window without them.
pub(super) fn repeat_channels(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match &node.op {
        Op::Conv2d(conv) => repeat(rewriter, node, conv),
        _ => Ok(None),
    })
}

fn repeat(rewriter: &mut Rewriter<'_>, node: &Node, conv: &Conv2d) -> Result<Option<ValueId>> {
    /// More filters than that are computed as fast from the channel itself.
    const MAX_FILTERS: usize = 8;
    let (x, filters) = (rewriter.builder.shape(node.inputs[0]).clone(), rewriter.builder.shape(node.inputs[1])[0]);
    let channels = x.last();
    let is_square = matches!(conv.window.kernel, [3, 3] | [5, 5] | [7, 7]);
    if conv.kind(channels) != ConvKind::Depthwise || !is_square || node.inputs.len() != 3 {
        return Ok(None);
    }
    let times = filters / channels;
    if !(2..=MAX_FILTERS).contains(&times) {
        return Ok(None);
    }
    let mut reshaped = |value, shape: Vec<usize>| rewriter.reshape(&node.name, value, Shape::new(shape)?);
    let column = reshaped(node.inputs[0], [&x[..], &[1]].concat())?;
    let shape = Shape::new([&x[..], &[times]].concat())?;
    let repeated = rewriter.builder.node(&node.name, Broadcast { shape }, &[column])?;
    let repeated = rewriter.reshape(&node.name, repeated, Shape::new([&x[..3], &[filters]].concat())?)?;
    let op = Conv2d { groups: filters, ..conv.clone() };
    rewriter.builder.node(&node.name, op, &[&[repeated], &node.inputs[1..]].concat()).map(Some)
}
