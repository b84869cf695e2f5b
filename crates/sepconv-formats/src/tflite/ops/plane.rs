use sepconv_core::op::{Pool, Resize};
use sepconv_core::{Error, Result, ValueId};
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::resize::{AxisMap, Coordinates, Mode, Rounding};
use sepconv_kernels::{Activation, Window};

use crate::dims::size;
use crate::padding::Padding;
use crate::tflite::node::Node;

/// `SAME` or `VALID`: the first field of the options of every operator with a window.
pub(super) fn padding(node: &Node) -> Result<Padding> {
    match node.option(0, 0i8)? {
        0 => Ok(Padding::SameUpper),
        1 => Ok(Padding::Explicit),
        other => Err(Error::malformed("padding is neither SAME nor VALID").expected("0 or 1", other)),
    }
}

/// A window on `plane`.
pub(super) fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: Padding,
    plane: [usize; 2],
) -> Result<Window> {
    padding.apply(Window { kernel, stride, dilation, before: [0; 2], after: [0; 2] }, plane)
}

/// The largest of bytes is a byte; an activation or a mean needs arithmetic.
pub(super) fn pool(node: &mut Node, kind: PoolKind) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let activation = node.option_activation(5)?;
    let of_bytes = kind == PoolKind::Max && activation == Activation::Identity && node.alike(&[0])?.is_some();
    let x = if of_bytes { node.stored(0)? } else { node.operand(0)? };
    let [_, h, w, _] = node.plane(x)?;
    let stride = [node.option_size(2, 0)?, node.option_size(1, 0)?];
    let kernel = [node.option_size(4, 0)?, node.option_size(3, 0)?];
    let window = window(kernel, stride, [1; 2], padding(node)?, [h, w])?;
    let pooled = node.apply(Pool { window, kind, ceil_mode: false }, &[x])?;
    node.activate(pooled, activation)
}

pub(super) fn resize_bilinear(node: &mut Node) -> Result<ValueId> {
    let (align, half) = (node.option(2, false)?, node.option(3, false)?);
    resize(node, Mode::Linear, align, half)
}

/// Rounds down, or to the nearest with halves up: at half-pixel centers that is the pixel which a center falls into.
pub(super) fn resize_nearest(node: &mut Node) -> Result<ValueId> {
    let (align, half) = (node.option(0, false)?, node.option(1, false)?);
    let rounding = if align || half { Rounding::PreferCeil } else { Rounding::Floor };
    resize(node, Mode::Nearest(rounding), align, half)
}

fn resize(node: &mut Node, mode: Mode, align: bool, half: bool) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let coordinates = match (align, half) {
        (true, false) => Coordinates::AlignCorners,
        (false, true) => Coordinates::HalfPixel,
        (false, false) => Coordinates::Asymmetric,
        (true, true) => {
            return Err(Error::malformed("corners cannot be aligned at half-pixel centers")
                .expected("one of align_corners and half_pixel_centers", "both"));
        }
    };
    let x = node.operand(0)?;
    let [_, h, w, _] = node.plane(x)?;
    let sizes = node.integers(1)?;
    let &[out_h, out_w] = sizes.as_slice() else {
        return Err(Error::malformed("new size has the wrong rank").expected("2 sizes", sizes.len()));
    };
    let plane = [size(out_h)?, size(out_w)?];
    let map = |from: usize, to: usize| AxisMap { mode, coordinates, scale: to as f32 / from as f32 };
    node.apply(Resize { maps: [map(h, plane[0]), map(w, plane[1])], size: plane }, &[x])
}
