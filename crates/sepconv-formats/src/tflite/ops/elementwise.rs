use sepconv_core::{Op, Result, ValueId};
use sepconv_kernels::Activation;
use sepconv_kernels::elementwise::{Binary, Unary};

use crate::tflite::node::Node;

/// Functions of single elements; `None` for an operator of another family.
pub(super) fn import(node: &mut Node) -> Option<Result<ValueId>> {
    if let Some(function) = unary_function(node.kind) {
        return Some(unary(node, function));
    }
    Some(match node.kind {
        "ADD" => fused(node, Binary::Add),
        "SUB" => fused(node, Binary::Sub),
        "MUL" => fused(node, Binary::Mul),
        "DIV" => fused(node, Binary::Div),
        "MAXIMUM" => binary(node, Binary::Max),
        "MINIMUM" => binary(node, Binary::Min),
        "POW" => binary(node, Binary::Pow),
        "PRELU" => binary(node, Binary::PRelu),
        "LEAKY_RELU" => leaky_relu(node),
        "GELU" => gelu(node),
        "RSQRT" => rsqrt(node),
        "SQUARE" => node.operands().and_then(|[x]| node.apply(Op::binary(Binary::Mul), &[x, x])),
        "SQUARED_DIFFERENCE" => squared_difference(node),
        "ADD_N" => add_n(node),
        // Both are done where a tensor is read and where a result is stored.
        "DEQUANTIZE" | "QUANTIZE" => node.operands().map(|[x]| x),
        _ => return None,
    })
}

fn unary_function(kind: &str) -> Option<Unary> {
    Some(match kind {
        "RELU" => Unary::Activation(Activation::Relu),
        "RELU6" => Unary::Activation(Activation::RELU6),
        "RELU_N1_TO_1" => Unary::Activation(Activation::Clip { low: -1.0, high: 1.0 }),
        "RELU_0_TO_1" => Unary::Activation(Activation::Clip { low: 0.0, high: 1.0 }),
        "LOGISTIC" => Unary::Activation(Activation::Sigmoid),
        "TANH" => Unary::Activation(Activation::Tanh),
        "HARD_SWISH" => Unary::Activation(Activation::HardSwish),
        "ELU" => Unary::Elu { alpha: 1.0 },
        "EXP" => Unary::Exp,
        "LOG" => Unary::Log,
        "SQRT" => Unary::Sqrt,
        "NEG" => Unary::Neg,
        "ABS" => Unary::Abs,
        "SIGN" => Unary::Sign,
        "FLOOR" => Unary::Floor,
        "CEIL" => Unary::Ceil,
        "ROUND" => Unary::Round,
        "SIN" => Unary::Sin,
        "COS" => Unary::Cos,
        _ => return None,
    })
}

fn unary(node: &mut Node, function: Unary) -> Result<ValueId> {
    let [x] = node.operands()?;
    node.apply(Op::Unary(function), &[x])
}

fn binary(node: &mut Node, function: Binary) -> Result<ValueId> {
    let operands: [ValueId; 2] = node.operands()?;
    node.apply(Op::binary(function), &operands)
}

/// A binary operator with an activation in its options.
fn fused(node: &mut Node, function: Binary) -> Result<ValueId> {
    let operands: [ValueId; 2] = node.operands()?;
    let activation = node.option_activation(0)?;
    node.apply(Op::Binary { function, activation }, &operands)
}

fn leaky_relu(node: &mut Node) -> Result<ValueId> {
    let slope = node.option(0, 0.0f32)?;
    unary(node, Unary::Activation(Activation::LeakyRelu { slope }))
}

fn gelu(node: &mut Node) -> Result<ValueId> {
    let tanh = node.option(0, false)?;
    unary(node, Unary::Gelu { tanh })
}

fn rsqrt(node: &mut Node) -> Result<ValueId> {
    let root = unary(node, Unary::Sqrt)?;
    node.apply(Op::Unary(Unary::Reciprocal), &[root])
}

fn squared_difference(node: &mut Node) -> Result<ValueId> {
    let difference = binary(node, Binary::Sub)?;
    node.apply(Op::binary(Binary::Mul), &[difference, difference])
}

fn add_n(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=usize::MAX)?;
    let operands = node.all()?;
    operands[1..].iter().try_fold(operands[0], |sum, &x| node.apply(Op::binary(Binary::Add), &[sum, x]))
}
