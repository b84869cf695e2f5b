//! What is known when the network is loaded.

use super::compare;
use sepconv_core::op::{BinaryFunction, Broadcast, Cast, Dequantize, QuantParams, Quantize, UnaryFunction};
use sepconv_core::{DType, Error, Result, Shape, Tensor, ValueId};

use super::legacy;
use crate::dims::sizes;
use crate::element::ElementType;
use crate::onnx::node::Node;
use crate::onnx::tensor::element;
use crate::range;

/// A tensor, in any of the attributes that may hold one.
pub(super) fn constant(node: &mut Node<'_>) -> Result<ValueId> {
    let attributes = &node.attributes;
    let tensor = if let Some(proto) = attributes.tensor("value")? {
        node.tensor(proto)?
    } else if let Some(value) = attributes.float("value_float")? {
        Tensor::f32([], [value])?
    } else if let Some(values) = attributes.floats("value_floats")? {
        Tensor::f32([values.len()], values)?
    } else if let Some(value) = attributes.int("value_int")? {
        Tensor::i64([], [value])?
    } else if let Some(values) = attributes.ints("value_ints")? {
        Tensor::i64([values.len()], values)?
    } else {
        return Err(Error::unsupported("constant holds no dense numbers")
            .expected("value, value_float, value_floats, value_int or value_ints", "another attribute or none"));
    };
    node.constant(tensor)
}

/// A shape filled with one value, 0 unless given.
pub(super) fn constant_of_shape(node: &mut Node<'_>) -> Result<ValueId> {
    let dims = sizes(&node.known_ints(0, "shape")?.unwrap_or_default())?;
    let value = match node.attributes.tensor("value")? {
        Some(proto) => node.tensor(proto)?,
        None => Tensor::f32([], [0.0])?,
    };
    let scalar = value.reshape(Shape::new([])?)?;
    let scalar = node.constant(scalar)?;
    node.emit(Broadcast { shape: Shape::new(dims)? }, &[scalar])
}

/// The operand's sizes from `start` to `end`, both counted from the end where negative.
pub(super) fn shape(node: &mut Node<'_>) -> Result<ValueId> {
    let shape = node.shape(node.input(0)?);
    let rank = shape.len() as i64;
    let bound = |bound: i64| (if bound < 0 { bound.saturating_add(rank) } else { bound }).clamp(0, rank) as usize;
    let start = bound(node.attributes.int_or("start", 0)?);
    let end = bound(node.attributes.int_or("end", rank)?);
    let list: Vec<i64> = shape[start..end.max(start)].iter().map(|&size| size as i64).collect();
    node.constant(Tensor::i64([list.len()], list)?)
}

/// How many elements the operand has.
pub(super) fn size(node: &mut Node<'_>) -> Result<ValueId> {
    let elements = node.shape(node.input(0)?).elements();
    node.constant(Tensor::i64([], [elements as i64])?)
}

/// Between floats nothing happens, as all of them are f32 here. What is computed can be cast between floats and bytes;
/// for other integers the operand must be known.
pub(super) fn cast(node: &mut Node<'_>) -> Result<ValueId> {
    let to = match node.opset {
        ..6 => legacy::type_number(node.attributes.string_or("to", "")?)?,
        _ => node.attributes.int("to")?.ok_or_else(|| Error::malformed("node lacks the attribute \"to\""))?,
    };
    cast_to(node, element(i32::try_from(to).unwrap_or(0))?)
}

/// Wider integer types are one here, so only a float or a byte tells what to cast to.
pub(super) fn cast_like(node: &mut Node<'_>) -> Result<ValueId> {
    match node.dtype(node.input(1)?) {
        DType::F32 => cast_to(node, ElementType::F32),
        DType::U8 => cast_to(node, ElementType::U8),
        DType::I8 => cast_to(node, ElementType::I8),
        DType::I64 => Err(Error::unsupported("CastLike to a wide integer type is not supported").help("use Cast")),
    }
}

