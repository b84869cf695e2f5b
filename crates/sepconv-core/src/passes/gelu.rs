use alloc::vec::Vec;

use crate::op::{Activation, Binary, BinaryFunction, UnaryFunction};
use crate::{Node, Op, Rewriter, ValueId};

/// The `x` of `x · (1 + erf(x / √2)) · 1/2`, a product in any order.
pub(super) fn gelu(rewriter: &Rewriter<'_>, node: &Node) -> Option<ValueId> {
    let (factors, constant) = factors(rewriter, node)?;
    let &[a, b] = &factors[..] else { return None };
    let is_half = (constant - 0.5).abs() < 1e-6;
    let gated = [(a, b), (b, a)].into_iter().find(|&(x, gate)| gate_of(rewriter, gate) == Some(x));
    gated.map(|(x, _)| x).filter(|_| is_half)
}

/// The factors of a product, and the product of those that are constant numbers. Products that are factors are taken
/// apart where nothing else reads them.
fn factors(rewriter: &Rewriter<'_>, node: &Node) -> Option<(Vec<ValueId>, f32)> {
    let (function, [a, b]) = binary(node)?;
    let (mut factors, mut constant) = (Vec::new(), 1.0);
    for (operand, inverse) in [(a, false), (b, function == BinaryFunction::Div)] {
        if let Some(number) = rewriter.f32_scalar(operand) {
            constant *= if inverse { 1.0 / number } else { number };
        } else if inverse || !matches!(function, BinaryFunction::Mul | BinaryFunction::Div) {
            return None;
        } else {
            // One level is what exporters make of two products.
            match rewriter.sole_producer(operand).and_then(|node| scaled(rewriter, node).or_else(|| pair(node))) {
                Some((inner, number)) => {
                    factors.extend(inner);
                    constant *= number;
                }
                None => factors.push(operand),
            }
        }
    }
    Some((factors, constant))
}

/// The one factor of a product with a number, or of a quotient by one, and that number.
fn scaled(rewriter: &Rewriter<'_>, node: &Node) -> Option<(Vec<ValueId>, f32)> {
    let (function, [a, b]) = binary(node)?;
    match (function, rewriter.f32_scalar(a), rewriter.f32_scalar(b)) {
        (BinaryFunction::Mul, None, Some(number)) => Some((Vec::from([a]), number)),
        (BinaryFunction::Mul, Some(number), None) => Some((Vec::from([b]), number)),
        (BinaryFunction::Div, None, Some(number)) => Some((Vec::from([a]), 1.0 / number)),
        _ => None,
    }
}

fn pair(node: &Node) -> Option<(Vec<ValueId>, f32)> {
    let (BinaryFunction::Mul, operands) = binary(node)? else { return None };
    Some((Vec::from(operands), 1.0))
}

/// The `x` of `1 + erf(x / √2)`.
fn gate_of(rewriter: &Rewriter<'_>, id: ValueId) -> Option<ValueId> {
    let (BinaryFunction::Add, [a, b]) = binary(rewriter.sole_producer(id)?)? else { return None };
    let is_one = |id| rewriter.f32_scalar(id) == Some(1.0);
    let erf = [(a, b), (b, a)].into_iter().find(|&(_, one)| is_one(one)).map(|(erf, _)| erf)?;
    let erf = rewriter.sole_producer(erf).filter(|node| node.op == Op::Unary(UnaryFunction::Erf))?;
    let (x, number) = scaled(rewriter, rewriter.sole_producer(erf.inputs[0])?)?;
    (number - core::f32::consts::FRAC_1_SQRT_2).abs().lt(&1e-6).then(|| x[0])
}

/// Function and operands of a binary node without activation.
pub(super) fn binary(node: &Node) -> Option<(BinaryFunction, [ValueId; 2])> {
    match (&node.op, &node.inputs[..]) {
        (&Op::Binary(Binary { function, activation: Activation::Identity }), &[a, b]) => Some((function, [a, b])),
        _ => None,
    }
}
