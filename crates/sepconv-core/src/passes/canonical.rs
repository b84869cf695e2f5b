use alloc::collections::BTreeMap;
use alloc::vec;

use sepconv_kernels::{Activation, elementwise::Unary, pool::PoolKind, reduce::Reduction};

use super::rewrite::{Rewriter, rewrite};
use crate::{Graph, Node, Op, Result, ValueId, op::Pool};

/// One spelling for each meaning: a product with a constant matrix becomes a fully connected layer, an average over the whole
/// plane a mean, and what changes nothing goes.
pub(super) fn canonical(graph: &Graph) -> Result<Graph> {
    let mut quantized = BTreeMap::new();
    rewrite(graph, |rewriter, node| {
        if is_identity(rewriter, node) {
            return Ok(Some(node.inputs[0]));
        }
        match &node.op {
            Op::Reshape { shape } => rewriter.reshape(&node.name, node.inputs[0], shape.clone()).map(Some),
            Op::Quantize(_) => quantize_once(rewriter, &mut quantized, node),
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

/// Some exporters quantise a value for each reader: what was last made of it serves again.
fn quantize_once(
    rewriter: &mut Rewriter,
    quantized: &mut BTreeMap<ValueId, ValueId>,
    node: &Node,
) -> Result<Option<ValueId>> {
    let x = node.inputs[0];
    if let Some(&last) = quantized.get(&x)
        && rewriter.producer(last).is_some_and(|last| last.op == node.op)
    {
        return Ok(Some(last));
    }
    let bytes = rewriter.builder.node(&node.name, node.op.clone(), &[x])?;
    quantized.insert(x, bytes);
    Ok(Some(bytes))
}

/// Whether a matrix is known, as floats or as bytes that stand for them.
fn is_constant(rewriter: &Rewriter, id: ValueId) -> bool {
    let bytes = rewriter.producer(id).filter(|node| matches!(node.op, Op::Dequantize(_))).map(|node| node.inputs[0]);
    rewriter.floats(id).is_some() || bytes.is_some_and(|bytes| rewriter.builder.constant_of(bytes).is_some())
}

/// `x · w` with a constant `w[k,n]` is a fully connected layer with weights `[n,k]` and no bias.
fn dense(rewriter: &mut Rewriter, node: &Node) -> Result<Option<ValueId>> {
    let [x, w] = node.inputs[..] else { return Ok(None) };
    if !is_constant(rewriter, w) || rewriter.builder.shape(w).len() != 2 || is_constant(rewriter, x) {
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
