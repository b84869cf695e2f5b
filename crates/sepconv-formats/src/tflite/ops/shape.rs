use sepconv_core::op::{Broadcast, Concat, Gather, Pad, PadMode, Reshape, Transpose};
use sepconv_core::{Data, Error, Result, Shape, Tensor, ValueId};
use sepconv_kernels::Activation;

use super::axes;
use crate::dims::{axis, size, sizes};
use crate::tflite::node::Node;

/// Another shape for a value, where it is another.
pub(super) fn reshaped(node: &mut Node, x: ValueId, dims: Vec<usize>) -> Result<ValueId> {
    let shape = Shape::new(dims)?;
    if shape == node.shape(x) { Ok(x) } else { node.apply(Reshape { shape }, &[x]) }
}

/// The new shape is the second operand, or the option of old files; one size may be -1.
pub(super) fn reshape(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=2)?;
    let x = node.moved(0)?;
    let sizes = match node.has(1) {
        true => node.integers(1)?,
        false => node.option_list(0)?,
    };
    let wrong = || {
        Error::mismatch("reshape is not possible")
            .expected(format_args!("sizes for {}", node.shape(x)), format_args!("{sizes:?}"))
    };
    let known: Option<usize> = sizes
        .iter()
        .filter(|&&size| size != -1)
        .try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?));
    let open = sizes.iter().filter(|&&size| size == -1).count();
    let rest = match (known, open) {
        (Some(_), 0) => 0,
        (Some(known), 1) => {
            let elements = node.shape(x).elements();
            elements.checked_div(known).filter(|rest| rest * known == elements).ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let dims = sizes.iter().map(|&size| usize::try_from(size).unwrap_or(rest)).collect();
    reshaped(node, x, dims)
}

/// Drops the axes that the options name, or all of size 1.
pub(super) fn squeeze(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let x = node.moved(0)?;
    let shape = node.shape(x);
    let named = axes(&node.option_list(0)?, shape.len())?;
    if let Some(&axis) = named.iter().find(|&&axis| shape[axis] != 1) {
        return Err(Error::mismatch("only axes of size 1 can be removed")
            .expected(1, format_args!("{} (axis {axis} of {shape})", shape[axis])));
    }
    let keep = |axis: &usize| if named.is_empty() { shape[*axis] != 1 } else { !named.contains(axis) };
    let dims = (0..shape.len()).filter(keep).map(|axis| shape[axis]).collect();
    reshaped(node, x, dims)
}

pub(super) fn expand_dims(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.moved(0)?;
    let mut dims = node.shape(x).to_vec();
    let axis = axis(node.integer(1)?, dims.len() + 1)?;
    dims.insert(axis, 1);
    reshaped(node, x, dims)
}

pub(super) fn transpose(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.moved(0)?;
    let order = node.integers(1)?;
    let rank = node.shape(x).len();
    let order: Result<Vec<usize>> = order.iter().map(|&value| axis(value, rank)).collect();
    node.apply(Transpose { order: order? }, &[x])
}

pub(super) fn concatenation(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=usize::MAX)?;
    let activation = node.option_activation(1)?;
    let operands = if activation == Activation::Identity { node.all_joined()? } else { node.all()? };
    let axis = axis(node.option(0, 0i32)?.into(), node.shape(operands[0]).len())?;
    let joined = node.apply(Concat { axis }, &operands)?;
    node.activate(joined, activation)
}

/// Joins operands along a new axis.
pub(super) fn pack(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=usize::MAX)?;
    let mut operands = node.all_joined()?;
    let mut dims = node.shape(operands[0]).to_vec();
    let axis = axis(node.option(1, 0i32)?.into(), dims.len() + 1)?;
    dims.insert(axis, 1);
    for operand in &mut operands {
        *operand = reshaped(node, *operand, dims.clone())?;
    }
    node.apply(Concat { axis }, &operands)
}

/// Zeros, or the value of a third operand.
pub(super) fn pad(node: &mut Node, operands: usize) -> Result<ValueId> {
    node.expect_operands(operands..=operands)?;
    let bytes = node.alike(if operands == 3 { &[0, 2] } else { &[0] })?;
    let x = if bytes.is_some() { node.stored(0)? } else { node.operand(0)? };
    let fill = match &bytes {
        _ if operands == 3 => padding_value(node, bytes.is_some())?,
        Some(bytes) => bytes.zero_point[0] as f32,
        None => 0.0,
    };
    padded(node, x, PadMode::Constant(fill))
}

