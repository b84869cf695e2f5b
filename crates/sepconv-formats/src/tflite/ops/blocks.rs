use sepconv_core::op::{Conv2d, Pad, PadMode, Slice, Transpose};
use sepconv_core::{Error, Op, Result, ValueId};

use super::shape::reshaped;
use crate::dims::{size, sizes};
use crate::tflite::node::Node;

/// Channels become `block`×`block` pixels; the block's place is the slower part of the channel.
pub(super) fn depth_to_space(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let x = node.moved(0)?;
    let ([n, h, w, c], block) = (node.plane(x)?, block(node)?);
    let depth = block.checked_mul(block).filter(|area| c.is_multiple_of(*area)).map(|area| c / area);
    let depth = depth
        .ok_or_else(|| Error::mismatch("blocks do not divide the channels").expected("a multiple of block_size²", c))?;
    let apart = reshaped(node, x, vec![n, h, w, block, block, depth])?;
    let moved = node.apply(Transpose { order: vec![0, 1, 3, 2, 4, 5] }, &[apart])?;
    reshaped(node, moved, vec![n, h.saturating_mul(block), w.saturating_mul(block), depth])
}

/// `block`×`block` pixels become channels, the block's place being the slower part.
pub(super) fn space_to_depth(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let x = node.moved(0)?;
    let ([n, h, w, c], block) = (node.plane(x)?, block(node)?);
    if !h.is_multiple_of(block) || !w.is_multiple_of(block) {
        return Err(not_divided(format_args!("a multiple of {block}x{block}"), format_args!("{h}x{w}")));
    }
    let apart = reshaped(node, x, vec![n, h / block, block, w / block, block, c])?;
    let moved = node.apply(Transpose { order: vec![0, 1, 3, 2, 4, 5] }, &[apart])?;
    reshaped(node, moved, vec![n, h / block, w / block, block.saturating_mul(block).saturating_mul(c)])
}

fn block(node: &Node) -> Result<usize> {
    let block = node.option_size(0, 0)?;
    if block > 0 { Ok(block) } else { Err(Error::malformed("block is empty").expected("a size from 1", block)) }
}

fn not_divided(expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
    Error::mismatch("blocks do not divide the plane").expected(expected, got)
}

