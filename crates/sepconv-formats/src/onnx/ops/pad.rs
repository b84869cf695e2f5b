//! Padding.

use sepconv_core::op::{Pad, PadMode};
use sepconv_core::{Data, Error, Result, ValueId};

use super::index;
use crate::dims;
use crate::lacks_input;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// Pads are an attribute up to opset 10, an input from 11 on. Negative ones crop.
pub(super) fn pad(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let fill = fill(node)?;
    let shape = node.shape(x);
    let pads = node.ints(if node.opset < 2 { "paddings" } else { "pads" }, 1)?;
    let pads = pads.ok_or_else(|| lacks_input("pads"))?;
    let axes = match node.known_ints(3, "axes")? {
        Some(list) => dims::axes(&list, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(Error::mismatch("pads do not match the axes").expected(2 * axes.len(), pads.len()));
    }
    let (mut before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
    let mut crop = Vec::new();
    for (i, &axis) in axes.iter().enumerate() {
        let (first, last) = (pads[i], pads[axes.len() + i]);
        (before[axis], after[axis]) = (added(first)?, added(last)?);
        if first < 0 || last < 0 {
            let kept = shape[axis].checked_sub(removed(first)).and_then(|size| size.checked_sub(removed(last)));
            let kept = kept.ok_or_else(|| {
                Error::mismatch("negative pads remove more than there is").expected(&shape, format_args!("{pads:?}"))
            })?;
            crop.push((axis, removed(first), kept));
        }
    }
    let x = if crop.is_empty() { x } else { index::cut(node, x, &crop)? };
    if before.iter().chain(&after).all(|&size| size == 0) {
        return Ok(x);
    }
    node.emit(Pad { before, after, mode: fill }, &[x])
}

fn fill(node: &Node<'_>) -> Result<PadMode> {
    let attribute = node.attributes.float_or("value", 0.0)?;
    let input = node.known(2, "padding value")?;
    match node.attributes.string_or("mode", "constant")? {
        "constant" => {}
        "edge" => return Ok(PadMode::Edge),
        "reflect" => return Ok(PadMode::Reflect),
        "wrap" => return Ok(PadMode::Wrap),
        other => return Err(unsupported_value("mode", other, "constant, edge, reflect or wrap")),
    }
    let Some(input) = input else { return Ok(PadMode::Constant(attribute)) };
    let value = match input.data() {
        Data::F32(value) => value.first().copied(),
        // Integers that f32 cannot hold would be changed.
        Data::I64(value) => value.first().map(|&x| x as f32).filter(|&x| value.first() == Some(&(x as i64))),
        Data::U8(value) => value.first().map(|&x| x.into()),
        Data::I8(value) => value.first().map(|&x| x.into()),
    };
    value.map(PadMode::Constant).ok_or_else(|| Error::unsupported("padding value is not a number that f32 can hold"))
}

fn added(pad: i64) -> Result<usize> {
    usize::try_from(pad.max(0)).map_err(|_| Error::limit("padding is larger than the address space"))
}

fn removed(pad: i64) -> usize {
    usize::try_from(pad.min(0).unsigned_abs()).unwrap_or(usize::MAX)
}
