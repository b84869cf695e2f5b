//! Indices that the data decides, and what is moved by them.

use sepconv_core::op::{
    ArgExtreme, BinaryFunction, Cast, CumSum, GatherElements, GatherNd, NonMaxSuppression, NonZero, ScatterNd, TopK,
};
use sepconv_core::{DType, Error, Result, Tensor, ValueId};

use super::constant;
use crate::dims;
use crate::lacks_input;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

pub(super) fn arg(node: &mut Node<'_>, largest: bool) -> Result<ValueId> {
    let x = node.input(0)?;
    let axis = dims::axis(node.attributes.int_or("axis", 0)?, node.rank(x))?;
    let keep_dims = node.attributes.flag("keepdims", true)?;
    let last = node.attributes.flag("select_last_index", false)?;
    node.emit(ArgExtreme { axis, keep_dims, largest, last }, &[x])
}

/// The number is an attribute up to opset 9, an input from 10 on.
pub(super) fn top_k(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let axis = dims::axis(node.attributes.int_or("axis", -1)?, node.rank(x))?;
    let k = match node.attributes.int("k")? {
        Some(k) => k,
        None => node.known_ints(1, "k")?.and_then(|list| list.first().copied()).ok_or_else(|| lacks_input("k"))?,
    };
    node.attributes.ignore(&["sorted"]);
    let largest = node.attributes.flag("largest", true)?;
    let indices = node.emit(TopK { axis, k: dims::size(k)?, largest }, &[x])?;
    let values = node.emit(GatherElements { axis }, &[x, indices])?;
    node.add_output(indices);
    Ok(values)
}

pub(super) fn cum_sum(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let axis = node.known_ints(1, "axis")?.and_then(|list| list.first().copied()).ok_or_else(|| lacks_input("axis"))?;
    let axis = dims::axis(axis, node.rank(x))?;
    let (exclusive, reverse) = (node.attributes.flag("exclusive", false)?, node.attributes.flag("reverse", false)?);
    node.emit(CumSum { axis, exclusive, reverse }, &[x])
}

pub(super) fn gather_elements(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, indices) = (node.input(0)?, node.input(1)?);
    let axis = dims::axis(node.attributes.int_or("axis", 0)?, node.rank(x))?;
    node.emit(GatherElements { axis }, &[x, indices])
}

pub(super) fn gather_nd(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, indices) = (node.input(0)?, node.input(1)?);
    let batch_dims = dims::size(node.attributes.int_or("batch_dims", 0)?)?;
    node.emit(GatherNd { batch_dims }, &[x, indices])
}

pub(super) fn scatter_nd(node: &mut Node<'_>) -> Result<ValueId> {
    let operands = [node.input(0)?, node.input(1)?, node.input(2)?];
    let reduction = match node.attributes.string_or("reduction", "none")? {
        "none" => None,
        "add" => Some(BinaryFunction::Add),
        "mul" => Some(BinaryFunction::Mul),
        "min" => Some(BinaryFunction::Min),
        "max" => Some(BinaryFunction::Max),
        other => return Err(unsupported_value("reduction", other, "none, add, mul, min or max")),
    };
    node.emit(ScatterNd { reduction }, &operands)
}

pub(super) fn non_zero(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    if node.constant_of(x).is_some() {
        return constant::non_zero(node);
    }
    let x = if node.dtype(x).is_int8() { node.emit(Cast { to: DType::I64 }, &[x])? } else { x };
    node.emit(NonZero, &[x])
}

/// Without a number of boxes there are none; without thresholds all boxes count and none overlap.
pub(super) fn non_max_suppression(node: &mut Node<'_>) -> Result<ValueId> {
    let is_centered = node.attributes.flag("center_point_box", false)?;
    let (boxes, scores) = (node.input(0)?, node.input(1)?);
    if node.constant_of(boxes).is_some() && node.constant_of(scores).is_some() {
        return Err(Error::unsupported("suppression of boxes that are all known is not supported"));
    }
    let defaults = [Tensor::i64([], [0])?, Tensor::f32([], [0.0])?, Tensor::f32([], [f32::NEG_INFINITY])?];
    let mut operands = vec![boxes, scores];
    for (i, default) in (2..).zip(defaults) {
        let operand = match node.optional(i) {
            Some(operand) => operand,
            None => node.constant(default)?,
        };
        operands.push(operand);
    }
    node.emit(NonMaxSuppression { is_centered }, &operands)
}