fn cast_to(node: &mut Node<'_>, to: ElementType) -> Result<ValueId> {
    node.attributes.ignore(&["saturate", "round_mode"]);
    let x = node.input(0)?;
    match (node.dtype(x), to.dtype()) {
        (DType::F32, DType::F32) | (DType::U8, DType::U8) | (DType::I8, DType::I8) => Ok(x),
        (DType::U8 | DType::I8, DType::F32) if node.constant_of(x).is_none() => numbers(node, x),
        (DType::F32, dtype @ (DType::U8 | DType::I8)) if node.constant_of(x).is_none() => {
            let whole = truncated(node, x)?;
            bytes(node, whole, dtype)
        }
        _ if node.constant_of(x).is_some() => node.converted(x, to),
        _ if to == ElementType::Bool => compare::truth(node, x),
        (_, dtype) => node.emit(Cast { to: dtype }, &[x]),
    }
}

/// Numbers from a start to a limit, as far apart as the third says.
pub(super) fn range(node: &mut Node<'_>) -> Result<ValueId> {
    let known = |i: usize, what: &str| node.known(i, what)?.ok_or_else(|| crate::lacks_input(what));
    let parameters = [known(0, "start")?, known(1, "limit")?, known(2, "delta")?];
    let ints = parameters.iter().map(|tensor| tensor.as_i64()?.first().copied());
    let floats = parameters.iter().map(|tensor| tensor.as_f32()?.first().copied());
    if let Some(&[start, limit, delta]) = ints.collect::<Option<Vec<i64>>>().as_deref() {
        let list = range::integers(start, limit, delta)?;
        node.check_memory(list.len() * size_of::<i64>())?;
        let list: Vec<i64> = list.collect();
        return node.constant(Tensor::i64([list.len()], list)?);
    }
    if let Some(&[start, limit, delta]) = floats.collect::<Option<Vec<f32>>>().as_deref() {
        let list = range::floats(start, limit, delta)?;
        node.check_memory(list.len() * size_of::<f32>())?;
        let list: Vec<f32> = list.collect();
        return node.constant(Tensor::f32([list.len()], list)?);
    }
    Err(Error::malformed("range has operands of several types").expected("f32 or i64", parameters[0].dtype()))
}

/// The indices of elements that are not zero, an axis a row.
pub(super) fn non_zero(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.known(0, "operand of NonZero")?.ok_or_else(|| crate::lacks_input("input 0"))?;
    let (shape, strides) = (x.shape(), x.shape().strides());
    let truth = ElementType::Bool.convert(&x)?;
    let places = truth.as_i64().unwrap_or_default().iter().enumerate().filter(|&(_, &x)| x != 0).map(|(i, _)| i);
    let places: Vec<usize> = places.collect();
    node.check_memory(places.len().saturating_mul(shape.len()) * size_of::<i64>())?;
    let index = |axis: usize, place: usize| (place / strides[axis] % shape[axis]) as i64;
    let mut list = vec![];
    for axis in 0..shape.len() {
        list.extend(places.iter().map(|&place| index(axis, place)));
    }
    node.constant(Tensor::i64([shape.len(), places.len()], list)?)
}

/// Bytes as the numbers that they are.
pub(super) fn numbers(node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
    node.emit(Dequantize(QuantParams::per_tensor(node.dtype(x), 1.0, 0)), &[x])
}

/// Whole numbers as bytes; what these cannot hold becomes the nearest that they can.
pub(super) fn bytes(node: &mut Node<'_>, x: ValueId, dtype: DType) -> Result<ValueId> {
    node.emit(Quantize(QuantParams::per_tensor(dtype, 1.0, 0)), &[x])
}

/// Numbers without their fraction.
pub(super) fn truncated(node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
    let size = node.emit(UnaryFunction::Abs, &[x])?;
    let size = node.emit(UnaryFunction::Floor, &[size])?;
    let sign = node.emit(UnaryFunction::Sign, &[x])?;
    node.binary(BinaryFunction::Mul, size, sign)
}
