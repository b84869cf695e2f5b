use sepconv_core::op::{BinaryFunction, Reduce, Softmax, UnaryFunction};
use sepconv_core::{Result, Tensor, ValueId};
use sepconv_kernels::reduce::Reduction;

use super::axes;
use crate::tflite::node::Node;

pub(super) fn reduce(node: &mut Node, reduction: Reduction) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.operand(0)?;
    let axes = axes(&node.integers(1)?, node.shape(x).len())?;
    let keep_dims = node.option(0, false)?;
    node.apply(Reduce { reduction, axes, keep_dims }, &[x])
}

/// `softmax(beta·x)`; files write 1 for beta.
pub(super) fn softmax(node: &mut Node) -> Result<ValueId> {
    let beta = node.option(0, 0.0f32)?;
    if beta == 1.0 {
        return last_axis(node, false);
    }
    let [x] = node.operands()?;
    let beta = node.constant(Tensor::f32([], [beta])?)?;
    let scaled = node.apply(BinaryFunction::Mul, &[x, beta])?;
    let axis = node.shape(scaled).len().saturating_sub(1);
    node.apply(Softmax { axis, log: false }, &[scaled])
}

pub(super) fn log_softmax(node: &mut Node) -> Result<ValueId> {
    last_axis(node, true)
}

fn last_axis(node: &mut Node, log: bool) -> Result<ValueId> {
    let [x] = node.operands()?;
    let axis = node.shape(x).len().saturating_sub(1);
    node.apply(Softmax { axis, log }, &[x])
}

/// `x / |x|` along the last axis; vectors shorter than a millionth are not made longer than they would be there.
pub(super) fn l2_normalization(node: &mut Node) -> Result<ValueId> {
    let [x] = node.operands()?;
    let square = node.apply(BinaryFunction::Mul, &[x, x])?;
    let axes = vec![node.shape(x).len().saturating_sub(1)];
    let sum = node.apply(Reduce { reduction: Reduction::Sum, axes, keep_dims: true }, &[square])?;
    let length = node.apply(UnaryFunction::Sqrt, &[sum])?;
    let least = node.constant(Tensor::f32([], [1e-6])?)?;
    let length = node.apply(BinaryFunction::Max, &[length, least])?;
    let unit = node.apply(BinaryFunction::Div, &[x, length])?;
    let activation = node.option_activation(0)?;
    node.activate(unit, activation)
}
