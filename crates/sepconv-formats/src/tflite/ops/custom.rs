//! Operators that MediaPipe adds. Their options are a C structure of 32-bit fields.

use sepconv_core::op::{BinaryFunction, Reduce, Slice, Transpose, UnaryFunction};
use sepconv_core::{Error, Result, Tensor, ValueId};
use sepconv_kernels::Activation;
use sepconv_kernels::reduce::Reduction;

use super::conv::transposed;
use super::shape::reshaped;
use crate::padding::Padding;
use crate::tflite::node::Node;

/// The result is as large as its padding and stride let it be.
pub(super) fn conv_transpose_bias(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let (x, weights, bias) = (node.operand(0)?, node.operand(1)?, node.operand(2)?);
    let ([_, h, w, _], [_, kh, kw, _]) = (node.plane(x)?, node.plane(weights)?);
    let (padding, stride) = (padding(node)?, [size(node, 2)?, size(node, 1)?]);
    let full = |input: usize, stride: usize, kernel: usize| {
        let extra = if padding == Padding::Explicit { kernel.saturating_sub(stride) } else { 0 };
        input.saturating_mul(stride).saturating_add(extra)
    };
    let plane = [full(h, stride[0], kh), full(w, stride[1], kw)];
    transposed(node, [x, weights, bias], padding, stride, plane, Activation::Identity)
}

/// The largest of each block of pixels, and which of them it is.
pub(super) fn max_pool_argmax(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(1..=1)?;
    let x = node.operand(0)?;
    let ([n, h, w, c], [kh, kw]) = (node.plane(x)?, block(node)?);
    if !h.is_multiple_of(kh) || !w.is_multiple_of(kw) {
        return Err(Error::unsupported("pooling with arguments needs whole blocks")
            .expected(format_args!("a multiple of {kh}x{kw}"), format_args!("{h}x{w}")));
    }
    let apart = reshaped(node, x, vec![n, h / kh, kh, w / kw, kw, c])?;
    let blocks = node.apply(Transpose { order: vec![0, 1, 3, 2, 4, 5] }, &[apart])?;
    let blocks = reshaped(node, blocks, vec![n, h / kh, w / kw, kh * kw, c])?;
    let largest = node.apply(Reduce { reduction: Reduction::Max, axes: vec![3], keep_dims: true }, &[blocks])?;
    let place = first_place(node, blocks, largest, kh * kw)?;
    let dims = vec![n, h / kh, w / kw, c];
    Ok(vec![reshaped(node, largest, dims.clone())?, reshaped(node, place, dims)?])
}

/// The index along axis 3 of the first element that equals `largest`, as the [bits](BIT) of an integer.
fn first_place(node: &mut Node, blocks: ValueId, largest: ValueId, count: usize) -> Result<ValueId> {
    let below = node.apply(BinaryFunction::Sub, &[blocks, largest])?;
    // 0 for the largest, -1 for all others.
    let other = node.apply(UnaryFunction::Sign, &[below])?;
    let mut place = node.constant(Tensor::f32([], [(count - 1) as f32])?)?;
    // From the last on: i where element i is the largest, else what was found behind it.
    for i in (0..count - 1).rev() {
        let mut sizes = node.shape(other).to_vec();
        let mut starts = vec![0; sizes.len()];
        (starts[3], sizes[3]) = (i, 1);
        let other = node.apply(Slice { steps: vec![1; sizes.len()], starts, sizes }, &[other])?;
        let i = node.constant(Tensor::f32([], [i as f32])?)?;
        let further = node.apply(BinaryFunction::Sub, &[i, place])?;
        let step = node.apply(BinaryFunction::Mul, &[other, further])?;
        place = node.apply(BinaryFunction::Add, &[step, i])?;
    }
    scaled(node, place, &[BIT])
}

/// Indices are integers in tensors that are declared as floats: as such they are multiples of the smallest float.
const BIT: f32 = f32::from_bits(1);

/// Its inverse, 2¹⁴⁹, which is too large for a float, as a product.
const FROM_BIT: [f32; 2] = [f32::from_bits((127 + 100) << 23), f32::from_bits((127 + 49) << 23)];

fn scaled(node: &mut Node, mut x: ValueId, factors: &[f32]) -> Result<ValueId> {
    for &factor in factors {
        let factor = node.constant(Tensor::f32([], [factor])?)?;
        x = node.apply(BinaryFunction::Mul, &[x, factor])?;
    }
    Ok(x)
}

/// Each element goes to one pixel of a block, the others of which are zero.
pub(super) fn max_unpool(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let (x, place) = (node.operand(0)?, node.operand(1)?);
    let ([n, h, w, c], [kh, kw]) = (node.plane(x)?, block(node)?);
    let place = scaled(node, place, &FROM_BIT)?;
    let [x, place] = [x, place].map(|value| reshaped(node, value, vec![n, h, w, 1, c]));
    let pixels: Vec<f32> = (0..kh * kw).map(|i| i as f32).collect();
    let pixels = node.constant(Tensor::f32([kh * kw, 1], pixels)?)?;
    // 1 where the distance is 0, nothing from 1 on.
    let apart = node.apply(BinaryFunction::Sub, &[place?, pixels])?;
    let distance = node.apply(UnaryFunction::Abs, &[apart])?;
    let one = node.constant(Tensor::f32([], [1.0])?)?;
    let near = node.apply(BinaryFunction::Sub, &[one, distance])?;
    let is_here = node.apply(Activation::Relu, &[near])?;
    let blocks = node.apply(BinaryFunction::Mul, &[x?, is_here])?;
    let blocks = reshaped(node, blocks, vec![n, h, w, kh, kw, c])?;
    let moved = node.apply(Transpose { order: vec![0, 1, 3, 2, 4, 5] }, &[blocks])?;
    reshaped(node, moved, vec![n, h.saturating_mul(kh), w.saturating_mul(kw), c])
}

/// Pixels that a block may have: there is an operator for each.
const LARGEST_BLOCK: usize = 16;

/// The size of the windows, which must not overlap.
fn block(node: &Node) -> Result<[usize; 2]> {
    let (stride, window) = ([size(node, 2)?, size(node, 1)?], [size(node, 4)?, size(node, 3)?]);
    let area = window[0].saturating_mul(window[1]);
    if stride == window && (1..=LARGEST_BLOCK).contains(&area) {
        return Ok(window);
    }
    Err(Error::unsupported("pooling with arguments needs blocks side by side").expected(
        format_args!("up to {LARGEST_BLOCK} pixels and equal strides"),
        format_args!("{window:?}, strides {stride:?}"),
    ))
}

fn padding(node: &Node) -> Result<Padding> {
    match size(node, 0)? {
        1 => Ok(Padding::SameUpper),
        2 => Ok(Padding::Explicit),
        other => Err(Error::malformed("padding is neither SAME nor VALID").expected("1 or 2", other)),
    }
}

/// A field of the options.
fn size(node: &Node, field: usize) -> Result<usize> {
    let word = node.custom_options.chunks_exact(4).nth(field);
    let number = word.map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let size = number.and_then(|number| usize::try_from(number).ok());
    size.ok_or_else(|| {
        Error::malformed("options of a custom operator are incomplete")
            .expected(format_args!("a size at byte {}", 4 * field), format_args!("{number:?}"))
    })
}
