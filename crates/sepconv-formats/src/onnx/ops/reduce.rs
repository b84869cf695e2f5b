//! Reductions over axes, and softmax.

use sepconv_core::op::{Reduce, Softmax};
use sepconv_core::{Result, ValueId};
use sepconv_kernels::reduce::Reduction;

use crate::dims;
use crate::onnx::node::Node;

/// Axes are an attribute up to opset 12 (ReduceSum) or 17, an input from then on. None or an empty list means all of
/// them, unless `noop_with_empty_axes` says that it means none: then only what the reduction does to each element is
/// left.
pub(super) fn reduce(node: &mut Node<'_>, reduction: Reduction) -> Result<ValueId> {
    let x = node.input(0)?;
    let keep_dims = node.attributes.flag("keepdims", true)?;
    let none_when_empty = node.attributes.flag("noop_with_empty_axes", false)?;
    let rank = node.rank(x);
    let list = node.ints("axes", 1)?.unwrap_or_default();
    let mut axes = dims::axes(&list, rank)?;
    if axes.is_empty() && !none_when_empty {
        axes = (0..rank).collect();
    }
    axes.sort_unstable();
    node.emit(Reduce { reduction, axes, keep_dims }, &[x])
}

pub(super) fn softmax(node: &mut Node<'_>, log: bool) -> Result<ValueId> {
    let x = node.input(0)?;
    softmax_of(node, x, node.opset, log)
}

/// Along one axis from opset 13 on. Before, the operand counted as a matrix whose rows are all axes from `axis` on.
pub(super) fn softmax_of(node: &mut Node<'_>, x: ValueId, opset: i64, log: bool) -> Result<ValueId> {
    let shape = node.shape(x);
    let given = node.attributes.int_or("axis", if opset < 13 { 1 } else { -1 })?;
    if opset >= 13 {
        let axis = dims::axis(given, shape.len())?;
        return node.emit(Softmax { axis, log }, &[x]);
    }
    let (before, after) = shape.split_at(dims::split_axis(given, shape.len())?);
    if let ([_, ..], [_]) = (before, after) {
        return node.emit(Softmax { axis: before.len(), log }, &[x]);
    }
    let matrix = node.reshape(x, [before.iter().product(), after.iter().product()])?;
    let y = node.emit(Softmax { axis: 1, log }, &[matrix])?;
    node.reshape(y, &shape[..])
}
