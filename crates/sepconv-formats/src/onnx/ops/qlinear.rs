//! Operators on bytes, each with the scales and zero points of its operands and of its result: ONNX's own, and those
//! that onnxruntime adds. Each is its float sibling between dequantized operands and a quantized result.

use sepconv_core::op::{BinaryFunction, Dequantize, QuantParams};
use sepconv_core::{DType, Error, Result, ValueId};
use sepconv_kernels::Activation;
use sepconv_kernels::reduce::Reduction;

use super::quantize::Scheme;
use super::{conv, layout, matrix, pool, reduce};
use crate::onnx::node::Node;

/// Operands: data, weights and result with a scale and zero point each, then a bias in units of the sums.
pub(super) fn conv(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, weights) = (dequantized(node, 0, 1)?, dequantized(node, 3, 0)?);
    let bias = bias(node, 8, [1, 4], 1.0)?;
    let y = conv::convolution(node, x, weights, bias)?;
    bytes(node, y, 6)
}

/// Sums, as floats: exact up to 2²⁴, and what a cast would make of them beyond.
pub(super) fn conv_integer(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, weights) = (whole(node, 0, 2, 1)?, whole(node, 1, 3, 0)?);
    conv::convolution(node, x, weights, None)
}

/// A scale for each row on the left and for each column on the right.
pub(super) fn matmul(node: &mut Node<'_>) -> Result<ValueId> {
    let (a, b) = (dequantized(node, 0, -2)?, dequantized(node, 3, -1)?);
    let y = matrix::product(node, a, b)?;
    bytes(node, y, 6)
}

/// Sums, as [`conv_integer`] gives them.
pub(super) fn matmul_integer(node: &mut Node<'_>) -> Result<ValueId> {
    let (a, b) = (whole(node, 0, 2, -2)?, whole(node, 1, 3, -1)?);
    matrix::product(node, a, b)
}

/// The result is of floats where it has no scale.
pub(super) fn gemm(node: &mut Node<'_>) -> Result<ValueId> {
    let columns = if node.attributes.flag("transB", false)? { 0 } else { 1 };
    let (a, b) = (dequantized(node, 0, 0)?, dequantized(node, 3, columns)?);
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    let c = bias(node, 6, [1, 4], alpha)?;
    let y = matrix::product_and_sum(node, a, b, c)?;
    match node.optional(7) {
        Some(_) => bytes(node, y, 7),
        None => Ok(y),
    }
}

pub(super) fn binary(node: &mut Node<'_>, function: BinaryFunction) -> Result<ValueId> {
    let (a, b) = (dequantized(node, 0, 1)?, dequantized(node, 3, 1)?);
    let y = node.binary(function, a, b)?;
    bytes(node, y, 6)
}

pub(super) fn activation(node: &mut Node<'_>, activation: Activation) -> Result<ValueId> {
    let x = dequantized(node, 0, 1)?;
    let y = node.emit(activation, &[x])?;
    bytes(node, y, 3)
}

pub(super) fn leaky_relu(node: &mut Node<'_>) -> Result<ValueId> {
    let slope = node.attributes.float_or("alpha", 0.01)?;
    activation(node, Activation::LeakyRelu { slope })
}

/// `opset` says which softmax is meant.
pub(super) fn softmax(node: &mut Node<'_>) -> Result<ValueId> {
    let x = dequantized(node, 0, 1)?;
    let opset = node.attributes.int_or("opset", node.opset)?;
    let y = reduce::softmax_of(node, x, opset, false)?;
    bytes(node, y, 3)
}

pub(super) fn average_pool(node: &mut Node<'_>) -> Result<ValueId> {
    pooled(node, pool::average_of)
}

pub(super) fn global_average_pool(node: &mut Node<'_>) -> Result<ValueId> {
    pooled(node, |node, x| pool::global_of(node, x, Reduction::Mean))
}

/// Channels may be the last axis here.
fn pooled(node: &mut Node<'_>, pool: fn(&mut Node<'_>, ValueId) -> Result<ValueId>) -> Result<ValueId> {
    let mut x = dequantized(node, 0, 1)?;
    let last = node.attributes.flag("channels_last", false)?;
    if last {
        x = node.channels_first(x)?;
    }
    let mut y = pool(node, x)?;
    if last {
        y = node.channels_last(y)?;
    }
    bytes(node, y, 3)
}

/// The result's scale and zero point come first.
pub(super) fn concat(node: &mut Node<'_>) -> Result<ValueId> {
    let count = node.input_count().saturating_sub(2);
    if count == 0 || !count.is_multiple_of(3) {
        return Err(Error::malformed("operands are incomplete")
            .expected("a scale and zero point, then three operands for each tensor", node.input_count()));
    }
    let operands = (0..count / 3).map(|i| dequantized(node, 2 + 3 * i, 1)).collect::<Result<Vec<_>>>()?;
    let y = layout::joined(node, &operands)?;
    bytes(node, y, 0)
}

/// Operand `i`, whose scale and zero point follow it, as the real numbers that it stands for.
fn dequantized(node: &mut Node<'_>, i: usize, axis: i64) -> Result<ValueId> {
    let x = node.input(i)?;
    let dtype = node.dtype(x);
    let scheme = Scheme::read(node, dtype, x, [i + 1, i + 2], axis)?;
    scheme.dequantize(node, x)
}

/// Operand `i` less its zero point.
fn whole(node: &mut Node<'_>, i: usize, zero: usize, axis: i64) -> Result<ValueId> {
    let x = node.input(i)?;
    let scheme = Scheme::of_integers(node, x, zero, axis)?;
    scheme.dequantize(node, x)
}

/// Real numbers as bytes, with operand `i` as scale and the next one as zero point.
fn bytes(node: &mut Node<'_>, y: ValueId, i: usize) -> Result<ValueId> {
    let dtype = node.optional(i + 1).map_or(DType::U8, |zero| node.dtype(zero));
    let scheme = Scheme::read(node, dtype, y, [i, i + 1], 1)?;
    scheme.quantize(node, y)
}

/// The bias at operand `i`, in units of `factor` and both scales.
fn bias(node: &mut Node<'_>, i: usize, scales: [usize; 2], factor: f32) -> Result<Option<ValueId>> {
    let Some(bias) = node.optional(i) else { return Ok(None) };
    let known = |i: usize| Ok(node.known_floats(i, "scale")?.unwrap_or_default());
    let (x, weights) = (known(scales[0])?, known(scales[1])?);
    let [x] = x[..] else {
        return Err(Error::unsupported("several scales and a bias are not supported").expected("one scale", x.len()));
    };
    let scale: Vec<f32> = weights.iter().map(|weight| x * weight * factor).collect();
    let axis = node.rank(bias).saturating_sub(1);
    let quantization = QuantParams { dtype: DType::I64, zero_point: vec![0; scale.len()], scale, axis };
    node.emit(Dequantize(quantization), &[bias]).map(Some)
}
