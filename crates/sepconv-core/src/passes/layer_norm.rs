use alloc::vec;
use alloc::vec::Vec;

use super::gelu::binary;
use crate::op::{BinaryFunction, LayerNorm, Reduce, Reduction, UnaryFunction};
use crate::{Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// `(x - mean) / √(variance + ε)` over the last axes becomes a layer normalization, however it is decomposed: a
/// quotient or a product with the reciprocal. `fold` moves the scale and shift after it inside.
pub(super) fn layer_norm(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let Some((x, norm)) = normalization(rewriter, node) else { return Ok(None) };
        let channels = rewriter.builder.shape(x).last();
        let scale = rewriter.add_f32(&node.name, &[channels], vec![1.0; channels])?;
        let shift = rewriter.add_f32(&node.name, &[channels], vec![0.0; channels])?;
        rewriter.builder.node(&node.name, norm, &[x, scale, shift]).map(Some)
    })
}

fn normalization(rewriter: &Rewriter<'_>, node: &Node) -> Option<(ValueId, LayerNorm)> {
    let (function, [a, b]) = binary(node)?;
    let (numerator, deviation) = match function {
        BinaryFunction::Div => (a, b),
        BinaryFunction::Mul => {
            [(a, b), (b, a)].into_iter().find_map(|(x, inverse)| Some((x, reciprocal(rewriter, inverse)?)))?
        }
        _ => return None,
    };
    let (variance, epsilon) = root_of_sum(rewriter, deviation)?;
    let (square, axes) = mean(rewriter, variance)?;
    let (BinaryFunction::Mul, [c, d]) = binary(rewriter.producer(square)?)? else { return None };
    let (x, centered_axes) = centered(rewriter, numerator)?;
    let same = [c, d].iter().all(|&id| centered(rewriter, id).as_ref() == Some(&(x, centered_axes.clone())));
    let rank = rewriter.builder.shape(x).len();
    let last = axes.iter().copied().eq(rank - axes.len()..rank);
    let norm = LayerNorm { axes: axes.len(), epsilon };
    (same && last && axes == centered_axes && !axes.is_empty()).then_some((x, norm))
}

/// The `x` of `1 / x`.
fn reciprocal(rewriter: &Rewriter<'_>, id: ValueId) -> Option<ValueId> {
    let node = rewriter.producer(id)?;
    if node.op == Op::Unary(UnaryFunction::Reciprocal) {
        return Some(node.inputs[0]);
    }
    let (BinaryFunction::Div, [one, x]) = binary(node)? else { return None };
    (rewriter.f32_scalar(one) == Some(1.0)).then_some(x)
}

/// `x` and `ε` of `√(x + ε)`.
fn root_of_sum(rewriter: &Rewriter<'_>, id: ValueId) -> Option<(ValueId, f32)> {
    let root = rewriter.producer(id).filter(|node| node.op == Op::Unary(UnaryFunction::Sqrt))?;
    let (BinaryFunction::Add, [a, b]) = binary(rewriter.producer(root.inputs[0])?)? else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(x, epsilon)| Some((x, rewriter.f32_scalar(epsilon)?)))
}

/// `x` and the axes of its mean, which stay.
fn mean(rewriter: &Rewriter<'_>, id: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let node = rewriter.producer(id)?;
    let Op::Reduce(Reduce { reduction: Reduction::Mean, axes, keep_dims: true }) = &node.op else { return None };
    let mut axes = axes.clone();
    axes.sort_unstable();
    Some((node.inputs[0], axes))
}

/// `x` of `x - mean(x)`, and the axes of the mean.
fn centered(rewriter: &Rewriter<'_>, id: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let (BinaryFunction::Sub, [x, average]) = binary(rewriter.producer(id)?)? else { return None };
    mean(rewriter, average).filter(|(of, _)| *of == x)
}
