//! Convolution and its transpose, over one or two axes.

use sepconv_core::{Error, Result, ValueId, op};
use sepconv_kernels::{Activation, Window};

use super::window;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;
use crate::padding::{Padding, invalid};

pub(super) fn conv(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, weights, bias) = (node.input(0)?, node.input(1)?, node.optional(2));
    convolution(node, x, weights, bias)
}

/// The convolution that a node's attributes describe. Weights are `[o,c/groups,kh,kw]` in the file and
/// `[o,kh,kw,c/groups]` in core.
pub(super) fn convolution(node: &mut Node<'_>, x: ValueId, weights: ValueId, bias: Option<ValueId>) -> Result<ValueId> {
    let spatial = window::spatial_axes(node, x)?;
    same_rank(node, x, weights)?;
    let groups = groups(node)?;
    check_channels(&node.shape(x), &node.shape(weights), groups)?;
    let x = window::to_plane(node, x)?;
    let weights = window::to_plane(node, weights)?;
    let [filters, kh, kw, _] = plane(node, weights);
    let (window, padding) = window::window(node, spatial, Some([kh, kw]))?;
    let [_, h, w, _] = plane(node, x);
    let window = padding.apply(window, [h, w])?;
    let bias = bias.map_or_else(|| node.filled(0.0, &[filters]), Ok)?;
    let conv = op::Conv2d { window, groups, activation: Activation::Identity };
    let y = node.emit(conv, &[x, weights, bias])?;
    window::from_plane(node, y, spatial)
}

/// Weights are `[c,o/groups,kh,kw]` in the file and `[o,kh,kw,c/groups]` in core.
pub(super) fn conv_transpose(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, weights, bias) = (node.input(0)?, node.input(1)?, node.optional(2));
    let spatial = window::spatial_axes(node, x)?;
    same_rank(node, x, weights)?;
    let groups = groups(node)?;
    let x = window::to_plane(node, x)?;
    let weights = transposed_weights(node, weights, groups)?;
    let [filters, kh, kw, _] = plane(node, weights);
    let (window, padding) = window::window(node, spatial, Some([kh, kw]))?;
    let [_, h, w, _] = plane(node, x);
    let (window, extra) = output_padding(node, spatial, window, padding, [h, w])?;
    let bias = bias.map_or_else(|| node.filled(0.0, &[filters]), Ok)?;
    let conv = op::ConvTranspose { window, groups, output_padding: extra, activation: Activation::Identity };
    let y = node.emit(conv, &[x, weights, bias])?;
    window::from_plane(node, y, spatial)
}

fn same_rank(node: &Node<'_>, x: ValueId, weights: ValueId) -> Result<()> {
    if node.rank(x) == node.rank(weights) {
        return Ok(());
    }
    Err(Error::mismatch("weights do not have the operand's number of axes").expected(node.rank(x), node.shape(weights)))
}

/// Core would notice too, but speaks of its own order of axes.
fn check_channels(x: &[usize], weights: &[usize], groups: usize) -> Result<()> {
    let (channels, filters) = (x[1], weights[0]);
    if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return Err(Error::mismatch("groups do not divide the channels").expected(
            format_args!("a divisor of {channels} input and {filters} output channels"),
            format_args!("group={groups}"),
        ));
    }
    let expected = [&[filters, channels / groups], &weights[2..]].concat();
    if weights == expected {
        return Ok(());
    }
    let kind = if groups == channels && groups > 1 { "depthwise weights" } else { "weights" };
    Err(Error::mismatch(format!("{kind} do not match the input channels"))
        .expected(format_args!("weights {expected:?}"), format_args!("{weights:?}"))
        .help(format!("group={groups} for {channels} input channels leaves {} per filter", channels / groups)))
}

fn groups(node: &Node<'_>) -> Result<usize> {
    let group = node.attributes.int_or("group", 1)?;
    usize::try_from(group).ok().filter(|&groups| groups > 0).ok_or_else(|| unsupported_value("group", group, "from 1"))
}

/// The sizes of a value with four axes, which [`window::to_plane`] gives.
fn plane(node: &Node<'_>, value: ValueId) -> [usize; 4] {
    let shape = node.shape(value);
    [shape[0], shape[1], shape[2], shape[3]]
}

fn transposed_weights(node: &mut Node<'_>, weights: ValueId, groups: usize) -> Result<ValueId> {
    let shape = node.shape(weights);
    let (kh, kw) = if shape.len() == 3 { (1, shape[2]) } else { (shape[2], shape[3]) };
    let (channels, filters) = (shape[0], shape[1]);
    if !channels.is_multiple_of(groups) {
        return Err(Error::mismatch("groups do not divide the input channels")
            .expected(format_args!("a divisor of {channels}"), groups));
    }
    let all = filters.checked_mul(groups).ok_or_else(|| Error::limit("weights have too many filters"))?;
    let grouped = node.reshape(weights, [groups, channels / groups, filters, kh, kw])?;
    let turned = node.transpose(grouped, &[0, 2, 3, 4, 1])?;
    node.reshape(turned, [all, kh, kw, channels / groups])
}

/// The window with its padding, and the rows and columns that are added at the end. Padding may be given as the size
/// that the output shall have.
fn output_padding(
    node: &Node<'_>,
    spatial: usize,
    mut window: Window,
    padding: Padding,
    plane: [usize; 2],
) -> Result<(Window, [usize; 2])> {
    let numbers = |name, neutral| -> Result<Option<[usize; 2]>> {
        let Some(list) = node.attributes.ints(name)? else { return Ok(None) };
        window::pair(name, window::checked_len(name, list, spatial)?, neutral).map(Some)
    };
    let mut extra = numbers("output_padding", 0)?.unwrap_or([0; 2]);
    let same = (padding != Padding::Explicit).then(|| {
        let scale = |axis: usize| plane[axis].checked_mul(window.stride[axis]);
        scale(0).zip(scale(1)).map(|(h, w)| [h, w]).ok_or_else(|| invalid(&window))
    });
    let Some(target) = numbers("output_shape", 1)?.map(Ok).or(same).transpose()? else { return Ok((window, extra)) };
    let extent = window.extent().ok_or_else(|| invalid(&window))?;
    for axis in 0..2 {
        let start = plane[axis].checked_sub(1).and_then(|hops| hops.checked_mul(window.stride[axis]));
        let full = start.and_then(|start| start.checked_add(extent[axis])?.checked_add(extra[axis]));
        let full = full.ok_or_else(|| invalid(&window))?;
        let total = full.saturating_sub(target[axis]);
        (window.before[axis], window.after[axis]) = padding.halves(total);
        extra[axis] += target[axis].saturating_sub(full);
    }
    Ok((window, extra))
}
