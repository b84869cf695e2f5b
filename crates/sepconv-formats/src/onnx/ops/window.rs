//! The attributes that convolutions and pools share.

use sepconv_core::{Error, Result, ValueId};
use sepconv_kernels::Window;

use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;
use crate::padding::Padding;

/// How many of the operand's axes a window slides over: 1 or 2.
pub(super) fn spatial_axes(node: &Node<'_>, x: ValueId) -> Result<usize> {
    match node.rank(x) {
        3 => Ok(1),
        4 => Ok(2),
        _ => Err(Error::unsupported("only windows over one or two axes are supported")
            .expected("an operand [n,c,l] or [n,c,h,w]", node.shape(x))),
    }
}

/// `[n,c,l]` or `[n,c,h,w]` to `[n,h,w,c]`, where a signal is a plane of one row.
pub(super) fn to_plane(node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
    let x = match node.shape(x)[..] {
        [n, c, l] => node.reshape(x, [n, c, 1, l])?,
        _ => x,
    };
    node.channels_last(x)
}

/// The inverse of [`to_plane`].
pub(super) fn from_plane(node: &mut Node<'_>, x: ValueId, spatial: usize) -> Result<ValueId> {
    let x = node.channels_first(x)?;
    match node.shape(x)[..] {
        [n, c, 1, l] if spatial == 1 => node.reshape(x, [n, c, l]),
        _ => Ok(x),
    }
}

/// The window that a node's attributes describe, with the padding as written; [`Padding::apply`] fills in the rest.
pub(super) fn window(node: &Node<'_>, spatial: usize, kernel: Option<[usize; 2]>) -> Result<(Window, Padding)> {
    let kernel_shape = match node.attributes.ints("kernel_shape")? {
        Some(list) => Some(pair("kernel_shape", checked_len("kernel_shape", list, spatial)?, 1)?),
        None => kernel,
    };
    let taps = kernel_shape.ok_or_else(|| Error::malformed("node lacks the attribute \"kernel_shape\""))?;
    if let Some(kernel) = kernel.filter(|kernel| *kernel != taps) {
        return Err(Error::mismatch("kernel_shape is not that of the weights")
            .expected(format_args!("{kernel:?}"), format_args!("{taps:?}")));
    }
    let mut window = Window::new(taps[0], taps[1]);
    for (name, field) in [("strides", &mut window.stride), ("dilations", &mut window.dilation)] {
        if let Some(list) = node.attributes.ints(name)? {
            *field = pair(name, checked_len(name, list, spatial)?, 1)?;
        }
    }
    let pads = node.attributes.ints("pads")?;
    if let Some(list) = pads {
        let (before, after) = checked_len("pads", list, 2 * spatial)?.split_at(spatial);
        (window.before, window.after) = (pair("pads", before, 0)?, pair("pads", after, 0)?);
    }
    let padding = match node.attributes.string_or("auto_pad", "NOTSET")? {
        "NOTSET" => return Ok((window, Padding::Explicit)),
        "VALID" => Padding::Explicit,
        "SAME_UPPER" => Padding::SameUpper,
        "SAME_LOWER" => Padding::SameLower,
        other => return Err(unsupported_value("auto_pad", other, "NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    };
    if pads.is_some_and(|pads| pads.iter().any(|&pad| pad != 0)) {
        return Err(Error::malformed("auto_pad and pads contradict each other"));
    }
    Ok((window, padding))
}

/// One or two numbers of an attribute as `[vertical, horizontal]`; one alone is horizontal and `neutral` goes before
/// it.
pub(super) fn pair(name: &str, list: &[i64], neutral: usize) -> Result<[usize; 2]> {
    let wrong = || unsupported_value(name, list, "one or two numbers from 0");
    let size = |value: i64| usize::try_from(value).map_err(|_| wrong());
    match *list {
        [horizontal] => Ok([neutral, size(horizontal)?]),
        [vertical, horizontal] => Ok([size(vertical)?, size(horizontal)?]),
        _ => Err(wrong()),
    }
}

pub(super) fn checked_len<'a>(name: &str, list: &'a [i64], len: usize) -> Result<&'a [i64]> {
    if list.len() == len {
        return Ok(list);
    }
    Err(Error::malformed(format!("attribute {name:?} does not match the operand's axes"))
        .expected(format_args!("{len} numbers"), format_args!("{list:?}")))
}
