use sepconv_core::op::{BinaryFunction, Gather, Pool, Resize, UnaryFunction};
use sepconv_core::{Error, Result, Tensor, ValueId};
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
    let pooled = pooled(node, x, kind)?;
    node.activate(pooled, activation)
}

/// The root of the mean of squares.
pub(super) fn l2_pool(node: &mut Node) -> Result<ValueId> {
    let [x] = node.operands()?;
    let square = node.apply(BinaryFunction::Mul, &[x, x])?;
    let mean = pooled(node, square, PoolKind::Average { count_padding: false })?;
    let root = node.apply(UnaryFunction::Sqrt, &[mean])?;
    let activation = node.option_activation(5)?;
    node.activate(root, activation)
}

fn pooled(node: &mut Node, x: ValueId, kind: PoolKind) -> Result<ValueId> {
    let [_, h, w, _] = node.plane(x)?;
    let stride = [node.option_size(2, 0)?, node.option_size(1, 0)?];
    let kernel = [node.option_size(4, 0)?, node.option_size(3, 0)?];
    let window = window(kernel, stride, [1; 2], padding(node)?, [h, w])?;
    node.apply(Pool { window, kind, ceil_mode: false }, &[x])
}

pub(super) fn resize_bilinear(node: &mut Node) -> Result<ValueId> {
    let (align, half) = (node.option(2, false)?, node.option(3, false)?);
    resize(node, Mode::Linear, align, half)
}

/// Rounds down, or to the nearest with halves up: at half-pixel centers that is the pixel which a center falls into.
pub(super) fn resize_nearest(node: &mut Node) -> Result<ValueId> {
    let (align, half) = (node.option(0, false)?, node.option(1, false)?);
    if align && half {
        return resize_nearest_of_both(node);
    }
    let rounding = if align || half { Rounding::PreferCeil } else { Rounding::Floor };
    resize(node, Mode::Nearest(rounding), align, half)
}

/// Corners are aligned and then half a pixel is added before rounding, which is what the format's own runtime makes of
/// both flags.
fn resize_nearest_of_both(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let mut y = node.moved(0)?;
    let ([_, h, w, _], plane) = (node.plane(y)?, new_size(node)?);
    for (axis, from, to) in [(1, h, plane[0]), (2, w, plane[1])] {
        let scale = if to > 1 { from.saturating_sub(1) as f32 / (to - 1) as f32 } else { from as f32 / to as f32 };
        node.importer.builder.check_memory(to.saturating_mul(size_of::<i64>()))?;
        let last = from.saturating_sub(1) as i64;
        let indices: Vec<i64> = (0..to).map(|i| (((i as f32 + 0.5) * scale).round() as i64).min(last)).collect();
        let indices = node.constant(Tensor::i64([to], indices)?)?;
        y = node.apply(Gather { axis }, &[y, indices])?;
    }
    Ok(y)
}

/// The second operand.
fn new_size(node: &mut Node) -> Result<[usize; 2]> {
    let sizes = node.integers(1)?;
    let &[h, w] = sizes.as_slice() else {
        return Err(Error::malformed("new size has the wrong rank").expected("2 sizes", sizes.len()));
    };
    Ok([size(h)?, size(w)?])
}

fn resize(node: &mut Node, mode: Mode, align: bool, half: bool) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let coordinates = match (align, half) {
        // Where both are set, too.
        (true, _) => Coordinates::AlignCorners,
        (false, true) => Coordinates::HalfPixel,
        (false, false) => Coordinates::Asymmetric,
    };
    let x = node.operand(0)?;
    let ([_, h, w, _], plane) = (node.plane(x)?, new_size(node)?);
    let map = |from: usize, to: usize| AxisMap { mode, coordinates, scale: to as f32 / from as f32 };
    node.apply(Resize { maps: [map(h, plane[0]), map(w, plane[1])], size: plane }, &[x])
}
