use sepconv_kernels::{
    Activation,
    elementwise::{Binary, Unary},
};

use super::rewrite::{Rewriter, rewrite};
use crate::{Graph, Node, Op, Result, ValueId};

/// Activations that exporters spell out become one operator each:
///
/// - `clip(x + 3, 0, 6) / 6` is a hard-sigmoid,
/// - `x · hard_sigmoid(x)` and `x · clip(x + 3, 0, 6) / 6` are a hard-swish,
/// - `x · sigmoid(x)` is a SiLU,
/// - a clip from 0 without an upper end is a ReLU.
pub(super) fn idioms(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let found = match &node.op {
            Op::Binary { function: Binary::Mul, activation: Activation::Identity } => {
                gated(rewriter, node).or_else(|| divided(rewriter, node))
            }
            Op::Binary { function: Binary::Div, activation: Activation::Identity } => divided(rewriter, node),
            Op::Unary(Unary::Activation(Activation::Clip { low: 0.0, high: f32::INFINITY })) => {
                Some((node.inputs[0], Activation::Relu))
            }
            _ => None,
        };
        found.map(|(x, activation)| rewriter.builder.node(&node.name, Op::activation(activation), &[x])).transpose()
    })
}

const HARD_SIGMOID: Activation = Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };

/// `x · sigmoid(x)` or `x · hard_sigmoid(x)`, either way round.
fn gated(rewriter: &Rewriter, node: &Node) -> Option<(ValueId, Activation)> {
    let [a, b] = node.inputs[..] else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
        let gate = rewriter.sole_producer(gate)?;
        if gate.inputs != [x] {
            return None;
        }
        match gate.op {
            Op::Unary(Unary::Activation(Activation::Sigmoid)) => Some((x, Activation::Silu)),
            Op::Unary(Unary::Activation(HARD_SIGMOID)) => Some((x, Activation::HardSwish)),
            _ => None,
        }
    })
}

/// `clip(x + 3, 0, 6) / 6` or `x · clip(x + 3, 0, 6) / 6`, the division also spelled as a product.
fn divided(rewriter: &Rewriter, node: &Node) -> Option<(ValueId, Activation)> {
    let [a, b] = node.inputs[..] else { return None };
    let is_div = matches!(node.op, Op::Binary { function: Binary::Div, .. });
    let is_sixth = |id| match rewriter.scalar(id) {
        Some(c) if is_div => c == 6.0,
        Some(c) => (c - 1.0 / 6.0).abs() < 1e-6,
        None => false,
    };
    let numerator = if is_sixth(b) {
        a
    } else if !is_div && is_sixth(a) {
        b
    } else {
        return None;
    };
    if let Some(x) = clipped_sum(rewriter, numerator) {
        return Some((x, HARD_SIGMOID));
    }
    let product = rewriter.sole_producer(numerator)?;
    let Op::Binary { function: Binary::Mul, activation: Activation::Identity } = product.op else { return None };
    let [a, b] = product.inputs[..] else { return None };
    [(a, b), (b, a)]
        .into_iter()
        .find(|&(x, gate)| clipped_sum(rewriter, gate) == Some(x))
        .map(|(x, _)| (x, Activation::HardSwish))
}

/// The `x` of `clip(x + 3, 0, 6)`, where the clip is a node of its own or belongs to the sum.
fn clipped_sum(rewriter: &Rewriter, id: ValueId) -> Option<ValueId> {
    let node = rewriter.sole_producer(id)?;
    let sum = match node.op {
        Op::Unary(Unary::Activation(Activation::RELU6)) => rewriter.sole_producer(node.inputs[0])?,
        _ => node,
    };
    let activation = match (sum.output == id, &sum.op) {
        (true, Op::Binary { function: Binary::Add, activation: Activation::RELU6 }) => Some(()),
        (false, Op::Binary { function: Binary::Add, activation: Activation::Identity }) => Some(()),
        _ => None,
    };
    activation?;
    let [a, b] = sum.inputs[..] else { return None };
    [(a, b), (b, a)].into_iter().find(|&(_, three)| rewriter.scalar(three) == Some(3.0)).map(|(x, _)| x)
}
