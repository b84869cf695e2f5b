use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::{Activation, elementwise::Binary};

use super::rewrite::{Rewriter, rewrite};
use crate::{Graph, Node, Op, Result, ValueId};

/// What scales and shifts each channel after a convolution moves into its weights and bias: batch normalisation, and sums and
/// products with constants. A batch normalisation that follows something else becomes a product and a sum.
pub(super) fn fold(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let Some(affine) = Affine::of(rewriter, node) else { return Ok(None) };
        if let Some(folded) = into_weights(rewriter, &affine)? {
            return Ok(Some(folded));
        }
        match node.op {
            Op::BatchNorm { .. } => spell_out(rewriter, node, &affine).map(Some),
            _ => Ok(None),
        }
    })
}

/// `activation(x · scale + shift)`, channel by channel.
pub(super) struct Affine {
    pub(super) x: ValueId,
    pub(super) scale: Vec<f64>,
    pub(super) shift: Vec<f64>,
    pub(super) activation: Activation,
}

impl Affine {
    /// What `node` does, if that is all it does.
    pub(super) fn of(rewriter: &Rewriter, node: &Node) -> Option<Self> {
        match node.op {
            Op::BatchNorm { epsilon } => {
                let parameter = |i: usize| rewriter.floats(node.inputs[i]);
                let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
                let scale: Vec<f64> = gamma
                    .iter()
                    .zip(variance)
                    .map(|(&gamma, &variance)| f64::from(gamma) / libm::sqrt(f64::from(variance) + f64::from(epsilon)))
                    .collect();
                let shift = (0..scale.len()).map(|c| f64::from(beta[c]) - f64::from(mean[c]) * scale[c]).collect();
                Some(Self { x: node.inputs[0], scale, shift, activation: Activation::Identity })
            }
            Op::Binary { function, activation } => Self::of_binary(rewriter, node, function, activation),
            _ => None,
        }
    }

    fn of_binary(rewriter: &Rewriter, node: &Node, function: Binary, activation: Activation) -> Option<Self> {
        let [a, b] = node.inputs[..] else { return None };
        let commutes = matches!(function, Binary::Add | Binary::Mul);
        let (x, constant) = match (rewriter.floats(a), rewriter.floats(b)) {
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
            Binary::Mul => (values(&constant), vec![0.0; channels]),
            Binary::Div => (values(&|c| 1.0 / constant(c)), vec![0.0; channels]),
            Binary::Add => (vec![1.0; channels], values(&constant)),
            Binary::Sub => (vec![1.0; channels], values(&|c| -constant(c))),
            _ => return None,
        };
        Some(Self { x, scale, shift, activation })
    }
}

/// The convolution or fully connected layer before, with the affine function in its weights.
fn into_weights(rewriter: &mut Rewriter, affine: &Affine) -> Result<Option<ValueId>> {
    let Some(producer) = rewriter.sole_producer(affine.x).cloned() else { return Ok(None) };
    let mut op = producer.op.clone();
    let activation = match &mut op {
        Op::Conv2d(conv) => &mut conv.activation,
        Op::ConvTranspose(conv) => &mut conv.activation,
        Op::Dense { activation } => activation,
        _ => return Ok(None),
    };
    let [x, weights, bias] = producer.inputs[..] else { return Ok(None) };
    let (Some(w), Some(b)) = (rewriter.floats(weights), rewriter.floats(bias)) else { return Ok(None) };
    if *activation != Activation::Identity {
        return Ok(None);
    }
    *activation = affine.activation;
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
    let weights = rewriter.constant(&names[0], &dims, scaled)?;
    let bias = rewriter.constant(&names[1], &[shifted.len()], shifted)?;
    rewriter.builder.node(&producer.name, op, &[x, weights, bias]).map(Some)
}

fn spell_out(rewriter: &mut Rewriter, node: &Node, affine: &Affine) -> Result<ValueId> {
    let mut step = |x: ValueId, function: Binary, values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        let constant = rewriter.constant(&node.name, &[values.len()], values)?;
        rewriter.builder.node(&node.name, Op::binary(function), &[x, constant])
    };
    let scaled = step(affine.x, Binary::Mul, &affine.scale)?;
    step(scaled, Binary::Add, &affine.shift)
}