/// The one number of the third operand: as it is stored for bytes, else the real number.
fn padding_value(node: &mut Node, bytes: bool) -> Result<f32> {
    let stored = node.stored(2)?;
    let number = match node.constant_of(stored).map(Tensor::data) {
        Some(Data::F32(data)) if data.len() == 1 => data[0],
        Some(Data::I64(data)) if data.len() == 1 => data[0] as f32,
        Some(Data::U8(data)) if data.len() == 1 => data[0].into(),
        Some(Data::I8(data)) if data.len() == 1 => data[0].into(),
        _ => return Err(Error::unsupported("padding value must be one constant")),
    };
    Ok(match node.quantization(2)?.and_then(|quantization| quantization.as_per_tensor()) {
        Some((scale, zero_point)) if !bytes => (number - zero_point as f32) * scale,
        _ => number,
    })
}

pub(super) fn mirror_pad(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.moved(0)?;
    match node.option(0, 0i8)? {
        0 => padded(node, x, PadMode::Reflect),
        1 => mirrored(node, x),
        mode => Err(Error::malformed("mode of mirroring is unknown").expected("0 or 1", mode)),
    }
}

/// The operand mirrored at its borders, which are repeated.
fn mirrored(node: &mut Node, mut x: ValueId) -> Result<ValueId> {
    let (before, after) = amounts(node, x)?;
    for (axis, (before, after)) in before.into_iter().zip(after).enumerate() {
        let size = node.shape(x)[axis];
        if before.max(after) > size {
            return Err(Error::mismatch("padding is larger than the operand allows")
                .expected(format_args!("at most {size} along axis {axis}"), before.max(after)));
        }
        if before + after > 0 {
            let places = (0..before).rev().chain(0..size).chain((size - after..size).rev());
            let places: Vec<i64> = places.map(|place| place as i64).collect();
            let places = node.constant(Tensor::i64([places.len()], places)?)?;
            x = node.apply(Gather { axis }, &[x, places])?;
        }
    }
    Ok(x)
}

fn padded(node: &mut Node, x: ValueId, fill: PadMode) -> Result<ValueId> {
    let (before, after) = amounts(node, x)?;
    node.apply(Pad { before, after, mode: fill }, &[x])
}

/// What the second operand adds before and after each axis.
fn amounts(node: &mut Node, x: ValueId) -> Result<(Vec<usize>, Vec<usize>)> {
    let (amounts, rank) = (node.integers(1)?, node.shape(x).len());
    if amounts.len() != 2 * rank {
        return Err(Error::mismatch("pads do not match the axes").expected(2 * rank, amounts.len()));
    }
    let side = |side: usize| amounts.iter().skip(side).step_by(2).map(|&amount| size(amount)).collect();
    let (before, after): (Result<Vec<usize>>, Result<Vec<usize>>) = (side(0), side(1));
    Ok((before?, after?))
}

pub(super) fn broadcast_to(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.moved(0)?;
    let dims = sizes(&node.integers(1)?)?;
    node.apply(Broadcast { shape: Shape::new(dims)? }, &[x])
}

/// The shape that two shapes broadcast to.
pub(super) fn broadcast_args(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let (a, b) = (node.integers(0)?, node.integers(1)?);
    let rank = a.len().max(b.len());
    let aligned = |dims: &[i64]| [&vec![1; rank - dims.len()], dims].concat();
    let sizes = aligned(&a).into_iter().zip(aligned(&b)).map(|sizes| match sizes {
        (1, size) | (size, 1) => Ok(size),
        (size, other) if size == other => Ok(size),
        _ => Err(Error::mismatch("shapes do not broadcast").expected(format_args!("{a:?}"), format_args!("{b:?}"))),
    });
    let sizes: Vec<i64> = sizes.collect::<Result<_>>()?;
    node.constant(Tensor::i64([rank], sizes)?)
}

/// Shapes are known while importing.
pub(super) fn shape(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let x = node.stored(0)?;
    let sizes: Vec<i64> = node.shape(x).iter().map(|&size| size as i64).collect();
    node.constant(Tensor::i64([sizes.len()], sizes)?)
}

pub(super) fn gather(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let (x, indices) = (node.moved(0)?, node.stored(1)?);
    let batch = node.option(1, 0i32)?;
    if batch != 0 {
        return Err(Error::unsupported("gathering by batch is not supported").expected("batch_dims 0", batch));
    }
    let axis = axis(node.option(0, 0i32)?.into(), node.shape(x).len())?;
    node.apply(Gather { axis }, &[x, indices])
}
