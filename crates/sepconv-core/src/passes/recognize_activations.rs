use super::gelu::gelu;
use crate::op::{Activation, Binary, BinaryFunction, UnaryFunction};
use crate::{Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// Activations that exporters decompose become one operator each:
///
/// - `clip(x + 3, 0, 6) / 6` is a hard-sigmoid,
/// - `x · hard_sigmoid(x)` and `x · clip(x + 3, 0, 6) / 6` are a hard-swish,
/// - `x · sigmoid(x)` is a SiLU,
/// - a clip from 0 without an upper end is a ReLU,
/// - `x · (1 + erf(x / √2)) / 2` is a GELU,
/// - `relu(x) + slope · -relu(-x)` is a parametric ReLU.
pub(super) fn recognize_activations(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        if let Some(operands) = parametric_relu(rewriter, node) {
            return rewriter.builder.node(&node.name, BinaryFunction::PRelu, &operands).map(Some);
        }
        if let Some(x) = gelu(rewriter, node) {
            return rewriter.builder.node(&node.name, UnaryFunction::Gelu { tanh: false }, &[x]).map(Some);
        }
        let found = match &node.op {
            Op::Binary(Binary { function: BinaryFunction::Mul, activation: Activation::Identity }) => {
                gated(rewriter, node).or_else(|| divided(rewriter, node))
            }
            Op::Binary(Binary { function: BinaryFunction::Div, activation: Activation::Identity }) => {
                divided(rewriter, node)
            }
            Op::Unary(UnaryFunction::Activation(Activation::Clip { low: 0.0, high: f32::INFINITY })) => {
                Some((node.inputs[0], Activation::Relu))
            }
            _ => None,
        };
        found.map(|(x, activation)| rewriter.builder.node(&node.name, activation, &[x])).transpose()
    })
}

const HARD_SIGMOID: Activation = Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };

/// `x · sigmoid(x)` or `x · hard_sigmoid(x)`, in either order.
fn gated(rewriter: &Rewriter<'_>, node: &Node) -> Option<(ValueId, Activation)> {
    let [a, b] = node.inputs[..] else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
        let gate = rewriter.sole_producer(gate)?;
        if gate.inputs != [x] {
            return None;
        }
        match gate.op {
            Op::Unary(UnaryFunction::Activation(Activation::Sigmoid)) => Some((x, Activation::Silu)),
            Op::Unary(UnaryFunction::Activation(HARD_SIGMOID)) => Some((x, Activation::HardSwish)),
            _ => None,
        }
    })
}

/// `clip(x + 3, 0, 6) / 6` or `x · clip(x + 3, 0, 6) / 6`; the division may be a product with 1/6.
fn divided(rewriter: &Rewriter<'_>, node: &Node) -> Option<(ValueId, Activation)> {
    let [a, b] = node.inputs[..] else { return None };
    let is_div = matches!(node.op, Op::Binary(Binary { function: BinaryFunction::Div, .. }));
    let is_sixth = |id| match rewriter.f32_scalar(id) {
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
    let Op::Binary(Binary { function: BinaryFunction::Mul, activation: Activation::Identity }) = product.op else {
        return None;
    };
    let [a, b] = product.inputs[..] else { return None };
    [(a, b), (b, a)]
        .into_iter()
        .find(|&(x, gate)| clipped_sum(rewriter, gate) == Some(x))
        .map(|(x, _)| (x, Activation::HardSwish))
}

/// The `x` of `clip(x + 3, 0, 6)`; the clip is a node of its own or belongs to the sum.
fn clipped_sum(rewriter: &Rewriter<'_>, id: ValueId) -> Option<ValueId> {
    let node = rewriter.sole_producer(id)?;
    let (sum, expected) = match node.op {
        Op::Unary(UnaryFunction::Activation(Activation::RELU6)) => {
            (rewriter.sole_producer(node.inputs[0])?, Activation::Identity)
        }
        _ => (node, Activation::RELU6),
    };
    let Op::Binary(Binary { function: BinaryFunction::Add, activation }) = sum.op else { return None };
    if activation != expected {
        return None;
    }
    let [a, b] = sum.inputs[..] else { return None };
    [(a, b), (b, a)].into_iter().find(|&(_, three)| rewriter.f32_scalar(three) == Some(3.0)).map(|(x, _)| x)
}

/// `x` and the slope of `relu(x) + slope · -relu(-x)`, operands in any order.
fn parametric_relu(rewriter: &Rewriter<'_>, node: &Node) -> Option<[ValueId; 2]> {
    let either_order = |node: &Node| match node.inputs[..] {
        [a, b] => Some([(a, b), (b, a)]),
        _ => None,
    };
    let operand = |id, function: UnaryFunction| {
        let node = rewriter.sole_producer(id)?;
        (node.op == Op::Unary(function)).then(|| node.inputs[0])
    };
    let is = |node: &Node, function| node.op == Op::from(function);
    if !is(node, BinaryFunction::Add) {
        return None;
    }
    either_order(node)?.into_iter().find_map(|(above, below)| {
        let x = operand(above, UnaryFunction::Activation(Activation::Relu))?;
        let product = rewriter.sole_producer(below).filter(|node| is(node, BinaryFunction::Mul))?;
        either_order(product)?.into_iter().find_map(|(slope, minus)| {
            let magnitude = operand(minus, UnaryFunction::Neg)?;
            let negated = operand(magnitude, UnaryFunction::Activation(Activation::Relu))?;
            (operand(negated, UnaryFunction::Neg)? == x).then_some([x, slope])
        })
    })
}
