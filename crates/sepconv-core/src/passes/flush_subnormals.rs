use alloc::vec::Vec;

use crate::op::Convolution;
use crate::{Graph, Node, Result, Rewriter, ValueId, rewrite};

/// Subnormal weights and biases of convolutions become zero: a product with one takes processors a hundred cycles, and
/// what it adds is less than a sum's rounding, unless that is as small. Weight decay leaves whole layers of them.
pub(super) fn flush_subnormals(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match node.op.operator().as_convolution() {
        Some(Convolution::F32(_)) => flush(rewriter, node),
        #[cfg(feature = "int8")]
        Some(Convolution::Int8(_)) => Ok(None),
        None => Ok(None),
    })
}

fn flush(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<ValueId>> {
    let mut inputs = node.inputs.clone();
    for id in &mut inputs[1..3] {
        let Some(values) = rewriter.f32_constant(*id) else { continue };
        if values.iter().any(|value| value.is_subnormal()) {
            let flushed: Vec<_> = values.iter().map(|&value| if value.is_subnormal() { 0.0 } else { value }).collect();
            let old = rewriter.builder.value(*id);
            let (name, shape) = (old.name.clone(), old.shape.clone());
            *id = rewriter.add_f32(&name, &shape, flushed)?;
        }
    }
    if inputs == node.inputs {
        return Ok(None);
    }
    rewriter.builder.node(&node.name, node.op.clone(), &inputs).map(Some)
}
