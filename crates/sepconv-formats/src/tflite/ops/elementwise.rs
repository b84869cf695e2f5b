use sepconv_core::op::{Binary, BinaryFunction, UnaryFunction};
use sepconv_core::{Result, ValueId};
use sepconv_kernels::Activation;

use crate::tflite::node::Node;

pub(super) fn unary(node: &mut Node, function: UnaryFunction) -> Result<ValueId> {
    let [x] = node.operands()?;
    node.apply(function, &[x])
}

pub(super) fn binary(node: &mut Node, function: BinaryFunction) -> Result<ValueId> {
    let operands: [ValueId; 2] = node.operands()?;
    node.apply(function, &operands)
}

/// A binary operator with an activation in its options.
pub(super) fn fused(node: &mut Node, function: BinaryFunction) -> Result<ValueId> {
    let operands: [ValueId; 2] = node.operands()?;
    let activation = node.option_activation(0)?;
    node.apply(Binary { function, activation }, &operands)
}

pub(super) fn leaky_relu(node: &mut Node) -> Result<ValueId> {
    let slope = node.option(0, 0.0f32)?;
    unary(node, UnaryFunction::Activation(Activation::LeakyRelu { slope }))
}

pub(super) fn gelu(node: &mut Node) -> Result<ValueId> {
    let tanh = node.option(0, false)?;
    unary(node, UnaryFunction::Gelu { tanh })
}

pub(super) fn rsqrt(node: &mut Node) -> Result<ValueId> {
    let root = unary(node, UnaryFunction::Sqrt)?;
    node.apply(UnaryFunction::Reciprocal, &[root])
}

pub(super) fn square(node: &mut Node) -> Result<ValueId> {
    let [x] = node.operands()?;
    node.apply(BinaryFunction::Mul, &[x, x])
}

/// Quantizing and dequantizing are done where a tensor is read and where a result is stored.
pub(super) fn identity(node: &mut Node) -> Result<ValueId> {
    let [x] = node.operands()?;
    Ok(x)
}

pub(super) fn squared_difference(node: &mut Node) -> Result<ValueId> {
    let difference = binary(node, BinaryFunction::Sub)?;
    node.apply(BinaryFunction::Mul, &[difference, difference])
}

pub(super) fn add_n(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=usize::MAX)?;
    let operands = node.all()?;
    operands[1..].iter().try_fold(operands[0], |sum, &x| node.apply(BinaryFunction::Add, &[sum, x]))
}
