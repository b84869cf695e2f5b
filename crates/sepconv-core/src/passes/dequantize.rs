use super::rewrite::rewrite;
use crate::{Graph, Op, Result};

/// Constants that no integer kernel takes as bytes become the real numbers that they stand for.
pub(super) fn dequantize(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let Op::Dequantize(_) = node.op else { return Ok(None) };
        let Some(bytes) = rewriter.builder.constant_of(node.inputs[0]).cloned() else { return Ok(None) };
        let reals = node.op.evaluate(&[&bytes], bytes.shape())?;
        rewriter.builder.constant(&node.name, reals).map(Some)
    })
}
