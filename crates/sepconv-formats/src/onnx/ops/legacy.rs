//! Operators of the first operator sets, which exporters of their time wrote.

use sepconv_core::op::BinaryFunction;
use sepconv_core::{Error, Result, Tensor, ValueId};

use super::index;
use crate::dims::sizes;
use crate::lacks_input;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// `alpha · x + beta`
pub(super) fn affine(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let (alpha, beta) = (node.attributes.float_or("alpha", 1.0)?, node.attributes.float_or("beta", 0.0)?);
    let (alpha, beta) = (node.scalar(alpha)?, node.scalar(beta)?);
    let scaled = node.binary(BinaryFunction::Mul, x, alpha)?;
    node.binary(BinaryFunction::Add, scaled, beta)
}

/// `scale · x + bias`, with a bias for each channel.
pub(super) fn image_scaler(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let scale = node.attributes.float_or("scale", 1.0)?;
    let bias = node.attributes.floats("bias")?.unwrap_or_default();
    let behind = vec![1; node.rank(x).saturating_sub(2)];
    let scale = node.scalar(scale)?;
    node.check_memory(size_of_val(bias))?;
    let bias = node.constant(Tensor::f32([&[bias.len()], &behind[..]].concat(), bias)?)?;
    let scaled = node.binary(BinaryFunction::Mul, x, scale)?;
    node.binary(BinaryFunction::Add, scaled, bias)
}

/// A border of a plane is cut off: left, top, right and bottom, or left and top before a `scale` of rows and columns.
pub(super) fn crop(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let shape = node.shape(x);
    let border = sizes(node.attributes.ints("border")?.unwrap_or_default())?;
    let scale = node.attributes.ints("scale")?.map(sizes).transpose()?;
    let (&[_, _, h, w], &[left, top, right, bottom]) = (&shape[..], &border[..]) else {
        return Err(Error::mismatch("crop needs a plane and four borders").expected("[n,c,h,w] and 4 sizes", &shape));
    };
    let kept = match scale.as_deref() {
        None => {
            let left_of = |size: usize, a: usize, b: usize| size.checked_sub(a).and_then(|size| size.checked_sub(b));
            left_of(h, top, bottom).zip(left_of(w, left, right))
        }
        Some(&[rows, columns]) => Some((rows, columns)),
        Some(_) => None,
    };
    let (rows, columns) = kept.ok_or_else(|| {
        Error::mismatch("crop removes more than there is").expected(&shape, format_args!("{border:?}, {scale:?}"))
    })?;
    index::cut(node, x, &[(2, top, rows), (3, left, columns)])
}

/// The type that `to` names before operator set 6.
pub(super) fn type_number(name: &str) -> Result<i64> {
    const NAMES: [&str; 17] = [
        "UNDEFINED",
        "FLOAT",
        "UINT8",
        "INT8",
        "UINT16",
        "INT16",
        "INT32",
        "INT64",
        "STRING",
        "BOOL",
        "FLOAT16",
        "DOUBLE",
        "UINT32",
        "UINT64",
        "COMPLEX64",
        "COMPLEX128",
        "BFLOAT16",
    ];
    let number = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
    number.map(|number| number as i64).ok_or_else(|| unsupported_value("to", name, "the name of a type"))
}

/// Before operator set 6 operands 1 and 2 say how often one axis is repeated, and which.
pub(super) fn repeats(node: &Node<'_>, rank: usize) -> Result<Vec<i64>> {
    let one = |i: usize, what: &str| match node.known(i, what)?.as_deref().map(Tensor::data) {
        Some(sepconv_core::Data::F32(values)) if values.len() == 1 => Ok(values[0] as i64),
        Some(sepconv_core::Data::I64(values)) if values.len() == 1 => Ok(values[0]),
        _ => Err(lacks_input(what)),
    };
    let (times, axis) = (one(1, "tiles")?, one(2, "axis")?);
    let mut repeats = vec![1; rank];
    repeats[crate::dims::axis(axis, rank)?] = times;
    Ok(repeats)
}
