//! Layers with an activation, as onnxruntime saves networks that it has optimized.

use sepconv_core::op::{BinaryFunction, UnaryFunction};
use sepconv_core::{Result, ValueId};
use sepconv_kernels::Activation;

use super::{conv, matrix};
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// A convolution, to which operand 3 is added before the activation.
pub(super) fn conv(node: &mut Node<'_>) -> Result<ValueId> {
    let y = conv::conv(node)?;
    let y = match node.optional(3) {
        Some(sum) => node.binary(BinaryFunction::Add, y, sum)?,
        None => y,
    };
    let parameters = node.attributes.floats("activation_params")?.unwrap_or_default();
    activated(node, y, parameters)
}

/// A matrix product and a sum.
pub(super) fn gemm(node: &mut Node<'_>) -> Result<ValueId> {
    let y = matrix::gemm(node)?;
    let names = ["activation_alpha", "activation_beta", "activation_gamma"];
    let parameters = names.iter().map(|name| node.attributes.float(name)).collect::<Result<Vec<_>>>()?;
    let parameters: Vec<f32> = parameters.into_iter().flatten().collect();
    activated(node, y, &parameters)
}

/// The activation that an attribute names.
fn activated(node: &mut Node<'_>, x: ValueId, parameters: &[f32]) -> Result<ValueId> {
    let name = node.attributes.string_or("activation", "")?;
    let parameter = |i: usize, default: f32| parameters.get(i).copied().unwrap_or(default);
    let activation = match name {
        "" => return Ok(x),
        "Relu" => Activation::Relu,
        "Tanh" => Activation::Tanh,
        "Sigmoid" => Activation::Sigmoid,
        "LeakyRelu" => Activation::LeakyRelu { slope: parameter(0, 0.01) },
        "Clip" => Activation::Clip { low: parameter(0, f32::NEG_INFINITY), high: parameter(1, f32::INFINITY) },
        "HardSigmoid" => Activation::HardSigmoid { alpha: parameter(0, 0.2), beta: parameter(1, 0.5) },
        other => {
            let known = "Relu, Tanh, Sigmoid, LeakyRelu, Clip or HardSigmoid";
            return Err(unsupported_value("activation", other, known));
        }
    };
    node.emit(activation, &[x])
}

/// `alpha · A · B`, either transposed in its last two axes.
pub(super) fn matmul(node: &mut Node<'_>) -> Result<ValueId> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    for name in ["transBatchA", "transBatchB"] {
        if node.attributes.flag(name, false)? {
            return Err(unsupported_value(name, 1, "0"));
        }
    }
    let (a, b) = (turned(node, a, "transA")?, turned(node, b, "transB")?);
    let product = matrix::product(node, a, b)?;
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    matrix::scale(node, product, alpha)
}

fn turned(node: &mut Node<'_>, x: ValueId, name: &str) -> Result<ValueId> {
    let rank = node.rank(x);
    if !node.attributes.flag(name, false)? || rank < 2 {
        return Ok(x);
    }
    let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    node.transpose(x, &order)
}

/// GELU of a sum, the second operand of which may be left out.
pub(super) fn gelu(node: &mut Node<'_>, tanh: bool) -> Result<ValueId> {
    let x = node.input(0)?;
    let x = match node.optional(1) {
        Some(bias) => node.binary(BinaryFunction::Add, x, bias)?,
        None => x,
    };
    node.emit(UnaryFunction::Gelu { tanh }, &[x])
}

/// `x · sigmoid(alpha · x)`
pub(super) fn quick_gelu(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let alpha = node.attributes.float_or("alpha", 1.702)?;
    let scaled = matrix::scale(node, x, alpha)?;
    let gate = node.emit(Activation::Sigmoid, &[scaled])?;
    node.binary(BinaryFunction::Mul, x, gate)
}
