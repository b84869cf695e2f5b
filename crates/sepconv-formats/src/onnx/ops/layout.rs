//! The same elements in another shape or order.

use sepconv_core::op::{Broadcast, Concat, Transpose};
use sepconv_core::{Error, Result, Shape, ValueId};

use super::legacy;
use crate::dims;
use crate::dims::sizes;
use crate::lacks_input;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// A size of 0 is that of the operand unless `allowzero`; one of -1 is whatever is left.
pub(super) fn reshape(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let zero_is_zero = node.attributes.flag("allowzero", false)?;
    let from = node.shape(x);
    let wanted = node.ints("shape", 1)?.ok_or_else(|| lacks_input("a shape"))?;
    let impossible = || {
        Error::mismatch("reshape is not possible")
            .expected(format_args!("sizes for {from}"), format_args!("{wanted:?}"))
    };
    let mut dims = Vec::new();
    let mut open = None;
    for (axis, &size) in wanted.iter().enumerate() {
        dims.push(match size {
            -1 if open.replace(axis).is_none() => 1,
            0 if !zero_is_zero => *from.get(axis).ok_or_else(impossible)?,
            size => usize::try_from(size).map_err(|_| impossible())?,
        });
    }
    if let Some(axis) = open {
        let known = Shape::new(&dims[..])?.elements();
        dims[axis] = from.elements().checked_div(known).ok_or_else(impossible)?;
    }
    node.reshape(x, dims)
}

/// A matrix: axes before `axis` are its rows, the others its columns.
pub(super) fn flatten(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let shape = node.shape(x);
    let axis = dims::split_axis(node.attributes.int_or("axis", 1)?, shape.len())?;
    let (rows, columns) = shape.split_at(axis);
    node.reshape(x, [rows.iter().product::<usize>(), columns.iter().product()])
}

/// Without axes, all of size 1 are removed.
pub(super) fn squeeze(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let shape = node.shape(x);
    let axes = match node.ints("axes", 1)? {
        Some(list) => dims::axes(&list, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(axis) = axes.iter().find(|&&axis| shape[axis] != 1) {
        return Err(Error::mismatch("only axes of size 1 can be removed")
            .expected(1, format_args!("{} (axis {axis} of {shape})", shape[*axis])));
    }
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]);
    node.reshape(x, kept.collect::<Vec<_>>())
}

/// Axes are counted in the result.
pub(super) fn unsqueeze(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let mut dims = node.shape(x).to_vec();
    let list = node.ints("axes", 1)?.unwrap_or_default();
    if list.len() > Shape::MAX_RANK {
        return Err(Error::unsupported("tensor has too many axes").expected(Shape::MAX_RANK, list.len()));
    }
    let mut axes = dims::axes(&list, dims.len() + list.len())?;
    axes.sort_unstable();
    axes.into_iter().for_each(|axis| dims.insert(axis, 1));
    node.reshape(x, dims)
}

/// Without `perm` the axes are reversed.
pub(super) fn transpose(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let order = match node.attributes.ints("perm")? {
        Some(order) => sizes(order)?,
        None => (0..node.rank(x)).rev().collect(),
    };
    node.emit(Transpose { order }, &[x])
}

pub(super) fn concat(node: &mut Node<'_>) -> Result<ValueId> {
    let inputs = node.all_inputs()?;
    joined(node, &inputs)
}

/// Values one after the other along the axis that an attribute names.
pub(super) fn joined(node: &mut Node<'_>, inputs: &[ValueId]) -> Result<ValueId> {
    let given = node.attributes.int("axis")?.or((node.opset < 4).then_some(1));
    let given = given.ok_or_else(|| Error::malformed("node lacks the attribute \"axis\""))?;
    let axis = dims::axis(given, node.rank(inputs[0]))?;
    node.emit(Concat { axis }, inputs)
}

