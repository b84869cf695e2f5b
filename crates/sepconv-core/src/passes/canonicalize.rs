use alloc::collections::BTreeMap;
use alloc::vec;

use crate::op::{
    Activation, Binary, BinaryFunction, Dense, Pool, PoolKind, Reduce, Reduction, Reshape, Transpose, UnaryFunction,
};
use crate::{Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// One form for each meaning: a product with a constant matrix becomes a fully connected layer, an average over the
/// whole feature map a mean, small powers products, and identities vanish.
pub(super) fn canonicalize(graph: &Graph) -> Result<Graph> {
    let mut quantized = BTreeMap::new();
    rewrite(graph, |rewriter, node| {
        let operands: vec::Vec<_> = node.inputs.iter().map(|&id| rewriter.builder.value(id)).collect();
        if node.op.operator().is_identity(&operands) {
            return Ok(Some(node.inputs[0]));
        }
        match &node.op {
            Op::Reshape(Reshape { shape }) => rewriter.reshape(&node.name, node.inputs[0], shape.clone()).map(Some),
            Op::Quantize(_) => quantize_once(rewriter, &mut quantized, node),
            Op::MatMul(_) => dense(rewriter, node),
            Op::Pool(pool) => global_average(rewriter, node, pool),
            Op::Binary(Binary { function: BinaryFunction::Pow, activation: Activation::Identity }) => {
                power(rewriter, node)
            }
            _ => Ok(None),
        }
    })
}

/// Some exporters quantize a value once for each reader: the last quantization of a value is reused.
fn quantize_once(
    rewriter: &mut Rewriter<'_>,
    quantized: &mut BTreeMap<ValueId, ValueId>,
    node: &Node,
) -> Result<Option<ValueId>> {
    let x = node.inputs[0];
    if let Some(&last) = quantized.get(&x)
        && rewriter.producer(last).is_some_and(|last| last.op == node.op)
    {
        return Ok(Some(last));
    }
    let result = rewriter.builder.node(&node.name, node.op.clone(), &[x])?;
    quantized.insert(x, result);
    Ok(Some(result))
}

/// Whether a matrix is known, in f32 or quantized.
fn is_constant(rewriter: &Rewriter<'_>, id: ValueId) -> bool {
    let quantized =
        rewriter.producer(id).filter(|node| matches!(node.op, Op::Dequantize(_))).map(|node| node.inputs[0]);
    rewriter.f32_constant(id).is_some() || quantized.is_some_and(|id| rewriter.builder.constant_of(id).is_some())
}

/// `x · w` with a constant `w[k,n]` is a fully connected layer with weights `[n,k]` and no bias.
fn dense(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<ValueId>> {
    let [x, w] = node.inputs[..] else { return Ok(None) };
    if !is_constant(rewriter, w) || rewriter.builder.shape(w).len() != 2 || is_constant(rewriter, x) {
        return Ok(None);
    }
    let [k, n] = [0, 1].map(|axis| rewriter.builder.shape(w)[axis]);
    // Fully connected layers have no empty sums.
    if k == 0 {
        return Ok(None);
    }
    let weights = rewriter.builder.node(&node.name, Transpose { order: vec![1, 0] }, &[w])?;
    let bias = rewriter.add_f32(&node.name, &[n], vec![0.0; n])?;
    let op = Dense { activation: Activation::Identity };
    rewriter.builder.node(&node.name, op, &[x, weights, bias]).map(Some)
}

fn global_average(rewriter: &mut Rewriter<'_>, node: &Node, pool: &Pool) -> Result<Option<ValueId>> {
    let shape = rewriter.builder.shape(node.inputs[0]);
    let window = &pool.window;
    let global = window.kernel == [shape[1], shape[2]]
        && (window.before, window.after, window.dilation) == ([0; 2], [0; 2], [1; 2]);
    if !global || !matches!(pool.kind, PoolKind::Average { .. }) {
        return Ok(None);
    }
    let op = Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: true };
    rewriter.builder.node(&node.name, op, &node.inputs).map(Some)
}

/// `x` to the power of 1/2, 1, 2 or 3. The root is NaN, not infinite, at minus infinity.
fn power(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<ValueId>> {
    let [x, exponent] = node.inputs[..] else { return Ok(None) };
    if rewriter.builder.shape(exponent).len() > rewriter.builder.shape(x).len() {
        return Ok(None);
    }
    let Some(exponent) = rewriter.f32_scalar(exponent) else { return Ok(None) };
    let mut product = |a, b| rewriter.builder.node(&node.name, BinaryFunction::Mul, &[a, b]);
    match exponent {
        1.0 => Ok(Some(x)),
        2.0 => product(x, x).map(Some),
        3.0 => {
            let square = product(x, x)?;
            product(square, x).map(Some)
        }
        0.5 => rewriter.builder.node(&node.name, UnaryFunction::Sqrt, &[x]).map(Some),
        _ => Ok(None),
    }
}
