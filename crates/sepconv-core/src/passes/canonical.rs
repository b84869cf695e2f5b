use alloc::vec;

use sepconv_kernels::{Activation, elementwise::Unary, pool::PoolKind, reduce::Reduction};

use super::rewrite::{Rewriter, rewrite};
use crate::{Graph, Node, Op, Result, ValueId, op::Pool};

/// One spelling for each meaning: a product with a constant matrix becomes a fully connected layer, an average over the whole
/// plane a mean, and what changes nothing goes.
pub(super) fn canonical(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        if is_identity(rewriter, node) {
            return Ok(Some(node.inputs[0]));
        }
        match &node.op {
            Op::MatMul => dense(rewriter, node),
            Op::Pool(pool) => global_average(rewriter, node, pool),
            _ => Ok(None),
        }
    })
}

fn is_identity(rewriter: &Rewriter, node: &Node) -> bool {
    let shape = rewriter.builder.shape(node.inputs[0]);
    match &node.op {
        Op::Unary(Unary::Activation(Activation::Identity)) => true,
        Op::Reshape { shape: new } | Op::Broadcast { shape: new } => new == shape,
        Op::Transpose { order } => order.is_sorted(),
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Slice { steps, sizes, .. } => **sizes == **shape && steps.iter().all(|&step| step == 1),
        Op::Pad { before, after, .. } => before.iter().chain(after).all(|&size| size == 0),
        _ => false,
    }
}

/// `x · w` with a constant `w[k,n]` is a fully connected layer with weights `[n,k]` and no bias.
fn dense(rewriter: &mut Rewriter, node: &Node) -> Result<Option<ValueId>> {
    let [x, w] = node.inputs[..] else { return Ok(None) };
    if rewriter.floats(w).is_none()
        || rewriter.builder.shape(w).len() != 2
        || rewriter.builder.value(x).constant.is_some()
    {
        return Ok(None);
    }
    let [k, n] = [0, 1].map(|axis| rewriter.builder.shape(w)[axis]);
    // Sums of nothing are a matter for products of matrices only.
    if k == 0 {
        return Ok(None);
    }
    let weights = rewriter.builder.node(&node.name, Op::Transpose { order: vec![1, 0] }, &[w])?;
    let bias = rewriter.constant(&node.name, &[n], vec![0.0; n])?;
    let op = Op::Dense { activation: Activation::Identity };
    rewriter.builder.node(&node.name, op, &[x, weights, bias]).map(Some)
}

fn global_average(rewriter: &mut Rewriter, node: &Node, pool: &Pool) -> Result<Option<ValueId>> {
    let shape = rewriter.builder.shape(node.inputs[0]);
    let window = &pool.window;
    let whole = window.kernel == [shape[1], shape[2]]
        && (window.before, window.after, window.dilation) == ([0; 2], [0; 2], [1; 2]);
    if !whole || !matches!(pool.kind, PoolKind::Average { .. }) {
        return Ok(None);
    }
    let op = Op::Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_axes: true };
    rewriter.builder.node(&node.name, op, &node.inputs).map(Some)
}