/// Repeats axes of size 1, of the operand or of the shape.
pub(super) fn expand(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let wanted = sizes(&node.known_ints(1, "shape")?.unwrap_or_default())?;
    let from = node.shape(x);
    let rank = from.len().max(wanted.len());
    let aligned = |dims: &[usize]| [&vec![1; rank - dims.len()], dims].concat();
    let grown = aligned(&from).into_iter().zip(aligned(&wanted)).map(|(from, to)| if from == 1 { to } else { from });
    let shape = Shape::new(grown.collect::<Vec<_>>())?;
    // A size of the wanted shape that is neither 1 nor the operand's is an error.
    if aligned(&wanted).iter().zip(shape.iter()).any(|(&wanted, &size)| wanted != 1 && wanted != size) {
        return Err(Error::mismatch("shapes do not broadcast").expected(&from, format_args!("{wanted:?}")));
    }
    node.emit(Broadcast { shape }, &[x])
}

/// Repeats the whole operand along each axis.
pub(super) fn tile(node: &mut Node<'_>) -> Result<ValueId> {
    let mut x = node.input(0)?;
    let repeats = match node.opset {
        ..6 => legacy::repeats(node, node.rank(x))?,
        _ => node.known_ints(1, "repeats")?.unwrap_or_default(),
    };
    let repeats = sizes(&repeats)?;
    let mut dims = node.shape(x).to_vec();
    if repeats.len() != dims.len() {
        return Err(Error::mismatch("repeats do not match the operand").expected(dims.len(), repeats.len()));
    }
    for (axis, &times) in repeats.iter().enumerate().filter(|(_, times)| **times != 1) {
        let (before, after) = (dims[..axis].iter().product(), dims[axis..].iter().product());
        let apart = node.reshape(x, [before, 1, after])?;
        let repeated = node.emit(Broadcast { shape: Shape::new([before, times, after])? }, &[apart])?;
        dims[axis] =
            dims[axis].checked_mul(times).ok_or_else(|| Error::limit("tensor is larger than the address space"))?;
        x = node.reshape(repeated, &dims[..])?;
    }
    Ok(x)
}

/// Channels become `block`×`block` pixels. `DCR` has the block's place as the slower part of the channel, `CRD` as the
/// faster.
pub(super) fn depth_to_space(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let ([n, c, h, w], block) = (plane(node, x)?, block(node)?);
    let depth = block.checked_mul(block).filter(|area| c.is_multiple_of(*area)).map(|area| c / area);
    let depth = depth.ok_or_else(|| {
        Error::mismatch("blocks do not divide the channels")
            .expected("a multiple of blocksize²", format_args!("{c} channels"))
    })?;
    let (split, order) = match node.attributes.string_or("mode", "DCR")? {
        "DCR" => ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(unsupported_value("mode", other, "DCR or CRD")),
    };
    let apart = node.reshape(x, split)?;
    let moved = node.transpose(apart, &order)?;
    node.reshape(moved, [n, depth, h.saturating_mul(block), w.saturating_mul(block)])
}

/// `block`×`block` pixels become channels, the block's place being the slower part.
pub(super) fn space_to_depth(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let ([n, c, h, w], block) = (plane(node, x)?, block(node)?);
    if !h.is_multiple_of(block) || !w.is_multiple_of(block) {
        return Err(Error::mismatch("blocks do not divide the plane")
            .expected(format_args!("a multiple of {block}x{block}"), format_args!("{h}x{w}")));
    }
    let apart = node.reshape(x, [n, c, h / block, block, w / block, block])?;
    let moved = node.transpose(apart, &[0, 3, 5, 1, 2, 4])?;
    let channels = block.saturating_mul(block).saturating_mul(c);
    node.reshape(moved, [n, channels, h / block, w / block])
}

fn plane(node: &Node<'_>, x: ValueId) -> Result<[usize; 4]> {
    let shape = node.shape(x);
    (*shape).try_into().map_err(|_| Error::mismatch("operand is not a plane").expected("[n,c,h,w]", &shape))
}

fn block(node: &Node<'_>) -> Result<usize> {
    let size = node.attributes.int_or("blocksize", 0)?;
    usize::try_from(size).ok().filter(|&size| size > 0).ok_or_else(|| unsupported_value("blocksize", size, "from 1"))
}
