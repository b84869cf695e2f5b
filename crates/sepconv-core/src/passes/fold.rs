use alloc::vec;
use alloc::vec::Vec;

use super::merge_branches::merge_branches;
use crate::op::{Activation, BatchNorm, Binary, BinaryFunction};
use crate::{Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// Branches that are added become one convolution.
///
/// A scale and shift of each channel after a convolution moves into its weights and bias: batch normalization, and sums
/// and products with constants. A batch normalization after another operator becomes a product and a sum.
pub(super) fn fold(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        if let Some(merged) = merge_branches(rewriter, node)? {
            return Ok(Some(merged));
        }
        let Some(affine) = ChannelAffine::of(rewriter, node) else { return Ok(None) };
        if let Some(folded) = into_weights(rewriter, &affine)? {
            return Ok(Some(folded));
        }
        match node.op {
            Op::BatchNorm(_) => product_and_sum(rewriter, node, &affine).map(Some),
            _ => Ok(None),
        }
    })
}

/// `activation(x · scale + shift)`, channel by channel.
pub(super) struct ChannelAffine {
    pub(super) x: ValueId,
    pub(super) scale: Vec<f64>,
    pub(super) shift: Vec<f64>,
    pub(super) activation: Activation,
}

impl ChannelAffine {
    /// The function of `node`, if it is one.
    pub(super) fn of(rewriter: &Rewriter<'_>, node: &Node) -> Option<Self> {
        match &node.op {
            Op::BatchNorm(BatchNorm { epsilon }) => {
                let parameter = |i: usize| rewriter.f32_constant(node.inputs[i]);
                let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
                let scale: Vec<f64> = gamma
                    .iter()
                    .zip(variance)
                    .map(|(&gamma, &variance)| f64::from(gamma) / libm::sqrt(f64::from(variance) + f64::from(*epsilon)))
                    .collect();
                let shift = (0..scale.len()).map(|c| f64::from(beta[c]) - f64::from(mean[c]) * scale[c]).collect();
                Some(Self { x: node.inputs[0], scale, shift, activation: Activation::Identity })
            }
            Op::Binary(binary) => Self::of_binary(rewriter, node, binary),
            _ => None,
        }
    }

    fn of_binary(rewriter: &Rewriter<'_>, node: &Node, binary: &Binary) -> Option<Self> {
        let &Binary { function, activation } = binary;
        let [a, b] = node.inputs[..] else { return None };
        let commutes = matches!(function, BinaryFunction::Add | BinaryFunction::Mul);
        let (x, constant) = match (rewriter.f32_constant(a), rewriter.f32_constant(b)) {
            (None, Some(b)) => (a, b),
            (Some(a), None) if commutes => (b, a),
            _ => return None,
        };
        let other = if x == a { b } else { a };
        let (shape, other) = (rewriter.builder.shape(x), rewriter.builder.shape(other));
        let channels = shape.last();
        let per_channel = other.len() <= shape.len() && other.elements() == other.last();
        if shape.is_empty() || !per_channel || ![1, channels].contains(&constant.len()) {
            return None;
        }
        let constant = |c: usize| f64::from(constant[c % constant.len()]);
        let values = |f: &dyn Fn(usize) -> f64| (0..channels).map(f).collect::<Vec<f64>>();
        let (scale, shift) = match function {
            BinaryFunction::Mul => (values(&constant), vec![0.0; channels]),
            BinaryFunction::Div => (values(&|c| 1.0 / constant(c)), vec![0.0; channels]),
            BinaryFunction::Add => (vec![1.0; channels], values(&constant)),
            BinaryFunction::Sub => (vec![1.0; channels], values(&|c| -constant(c))),
            _ => return None,
        };
        Some(Self { x, scale, shift, activation })
    }
}

/// The convolution, fully connected layer or layer normalization before, with the affine function in its weights.
fn into_weights(rewriter: &mut Rewriter<'_>, affine: &ChannelAffine) -> Result<Option<ValueId>> {
    let Some(layer) = rewriter.sole_producer(affine.x).cloned() else { return Ok(None) };
    let op = match &layer.op {
        Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense(_) => layer.op.operator().with_activation(affine.activation),
        Op::LayerNorm(_) if affine.activation == Activation::Identity => Some(layer.op.clone()),
        _ => None,
    };
    let Some(op) = op else { return Ok(None) };
    let [x, weights, bias] = layer.inputs[..] else { return Ok(None) };
    let (Some(w), Some(b)) = (rewriter.f32_constant(weights), rewriter.f32_constant(bias)) else { return Ok(None) };
    let (scale, shift) = (&affine.scale, &affine.shift);
    let per_filter = (w.len() / scale.len().max(1)).max(1);
    let scaled: Vec<f32> = w.iter().enumerate().map(|(i, &w)| (f64::from(w) * scale[i / per_filter]) as f32).collect();
    // A division by zero makes infinities of sums; in weights, it would make NaN of every zero.
    if scaled.iter().any(|w| !w.is_finite()) {
        return Ok(None);
    }
    let shifted: Vec<f32> = (0..b.len()).map(|o| (f64::from(b[o]) * scale[o] + shift[o]) as f32).collect();
    let dims = rewriter.builder.shape(weights).to_vec();
    let names = [weights, bias].map(|id| rewriter.builder.value(id).name.clone());
    let weights = rewriter.add_f32(&names[0], &dims, scaled)?;
    let bias = rewriter.add_f32(&names[1], &[shifted.len()], shifted)?;
    rewriter.builder.node(&layer.name, op, &[x, weights, bias]).map(Some)
}

fn product_and_sum(rewriter: &mut Rewriter<'_>, node: &Node, affine: &ChannelAffine) -> Result<ValueId> {
    let mut step = |x: ValueId, function: BinaryFunction, values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        let constant = rewriter.add_f32(&node.name, &[values.len()], values)?;
        rewriter.builder.node(&node.name, function, &[x, constant])
    };
    let scaled = step(affine.x, BinaryFunction::Mul, &affine.scale)?;
    step(scaled, BinaryFunction::Add, &affine.shift)
}
