use sepconv_kernels::{
    Activation, Window,
    elementwise::{Binary, Unary},
};

use super::rewrite::{Rewriter, rewrite};
use crate::{
    Graph, Node, Op, Result, ValueId,
    op::{Conv2d, ConvKind, Fill},
};

/// What can happen while a result is still in registers does: activations and residual sums join the operator before them, zero
/// padding joins the convolution after it.
pub(super) fn fuse(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match &node.op {
        Op::Unary(Unary::Activation(activation)) => fuse_activation(rewriter, node, *activation),
        Op::Binary { function: Binary::Add, activation } => fuse_residual(rewriter, node, *activation),
        Op::Conv2d(conv) => fuse_padding(rewriter, node, conv),
        _ => Ok(None),
    })
}

fn fuse_activation(rewriter: &mut Rewriter, node: &Node, wanted: Activation) -> Result<Option<ValueId>> {
    let Some(producer) = rewriter.sole_producer(node.inputs[0]).cloned() else { return Ok(None) };
    let mut op = producer.op;
    let activation = match &mut op {
        Op::Conv2d(conv) => &mut conv.activation,
        Op::ConvTranspose(conv) => &mut conv.activation,
        Op::Dense { activation } | Op::Binary { activation, .. } => activation,
        _ => return Ok(None),
    };
    if *activation != Activation::Identity {
        return Ok(None);
    }
    *activation = wanted;
    rewriter.builder.node(&producer.name, op, &producer.inputs).map(Some)
}

/// `conv(x) + y`: the sum becomes the residual of the convolution. Depthwise kernels have no such operand.
fn fuse_residual(rewriter: &mut Rewriter, node: &Node, activation: Activation) -> Result<Option<ValueId>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    if rewriter.builder.shape(a) != rewriter.builder.shape(b) {
        return Ok(None);
    }
    for (sum, residual) in [(a, b), (b, a)] {
        let Some(producer) = rewriter.sole_producer(sum).cloned() else { continue };
        let Op::Conv2d(conv) = &producer.op else { continue };
        let channels = rewriter.builder.shape(producer.inputs[0]).last();
        let takes_residual = conv.kind(channels) != ConvKind::Depthwise && producer.inputs.len() == 3;
        if takes_residual && conv.activation == Activation::Identity {
            let op = Op::Conv2d(Conv2d { activation, ..conv.clone() });
            let inputs = [&producer.inputs[..], &[residual]].concat();
            return rewriter.builder.node(&producer.name, op, &inputs).map(Some);
        }
    }
    Ok(None)
}

fn fuse_padding(rewriter: &mut Rewriter, node: &Node, conv: &Conv2d) -> Result<Option<ValueId>> {
    let Some(producer) = rewriter.producer(node.inputs[0]).cloned() else { return Ok(None) };
    let Op::Pad { before, after, fill: Fill::Constant(0.0) } = &producer.op else { return Ok(None) };
    let Some(window) = padded(conv.window, before, after) else { return Ok(None) };
    let inputs = [&[producer.inputs[0]], &node.inputs[1..]].concat();
    rewriter.builder.node(&node.name, Op::Conv2d(Conv2d { window, ..conv.clone() }), &inputs).map(Some)
}

/// A window with padding of the plane, `before` and `after` each axis, as its own.
pub(super) fn padded(mut window: Window, before: &[usize], after: &[usize]) -> Option<Window> {
    let (&[0, top, left, 0], &[0, bottom, right, 0]) = (before, after) else { return None };
    let sides = [(&mut window.before, [top, left]), (&mut window.after, [bottom, right])];
    for (side, more) in sides {
        for (side, more) in side.iter_mut().zip(more) {
            *side = side.checked_add(more)?;
        }
    }
    Some(window)
}