/// What SPACE_TO_BATCH_ND made: pixels of one image in the images of a larger batch.
#[derive(Clone)]
pub(in crate::tflite) struct BatchedBlocks {
    /// What it was before.
    x: ValueId,
    blocks: Vec<usize>,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Pixels go in turn to the images of a batch that is larger by the blocks' area. Blocks are of as many axes as there
/// are numbers of operand 1, from axis 1 on.
pub(super) fn space_to_batch(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let x = node.moved(0)?;
    let (blocks, before, after) = parameters(node, x)?;
    let (rank, axes) = (node.shape(x).len(), blocks.len());
    let around = |amounts: &[usize]| [&[0], amounts, &vec![0; rank - 1 - axes]].concat();
    let zero = node.quantization(0)?.filter(|params| node.importer.builder.value(x).dtype == params.dtype);
    let fill = zero.map_or(0.0, |params| params.zero_point[0] as f32);
    let pad = Pad { before: around(&before), after: around(&after), mode: PadMode::Constant(fill) };
    let padded = node.apply(pad, &[x])?;
    let shape = node.shape(padded);
    if let Some(axis) = (0..axes).find(|&axis| !shape[axis + 1].is_multiple_of(blocks[axis])) {
        return Err(not_divided(format_args!("a multiple of {} along axis {}", blocks[axis], axis + 1), &shape));
    }
    let (mut apart, mut dims, mut images) = (vec![shape[0]], vec![], shape[0]);
    for (axis, &block) in blocks.iter().enumerate() {
        apart.extend([shape[axis + 1] / block, block]);
        dims.push(shape[axis + 1] / block);
        images = images.saturating_mul(block);
    }
    apart.extend(&shape[axes + 1..]);
    dims.extend(&shape[axes + 1..]);
    let places = (0..axes).map(|axis| 2 * axis + 2);
    let pixels = (0..axes).map(|axis| 2 * axis + 1);
    let order = places.chain([0]).chain(pixels).chain(2 * axes + 1..apart.len()).collect();
    let apart = reshaped(node, padded, apart)?;
    let moved = node.apply(Transpose { order }, &[apart])?;
    dims.insert(0, images);
    let y = reshaped(node, moved, dims)?;
    node.importer.batched.insert(y, BatchedBlocks { x, blocks, before, after });
    Ok(y)
}

/// The inverse of [`space_to_batch`]; pixels at the borders are then cut off. A convolution between the two is a dilated
/// one.
pub(super) fn batch_to_space(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let x = node.moved(0)?;
    let (blocks, before, after) = parameters(node, x)?;
    if let Some(dilated) = dilated(node, x, &blocks, &before, &after)? {
        return Ok(dilated);
    }
    let (shape, axes) = (node.shape(x), blocks.len());
    let area = blocks.iter().fold(1usize, |area, &block| area.saturating_mul(block));
    if !shape[0].is_multiple_of(area) {
        return Err(Error::mismatch("blocks do not divide the batch").expected(area, shape[0]));
    }
    let apart = [&blocks[..], &[shape[0] / area], &shape[1..]].concat();
    let pairs = (0..axes).flat_map(|axis| [axes + 1 + axis, axis]);
    let order = [axes].into_iter().chain(pairs).chain(2 * axes + 1..apart.len()).collect();
    let apart = reshaped(node, x, apart)?;
    let moved = node.apply(Transpose { order }, &[apart])?;
    let mut dims = shape.to_vec();
    dims[0] /= area;
    blocks.iter().zip(&mut dims[1..]).for_each(|(&block, size)| *size = size.saturating_mul(block));
    let whole = reshaped(node, moved, dims.clone())?;
    let mut starts = vec![0; dims.len()];
    for axis in 0..axes {
        let (start, size) = (before[axis], &mut dims[axis + 1]);
        let left = size.checked_sub(start).and_then(|size| size.checked_sub(after[axis]));
        *size = left.ok_or_else(|| {
            Error::mismatch("crops are larger than the plane").expected(*size, format_args!("{before:?}, {after:?}"))
        })?;
        starts[axis + 1] = start;
    }
    node.apply(Slice { steps: vec![1; dims.len()], starts, sizes: dims }, &[whole])
}

/// Blocks, and what is added or cut off before and after, for each axis from 1 on.
fn parameters(node: &mut Node, x: ValueId) -> Result<(Vec<usize>, Vec<usize>, Vec<usize>)> {
    let (blocks, amounts) = (sizes(&node.integers(1)?)?, node.integers(2)?);
    let rank = node.shape(x).len();
    if blocks.len() + 1 > rank || amounts.len() != 2 * blocks.len() || blocks.contains(&0) {
        return Err(Error::malformed("blocks do not fit the operand").expected(
            format_args!("at most {} sizes from 1, and two numbers for each", rank.saturating_sub(1)),
            format_args!("{blocks:?} and {amounts:?}"),
        ));
    }
    let side = |side: usize| amounts.iter().skip(side).step_by(2).map(|&amount| size(amount)).collect();
    let (before, after): (Result<Vec<usize>>, Result<Vec<usize>>) = (side(0), side(1));
    Ok((blocks, before?, after?))
}

/// Operators between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: a convolution, and what surrounds it.
const BETWEEN: usize = 8;

/// `x` brought back to one image, where it is one convolution of what SPACE_TO_BATCH_ND made, and functions of single
/// elements: the same as the dilated convolution of what they were before.
fn dilated(
    node: &mut Node,
    x: ValueId,
    blocks: &[usize],
    before: &[usize],
    after: &[usize],
) -> Result<Option<ValueId>> {
    let (mut path, mut value) = (vec![], x);
    let batched = loop {
        if let Some(batched) = node.importer.batched.get(&value) {
            break batched.clone();
        }
        let Some(producer) = node.importer.builder.producer(value).filter(|_| path.len() < BETWEEN) else {
            return Ok(None);
        };
        value = producer.inputs[0];
        path.push(producer.clone());
    };
    let less = |pads: &[usize], crops: &[usize]| -> Option<[usize; 2]> {
        let left: Option<Vec<usize>> = pads.iter().zip(crops).map(|(pad, crop)| pad.checked_sub(*crop)).collect();
        left?.try_into().ok()
    };
    let (Some(before), Some(after)) = (less(&batched.before, before), less(&batched.after, after)) else {
        return Ok(None);
    };
    let is_plain = |conv: &Conv2d| {
        let window = conv.window;
        (window.stride, window.dilation, window.before, window.after) == ([1; 2], [1; 2], [0; 2], [0; 2])
    };
    let convolutions = path.iter().filter(|node| matches!(&node.op, Op::Conv2d(conv) if is_plain(conv))).count();
    let keeps_pixels = |op: &Op| matches!(op, Op::Conv2d(_) | Op::Unary(_) | Op::Quantize(_) | Op::Dequantize(_));
    if convolutions != 1 || *batched.blocks != *blocks || !path.iter().all(|node| keeps_pixels(&node.op)) {
        return Ok(None);
    }
    let mut value = batched.x;
    for mut step in path.into_iter().rev() {
        if let Op::Conv2d(conv) = &mut step.op {
            let dilation = [blocks[0], blocks[1]];
            (conv.window.dilation, conv.window.before, conv.window.after) = (dilation, before, after);
        }
        step.inputs[0] = value;
        value = node.apply(step.op, &step.inputs)?;
    }
    Ok(Some(value))
}
