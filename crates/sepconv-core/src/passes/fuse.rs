use crate::op::{Activation, Binary, BinaryFunction, Conv2d, ConvKind, Pad, PadMode, UnaryFunction, Window};
use crate::{Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// Work on a result that is still in registers joins the operator that computes it: activations and residual sums. Zero
/// padding joins the convolution after it.
pub(super) fn fuse(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match &node.op {
        Op::Unary(UnaryFunction::Activation(activation)) => fuse_activation(rewriter, node, *activation),
        Op::Binary(Binary { function: BinaryFunction::Add, activation }) => fuse_residual(rewriter, node, *activation),
        Op::Conv2d(conv) => fuse_padding(rewriter, node, conv),
        _ => Ok(None),
    })
}

fn fuse_activation(rewriter: &mut Rewriter<'_>, node: &Node, activation: Activation) -> Result<Option<ValueId>> {
    let Some(producer) = rewriter.sole_producer(node.inputs[0]).cloned() else { return Ok(None) };
    let Some(op) = producer.op.operator().with_activation(activation) else { return Ok(None) };
    rewriter.builder.node(&producer.name, op, &producer.inputs).map(Some)
}

/// `conv(x) + y`: the sum becomes the residual of the convolution. Depthwise kernels have no such operand.
fn fuse_residual(rewriter: &mut Rewriter<'_>, node: &Node, activation: Activation) -> Result<Option<ValueId>> {
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
            let op = Conv2d { activation, ..conv.clone() };
            let inputs = [&producer.inputs[..], &[residual]].concat();
            return rewriter.builder.node(&producer.name, op, &inputs).map(Some);
        }
    }
    Ok(None)
}

fn fuse_padding(rewriter: &mut Rewriter<'_>, node: &Node, conv: &Conv2d) -> Result<Option<ValueId>> {
    let Some(producer) = rewriter.producer(node.inputs[0]).cloned() else { return Ok(None) };
    let Op::Pad(pad @ Pad { mode: PadMode::Constant(0.0), .. }) = &producer.op else { return Ok(None) };
    let Some(window) = with_padding(conv.window, pad) else { return Ok(None) };
    let inputs = [&[producer.inputs[0]], &node.inputs[1..]].concat();
    rewriter.builder.node(&node.name, Conv2d { window, ..conv.clone() }, &inputs).map(Some)
}

/// A window that includes the padding of height and width before it; `None` where other axes are padded.
pub(super) fn with_padding(mut window: Window, pad: &Pad) -> Option<Window> {
    let (&[0, top, left, 0], &[0, bottom, right, 0]) = (&pad.before[..], &pad.after[..]) else { return None };
    let sides = [(&mut window.before, [top, left]), (&mut window.after, [bottom, right])];
    for (side, more) in sides {
        for (side, more) in side.iter_mut().zip(more) {
            *side = side.checked_add(more)?;
        }
    }
    Some(window)
}
