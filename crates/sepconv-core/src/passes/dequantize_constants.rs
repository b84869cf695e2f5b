use crate::{Graph, Op, Result, rewrite};

/// Quantized constants that no integer kernel reads become f32.
pub(super) fn dequantize_constants(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let Op::Dequantize(_) = node.op else { return Ok(None) };
        let Some(integers) = rewriter.builder.constant_of(node.inputs[0]).cloned() else { return Ok(None) };
        let dequantized = node.op.evaluate(&[&integers], integers.shape())?;
        rewriter.builder.constant(&node.name, dequantized).map(Some)
    })
}
