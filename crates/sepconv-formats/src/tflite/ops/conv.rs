use sepconv_core::op::{Conv2d, ConvTranspose, Dense, MatMul, Reshape, Transpose};
use sepconv_core::{Error, Result, Shape, ValueId};
use sepconv_kernels::{Activation, Window};

use super::plane::{padding, window};
use crate::dims::size;
use crate::padding::Padding;
use crate::tflite::node::Node;

/// Weights are OHWI; fewer weight channels than input channels mean groups.
pub(super) fn conv2d(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=3)?;
    let (x, weights) = (node.operand(0)?, node.operand(1)?);
    let [_, h, w, c] = node.plane(x)?;
    let [o, kh, kw, per_group] = node.plane(weights)?;
    let groups = c.checked_div(per_group).filter(|groups| groups * per_group == c).unwrap_or(1);
    let stride = [node.option_size(2, 0)?, node.option_size(1, 0)?];
    let dilation = [node.option_size(5, 1)?, node.option_size(4, 1)?];
    let window = window([kh, kw], stride, dilation, padding(node)?, [h, w])?;
    let activation = node.option_activation(3)?;
    let bias = node.bias(2, o, [0, 1])?;
    node.apply(Conv2d { window, groups, activation }, &[x, weights, bias])
}

/// Weights are `[1, kh, kw, c·multiplier]`, the multiples of one channel next to each other.
pub(super) fn depthwise(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=3)?;
    let (x, weights) = (node.operand(0)?, node.operand(1)?);
    let [_, h, w, c] = node.plane(x)?;
    let [one, kh, kw, o] = node.plane(weights)?;
    let multiplier = node.option_size(3, 0)?;
    // Converters have written 0 for "whatever the weights say".
    if one != 1 || (multiplier != 0 && multiplier.checked_mul(c) != Some(o)) {
        return Err(Error::mismatch("depthwise weights do not match the input channels")
            .expected(format_args!("[1,kh,kw,{c}·{multiplier}]"), node.shape(weights)));
    }
    let stride = [node.option_size(2, 0)?, node.option_size(1, 0)?];
    let dilation = [node.option_size(6, 1)?, node.option_size(5, 1)?];
    let window = window([kh, kw], stride, dilation, padding(node)?, [h, w])?;
    let activation = node.option_activation(4)?;
    let weights = node.apply(Transpose { order: vec![3, 1, 2, 0] }, &[weights])?;
    let bias = node.bias(2, o, [0, 1])?;
    node.apply(Conv2d { window, groups: c, activation }, &[x, weights, bias])
}

/// The first operand is the shape of the result; padding is that of the convolution which would turn the result into
/// the input.
pub(super) fn transpose_conv(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=4)?;
    let (weights, x) = (node.operand(1)?, node.operand(2)?);
    let [o, ..] = node.plane(weights)?;
    let shape = node.integers(0)?;
    let &[_, out_h, out_w, _] = shape.as_slice() else {
        return Err(Error::malformed("output shape has the wrong rank").expected("4 sizes", shape.len()));
    };
    let plane = [size(out_h)?, size(out_w)?];
    let stride = [node.option_size(2, 0)?, node.option_size(1, 0)?];
    let (padding, activation) = (padding(node)?, node.option_activation(3)?);
    let bias = node.bias(3, o, [2, 1])?;
    transposed(node, [x, weights, bias], padding, stride, plane, activation)
}

/// The transposed convolution whose result is `plane`.
pub(super) fn transposed(
    node: &mut Node,
    operands: [ValueId; 3],
    padding: Padding,
    stride: [usize; 2],
    plane: [usize; 2],
    activation: Activation,
) -> Result<ValueId> {
    let ([_, h, w, _], [_, kh, kw, _]) = (node.plane(operands[0])?, node.plane(operands[1])?);
    let mut window = window([kh, kw], stride, [1; 2], padding, plane)?;
    let mut extra = [0; 2];
    for (axis, input) in [h, w].into_iter().enumerate() {
        (window.after[axis], extra[axis]) = end(&window, axis, input, plane[axis]).ok_or_else(|| {
            Error::mismatch("output shape does not fit the input")
                .expected(format_args!("about {input}·{}", stride[axis]), plane[axis])
        })?;
    }
    node.apply(ConvTranspose { window, groups: 1, output_padding: extra, activation }, &operands)
}

/// What is cut off and what is added at the end of an axis, so that a transposed convolution of `input` gives `output`
/// elements.
fn end(window: &Window, axis: usize, input: usize, output: usize) -> Option<(usize, usize)> {
    let full = input.checked_sub(1)?.checked_mul(window.stride[axis])?.checked_add(window.kernel[axis])?;
    let wanted = output.checked_add(window.before[axis])?;
    Some((full.saturating_sub(wanted), wanted.saturating_sub(full)))
}

/// The input is flattened to `[batch, k]` for weights `[n, k]`, unless the node keeps leading axes.
pub(super) fn fully_connected(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=3)?;
    let (x, weights) = (node.operand(0)?, node.operand(1)?);
    let format = node.option(1, 0i8)?;
    if format != 0 {
        return Err(
            Error::unsupported("weights of a fully connected layer are shuffled").expected("weights_format 0", format)
        );
    }
    let (shape, keep) = (node.shape(x), node.option(2, false)?);
    let weight_shape = node.shape(weights);
    let &[n, k] = &*weight_shape else {
        return Err(Error::mismatch("weights have the wrong rank").expected("2 axes", weight_shape));
    };
    let x = match shape.elements().checked_div(k) {
        Some(batch) if batch * k == shape.elements() && !keep && *shape != [batch, k] => {
            node.apply(Reshape { shape: Shape::new([batch, k])? }, &[x])?
        }
        _ => x,
    };
    let activation = node.option_activation(0)?;
    let bias = node.bias(2, n, [0, 1])?;
    node.apply(Dense { activation }, &[x, weights, bias])
}

/// Matrix products, either operand transposed where the options say so.
pub(super) fn batch_matmul(node: &mut Node) -> Result<ValueId> {
    let [a, b] = node.operands()?;
    let (a, b) = (adjoint(node, a, 0)?, adjoint(node, b, 1)?);
    node.apply(MatMul, &[a, b])
}

fn adjoint(node: &mut Node, x: ValueId, field: usize) -> Result<ValueId> {
    let rank = node.shape(x).len();
    if !node.option(field, false)? || rank < 2 {
        return Ok(x);
    }
    let order = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    node.apply(Transpose { order }, &[x])
}
