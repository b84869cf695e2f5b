//! What is known when the network is loaded.

use sepconv_core::{DType, Data, Error, Op, Result, Shape, Tensor, ValueId};

use crate::dims::sizes;
use crate::element::Element;
use crate::lacks_input;
use crate::onnx::node::Node;
use crate::onnx::tensor::element;

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
    node.emit(Op::Broadcast { shape: Shape::new(dims)? }, &[scalar])
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

/// Between floats nothing happens, as all of them are f32 here. Between floats and integers the operand must be known.
pub(super) fn cast(node: &mut Node<'_>) -> Result<ValueId> {
    let to = node.attributes.int("to")?.ok_or_else(|| Error::malformed("node lacks the attribute \"to\""))?;
    let to = element(i32::try_from(to).unwrap_or(0))?;
    node.attributes.ignore(&["saturate", "round_mode"]);
    let x = node.input(0)?;
    if node.dtype(x) == DType::F32 && to.dtype() == DType::F32 {
        return Ok(x);
    }
    let tensor = node.known(0, "operand of a cast from or to integers")?.ok_or_else(|| lacks_input("input 0"))?;
    let cast = match (tensor.data(), to.dtype()) {
        (_, DType::F32) => to_f32(&tensor)?,
        (Data::I64(values), _) => Tensor::i64(tensor.shape().to_vec(), wrap(to, values.iter().copied()))?,
        (Data::U8(_) | Data::I8(_), _) => return Err(Error::unsupported("bytes can be cast to floats only")),
        (Data::F32(values), _) => Tensor::i64(tensor.shape().to_vec(), truncate(to, values))?,
    };
    node.constant(cast)
}

/// Integer types are one here, so only a float tells what to cast to.
pub(super) fn cast_like(node: &mut Node<'_>) -> Result<ValueId> {
    node.attributes.ignore(&["saturate", "round_mode"]);
    let (x, like) = (node.input(0)?, node.input(1)?);
    match (node.dtype(x), node.dtype(like)) {
        (DType::F32, DType::F32) => Ok(x),
        (DType::I64, DType::F32) => {
            let tensor = node.known(0, "operand of a cast to floats")?.ok_or_else(|| lacks_input("input 0"))?;
            node.constant(to_f32(&tensor)?)
        }
        _ => Err(Error::unsupported("CastLike to an integer type is not supported").help("use Cast")),
    }
}

/// The same numbers as floats.
pub(super) fn to_f32(tensor: &Tensor) -> Result<Tensor> {
    let values = match tensor.data() {
        Data::F32(values) => values.clone(),
        Data::I64(values) => values.iter().map(|&x| x as f32).collect(),
        Data::U8(values) => values.iter().map(|&x| x.into()).collect(),
        Data::I8(values) => values.iter().map(|&x| x.into()).collect(),
    };
    Tensor::f32(tensor.shape().to_vec(), values)
}

fn truncate(to: Element, values: &[f32]) -> Vec<i64> {
    match to {
        Element::Bool => values.iter().map(|&x| i64::from(x != 0.0)).collect(),
        _ => wrap(to, values.iter().map(|&x| x as i64)),
    }
}

fn wrap(to: Element, values: impl Iterator<Item = i64>) -> Vec<i64> {
    values.map(|x| to.wrap(x)).collect()
}
