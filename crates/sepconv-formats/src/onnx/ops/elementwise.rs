//! Functions of each element.

use sepconv_core::op::{BinaryFunction, UnaryFunction};
use sepconv_core::{DType, Result, ValueId};
use sepconv_kernels::Activation;

use crate::dims;
use crate::element::ElementType;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

pub(super) fn unary(node: &mut Node<'_>, function: UnaryFunction) -> Result<ValueId> {
    let x = node.input(0)?;
    node.emit(function, &[x])
}

pub(super) fn activation(node: &mut Node<'_>, activation: Activation) -> Result<ValueId> {
    unary(node, UnaryFunction::Activation(activation))
}

pub(super) fn binary(node: &mut Node<'_>, function: BinaryFunction) -> Result<ValueId> {
    let (a, b) = operands(node)?;
    node.binary(function, a, b)
}

/// Before opset 7 shapes differed only where `broadcast` said so, and the second operand began at `axis` of the first.
fn operands(node: &mut Node<'_>) -> Result<(ValueId, ValueId)> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    if node.opset >= 7 || !node.attributes.flag("broadcast", false)? {
        return Ok((a, b));
    }
    let Some(axis) = node.attributes.int("axis")? else { return Ok((a, b)) };
    let shape = node.shape(b);
    let behind = node.rank(a).saturating_sub(dims::axis(axis, node.rank(a))? + shape.len());
    let aligned = node.reshape(b, [&shape[..], &vec![1; behind]].concat())?;
    Ok((a, aligned))
}

/// The function of the first two operands, of that and the third, and so on.
pub(super) fn variadic(node: &mut Node<'_>, function: BinaryFunction) -> Result<ValueId> {
    let inputs = node.all_inputs()?;
    inputs[1..].iter().try_fold(inputs[0], |sum, &x| node.binary(function, sum, x))
}

pub(super) fn mean(node: &mut Node<'_>) -> Result<ValueId> {
    let sum = variadic(node, BinaryFunction::Add)?;
    let count = node.scalar(node.input_count() as f32)?;
    node.binary(BinaryFunction::Div, sum, count)
}

/// Integer exponents are read as floats where the base is one.
pub(super) fn pow(node: &mut Node<'_>) -> Result<ValueId> {
    let (base, mut exponent) = operands(node)?;
    if (node.dtype(base), node.dtype(exponent)) == (DType::F32, DType::I64) {
        exponent = node.converted(exponent, ElementType::F32)?;
    }
    node.binary(BinaryFunction::Pow, base, exponent)
}

/// Limits are attributes up to opset 10, inputs from 11 on; both are optional.
pub(super) fn clip(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let (low, high) = if node.opset < 11 {
        (node.attributes.float("min")?, node.attributes.float("max")?)
    } else {
        let limits = [node.optional(1), node.optional(2)];
        let scalar = |limit: Option<ValueId>| match limit {
            Some(limit) => node.constant_of(limit).and_then(|tensor| tensor.as_f32()?.first().copied()).map(Some),
            None => Some(None),
        };
        match (scalar(limits[0]), scalar(limits[1])) {
            (Some(low), Some(high)) if node.dtype(x) == DType::F32 => (low, high),
            _ => return clip_between(node, x, limits),
        }
    };
    let activation = match (low, high) {
        (None, None) => return Ok(x),
        (Some(0.0), None) => Activation::Relu,
        _ => Activation::Clip { low: low.unwrap_or(f32::NEG_INFINITY), high: high.unwrap_or(f32::INFINITY) },
    };
    node.emit(activation, &[x])
}

/// Clip with integers, or limits that are computed.
fn clip_between(node: &mut Node<'_>, mut x: ValueId, [low, high]: [Option<ValueId>; 2]) -> Result<ValueId> {
    if let Some(low) = low {
        x = node.binary(BinaryFunction::Max, x, low)?;
    }
    match high {
        Some(high) => node.binary(BinaryFunction::Min, x, high),
        None => Ok(x),
    }
}

/// The slope broadcasts like any operand; before opset 7 it had one entry per channel.
pub(super) fn prelu(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, mut slope) = (node.input(0)?, node.input(1)?);
    let shape = node.shape(slope);
    if node.opset < 7 && shape.len() == 1 && shape[0] > 1 {
        let behind = node.rank(x).saturating_sub(2);
        slope = node.reshape(slope, [&shape[..], &vec![1; behind]].concat())?;
    }
    node.binary(BinaryFunction::PRelu, x, slope)
}

pub(super) fn leaky_relu(node: &mut Node<'_>) -> Result<ValueId> {
    let slope = node.attributes.float_or("alpha", 0.01)?;
    activation(node, Activation::LeakyRelu { slope })
}

pub(super) fn hard_sigmoid(node: &mut Node<'_>) -> Result<ValueId> {
    let alpha = node.attributes.float_or("alpha", 0.2)?;
    let beta = node.attributes.float_or("beta", 0.5)?;
    activation(node, Activation::HardSigmoid { alpha, beta })
}

pub(super) fn elu(node: &mut Node<'_>) -> Result<ValueId> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    unary(node, UnaryFunction::Elu { alpha })
}

pub(super) fn celu(node: &mut Node<'_>) -> Result<ValueId> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    unary(node, UnaryFunction::Celu { alpha })
}

pub(super) fn selu(node: &mut Node<'_>) -> Result<ValueId> {
    let (alpha, gamma) = if node.opset < 6 { (1.6732, 1.0507) } else { (1.673_263_2, 1.050_701) };
    let alpha = node.attributes.float_or("alpha", alpha)?;
    let gamma = node.attributes.float_or("gamma", gamma)?;
    unary(node, UnaryFunction::Selu { alpha, gamma })
}

pub(super) fn thresholded_relu(node: &mut Node<'_>) -> Result<ValueId> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    unary(node, UnaryFunction::ThresholdedRelu { alpha })
}

pub(super) fn gelu(node: &mut Node<'_>) -> Result<ValueId> {
    let tanh = match node.attributes.string_or("approximate", "none")? {
        "none" => false,
        "tanh" => true,
        other => return Err(unsupported_value("approximate", other, "none or tanh")),
    };
    unary(node, UnaryFunction::Gelu { tanh })
}

/// `x · sigmoid(alpha · x)`
pub(super) fn swish(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    if alpha == 1.0 {
        return node.emit(Activation::Silu, &[x]);
    }
    let alpha = node.scalar(alpha)?;
    let scaled = node.binary(BinaryFunction::Mul, x, alpha)?;
    let gate = node.emit(Activation::Sigmoid, &[scaled])?;
    node.binary(BinaryFunction::Mul, x, gate)
}

/// Nothing, as always outside training.
pub(super) fn dropout(node: &mut Node<'_>) -> Result<ValueId> {
    node.attributes.ignore(&["ratio", "seed", "is_test"]);
    node.optional(1);
    let training = node.known_ints(2, "training_mode")?.is_some_and(|flags| flags.contains(&1));
    if training {
        return Err(unsupported_value("training_mode", true, "false: training is not supported"));
    }
    node.input(0)
}
