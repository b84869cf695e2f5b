//! Comparisons and what they decide. Booleans are integers here: 0 and 1.

use sepconv_core::op::{BinaryFunction, Cast, Dequantize, Pairwise, QuantParams, Select};
use sepconv_core::{DType, Result, Tensor, ValueId};

use super::shape::reshaped;
use crate::element::ElementType;
use crate::tflite::node::Node;

pub(super) fn pairwise(node: &mut Node, function: Pairwise) -> Result<ValueId> {
    let operands: [ValueId; 2] = node.operands()?;
    node.apply(function, &operands)
}

/// A comparison of the second operand with the first.
pub(super) fn swapped(node: &mut Node, function: Pairwise) -> Result<ValueId> {
    let [a, b] = node.operands()?;
    node.apply(function, &[b, a])
}

/// And is the smaller of two booleans, Or the greater.
pub(super) fn logical(node: &mut Node, function: BinaryFunction) -> Result<ValueId> {
    let operands: [ValueId; 2] = node.operands()?;
    node.apply(function, &operands)
}

pub(super) fn not(node: &mut Node) -> Result<ValueId> {
    let [x] = node.operands()?;
    let zero = node.constant(Tensor::i64([], [0])?)?;
    node.apply(Pairwise::Equal, &[x, zero])
}

/// A condition of one axis selects whole slices.
pub(super) fn select(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let mut condition = node.stored(0)?;
    let moves = node.alike(&[1, 2])?.is_some();
    let mut operand = |i: usize| if moves { node.stored(i) } else { node.operand(i) };
    let (a, b) = (operand(1)?, operand(2)?);
    let (shape, rank) = (node.shape(condition), node.shape(a).len());
    if shape.len() == 1 && rank > 1 && shape[0] == node.shape(a)[0] && node.shape(a) == node.shape(b) {
        let mut dims = vec![1; rank];
        dims[0] = shape[0];
        condition = reshaped(node, condition, dims)?;
    }
    node.apply(Select, &[condition, a, b])
}

/// As [`select`], broadcast as in NumPy.
pub(super) fn select_v2(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let moves = node.alike(&[1, 2])?.is_some();
    let mut operand = |i: usize| if moves { node.stored(i) } else { node.operand(i) };
    let (condition, a, b) = (operand(0)?, operand(1)?, operand(2)?);
    node.apply(Select, &[condition, a, b])
}

/// Bytes are the numbers that they are, whatever they stand for.
pub(super) fn cast(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let x = node.stored(0)?;
    let element = node.result_element(0)?;
    let from = node.dtype(x);
    if element == ElementType::Bool {
        let x = if from.is_int8() { node.apply(Cast { to: DType::I64 }, &[x])? } else { x };
        let zero = if from == DType::F32 { Tensor::f32([], [0.0])? } else { Tensor::i64([], [0])? };
        let zero = node.constant(zero)?;
        return node.apply(Pairwise::NotEqual, &[x, zero]);
    }
    match (from, element.dtype()) {
        (DType::U8 | DType::I8, DType::F32) => node.apply(Dequantize(QuantParams::per_tensor(from, 1.0, 0)), &[x]),
        (from, to) if from == to => Ok(x),
        (_, to) => node.apply(Cast { to }, &[x]),
    }
}

/// A shape filled with one value.
pub(super) fn fill(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let dims = crate::dims::sizes(&node.integers(0)?)?;
    let value = node.moved(1)?;
    let value = reshaped(node, value, vec![])?;
    node.apply(sepconv_core::op::Broadcast { shape: sepconv_core::Shape::new(dims)? }, &[value])
}

/// Integers from a start to a limit, as far apart as the third operand says.
pub(super) fn range(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let (start, limit, delta) = (node.integer(0)?, node.integer(1)?, node.integer(2)?);
    let range = crate::range::integers(start, limit, delta)?;
    node.importer.builder.check_memory(range.len() * size_of::<i64>())?;
    let list: Vec<i64> = range.collect();
    node.constant(Tensor::i64([list.len()], list)?)
}
