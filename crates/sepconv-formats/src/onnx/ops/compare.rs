//! Comparisons and what they decide. Booleans are integers here: 0 and 1.

use sepconv_core::op::{BinaryFunction, Cast, Pairwise, Select};
use sepconv_core::{DType, Error, Result, Tensor, ValueId};

use crate::dims;
use crate::onnx::node::Node;

/// The operands with bytes as the numbers that they are.
fn numbers(node: &mut Node<'_>) -> Result<[ValueId; 2]> {
    let mut number = |i: usize| {
        let x = node.input(i)?;
        if node.dtype(x).is_int8() { node.emit(Cast { to: DType::I64 }, &[x]) } else { Ok(x) }
    };
    Ok([number(0)?, number(1)?])
}

pub(super) fn compare(node: &mut Node<'_>, function: Pairwise) -> Result<ValueId> {
    let operands = numbers(node)?;
    node.emit(function, &operands)
}

/// A comparison of the second operand with the first.
pub(super) fn swapped(node: &mut Node<'_>, function: Pairwise) -> Result<ValueId> {
    let [a, b] = numbers(node)?;
    node.emit(function, &[b, a])
}

/// And is the smaller of two booleans, Or the greater.
pub(super) fn logical(node: &mut Node<'_>, function: BinaryFunction) -> Result<ValueId> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    node.emit(function, &[a, b])
}

pub(super) fn not(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, zero) = (node.input(0)?, node.constant(Tensor::i64([], [0])?)?);
    node.emit(Pairwise::Equal, &[x, zero])
}

/// What is unequal to itself.
pub(super) fn is_nan(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    node.emit(Pairwise::NotEqual, &[x, x])
}

/// Whether numbers are not zero.
pub(super) fn truth(node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
    let zero = match node.dtype(x) {
        DType::F32 => Tensor::f32([], [0.0])?,
        DType::I64 => Tensor::i64([], [0])?,
        DType::U8 | DType::I8 => {
            let x = node.emit(Cast { to: DType::I64 }, &[x])?;
            return truth(node, x);
        }
    };
    let zero = node.constant(zero)?;
    node.emit(Pairwise::NotEqual, &[x, zero])
}

/// The sign is that of the divisor, or with `fmod` that of the dividend.
pub(super) fn modulo(node: &mut Node<'_>) -> Result<ValueId> {
    let truncates = node.attributes.flag("fmod", false)?;
    compare(node, if truncates { Pairwise::Remainder } else { Pairwise::FloorMod })
}

pub(super) fn select(node: &mut Node<'_>) -> Result<ValueId> {
    let operands = node.all_inputs()?;
    node.emit(Select, &operands)
}

/// Operands are the condition, the results of one branch, and those of the other. Those of a branch that a known
/// condition does not take are absent; else both are computed.
pub(super) fn branch(node: &mut Node<'_>) -> Result<ValueId> {
    let count = node.output_count();
    let condition = node.input(0)?;
    if node.shape(condition).elements() != 1 {
        return Err(Error::malformed("condition must be one boolean").expected(1, node.shape(condition)));
    }
    let condition = node.reshape(condition, [])?;
    let mut results = vec![];
    for i in 1..=count {
        results.push(match [i, i + count].map(|i| node.optional(i)) {
            [Some(a), Some(b)] => {
                if node.shape(a) != node.shape(b) {
                    return Err(Error::unsupported("branches of a computed condition have results of several shapes")
                        .expected(node.shape(a), node.shape(b)));
                }
                node.emit(Select, &[condition, a, b])?
            }
            [Some(a), None] => a,
            [None, _] => node.input(i + count)?,
        });
    }
    results.drain(1.min(count)..).for_each(|result| node.add_output(result));
    results.first().copied().ok_or_else(|| Error::malformed("node has no results"))
}

/// Indices count from the end where negative; those out of range have no hot element.
pub(super) fn one_hot(node: &mut Node<'_>) -> Result<ValueId> {
    let (indices, values) = (node.input(0)?, node.input(2)?);
    let indices =
        if node.dtype(indices) == DType::I64 { indices } else { node.emit(Cast { to: DType::I64 }, &[indices])? };
    let depth = node.known(1, "depth")?.ok_or_else(|| crate::lacks_input("depth"))?;
    let depth = depth
        .as_i64()
        .and_then(|list| list.first().copied())
        .or(depth.as_f32().and_then(|list| Some(*list.first()? as i64)));
    let depth = dims::size(depth.unwrap_or(0))?;
    let shape = node.shape(indices);
    let axis = dims::axis(node.attributes.int_or("axis", -1)?, shape.len() + 1)?;
    let indices = node.reshape(indices, [&shape[..axis], &[1], &shape[axis..]].concat())?;
    node.check_memory(depth.saturating_mul(size_of::<i64>()))?;
    let mut range = vec![1; shape.len() + 1];
    range[axis] = depth;
    let range = node.constant(Tensor::i64(range, (0..depth as i64).collect::<Vec<_>>())?)?;
    let depth = node.constant(Tensor::i64([], [depth as i64])?)?;
    let zero = node.constant(Tensor::i64([], [0])?)?;
    let from_end = node.emit(BinaryFunction::Add, &[indices, depth])?;
    let is_negative = node.emit(Pairwise::Less, &[indices, zero])?;
    let indices = node.emit(Select, &[is_negative, from_end, indices])?;
    let hot = node.emit(Pairwise::Equal, &[indices, range])?;
    let off = super::index::cut(node, values, &[(0, 0, 1)])?;
    let on = super::index::cut(node, values, &[(0, 1, 1)])?;
    node.emit(Select, &[hot, on, off])
}
