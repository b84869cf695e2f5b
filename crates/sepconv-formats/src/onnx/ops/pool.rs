//! Pooling.

use sepconv_core::op::Reduce;
use sepconv_core::{Result, ValueId, op};
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::reduce::Reduction;

use super::window;
use crate::onnx::node::Node;

pub(super) fn average_pool(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    average_of(node, x)
}

/// The mean under the windows that a node's attributes describe.
pub(super) fn average_of(node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
    let count_padding = node.attributes.flag("count_include_pad", false)?;
    pool(node, x, PoolKind::Average { count_padding })
}

pub(super) fn max_pool(node: &mut Node<'_>) -> Result<ValueId> {
    // The order in which indices count; the output that holds them is not supported.
    node.attributes.ignore(&["storage_order"]);
    let x = node.input(0)?;
    pool(node, x, PoolKind::Max)
}

fn pool(node: &mut Node<'_>, x: ValueId, kind: PoolKind) -> Result<ValueId> {
    let spatial = window::spatial_axes(node, x)?;
    let ceil = node.attributes.flag("ceil_mode", false)?;
    let (window, padding) = window::window(node, spatial, None)?;
    let x = window::to_plane(node, x)?;
    let shape = node.shape(x);
    let window = padding.apply(window, [shape[1], shape[2]])?;
    let y = node.emit(op::Pool { window, kind, ceil_mode: ceil }, &[x])?;
    window::from_plane(node, y, spatial)
}

pub(super) fn global(node: &mut Node<'_>, reduction: Reduction) -> Result<ValueId> {
    let x = node.input(0)?;
    global_of(node, x, reduction)
}

/// A reduction over all axes but batch and channels, which stay with size 1.
pub(super) fn global_of(node: &mut Node<'_>, x: ValueId, reduction: Reduction) -> Result<ValueId> {
    let axes = (2..node.rank(x)).collect();
    node.emit(Reduce { reduction, axes, keep_dims: true }, &[x])
}
