use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::op::{Conv2d, Window};
use crate::{Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// Outer taps that see nothing but padding leave their convolution: on small feature maps most of those of strongly
/// dilated windows do (atrous spatial pyramid pooling, arXiv:1706.05587, section 3.3).
pub(super) fn trim_taps(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match &node.op {
        Op::Conv2d(conv) => trim(rewriter, node, conv),
        _ => Ok(None),
    })
}

fn trim(rewriter: &mut Rewriter<'_>, node: &Node, conv: &Conv2d) -> Result<Option<ValueId>> {
    let (x, weights) = (rewriter.builder.shape(node.inputs[0]), rewriter.builder.shape(node.inputs[1]));
    let (&[_, h, w, _], &[o, kh, kw, per_group]) = (&x[..], &weights[..]) else { return Ok(None) };
    let Some(output) = conv.window.output([h, w]) else { return Ok(None) };
    let seen = [0, 1].map(|axis| seen_taps(&conv.window, axis, [h, w][axis], output[axis]));
    let [Some(rows), Some(columns)] = seen else { return Ok(None) };
    let Some(window) = trimmed(&conv.window, [&rows, &columns], [h, w], output) else { return Ok(None) };
    let Some(values) = rewriter.f32_constant(node.inputs[1]) else { return Ok(None) };
    let mut kept = Vec::with_capacity(o * window.kernel[0] * window.kernel[1] * per_group);
    for row in values.chunks_exact(kw * per_group).enumerate().filter(|(row, _)| rows.contains(&(row % kh))) {
        kept.extend_from_slice(&row.1[columns.start() * per_group..(columns.end() + 1) * per_group]);
    }
    let name = rewriter.builder.value(node.inputs[1]).name.clone();
    let weights = rewriter.add_f32(&name, &[o, window.kernel[0], window.kernel[1], per_group], kept)?;
    let inputs = [&node.inputs[..1], &[weights], &node.inputs[2..]].concat();
    rewriter.builder.node(&node.name, Conv2d { window, ..conv.clone() }, &inputs).map(Some)
}

/// The first to the last tap that sees the input of `size` from any place of the output; `None` where there is none.
fn seen_taps(window: &Window, axis: usize, size: usize, output: usize) -> Option<RangeInclusive<usize>> {
    // From the first place of the output where a tap is not before the input.
    let sees = |&tap: &usize| {
        let offset = tap * window.dilation[axis];
        let out = window.before[axis].saturating_sub(offset).div_ceil(window.stride[axis]);
        out < output && out * window.stride[axis] + offset - window.before[axis] < size
    };
    let mut taps = (0..window.kernel[axis]).filter(sees);
    let first = taps.next()?;
    Some(first..=taps.next_back().unwrap_or(first))
}

/// The window of those taps, where it is smaller and has the same places of output.
fn trimmed(
    window: &Window,
    taps: [&RangeInclusive<usize>; 2],
    input: [usize; 2],
    output: [usize; 2],
) -> Option<Window> {
    let mut smaller = *window;
    for (axis, taps) in taps.into_iter().enumerate() {
        smaller.kernel[axis] = taps.end() - taps.start() + 1;
        smaller.before[axis] = window.before[axis].checked_sub(taps.start() * window.dilation[axis])?;
        let end = (output[axis] - 1) * window.stride[axis] + smaller.extent()?[axis];
        smaller.after[axis] = end.saturating_sub(input[axis] + smaller.before[axis]);
    }
    (smaller.kernel != window.kernel && smaller.output(input) == Some(output)).then_some(smaller)
}
