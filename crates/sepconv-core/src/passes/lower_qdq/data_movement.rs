use alloc::vec;
use alloc::vec::Vec;

use super::{QuantizedValue, U8Params, quantized};
use crate::op::{Dequantize, Gather, Pool, Quantize, Reshape, Resize, ResizeMode};
use crate::{DType, Node, Op, Result, Rewriter, Tensor, ValueId};

/// How many of a node's operands are moved; the indices of a gather are not.
fn moved_operands(node: &Node) -> &[ValueId] {
    let count = node.op.as_data_movement().map_or(1, |op| op.copied_operands(node.inputs.len()));
    &node.inputs[..count]
}

/// `move(Dequantize(x), …)` is `Dequantize(move(x, …))`: integers are moved, until an operator needs them.
pub(super) fn dequantize_after(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<ValueId>> {
    let operands = moved_operands(node).iter().map(|&id| QuantizedValue::before(rewriter, id));
    let Some(operands) = operands.collect::<Option<Vec<QuantizedValue>>>() else { return Ok(None) };
    let Some(&QuantizedValue { id, params }) = operands.first() else { return Ok(None) };
    if operands.iter().any(|operand| operand.params != params) || may_be_empty(&node.op) {
        return Ok(None);
    }
    let exactly = |fill: f32| {
        let integer = params.quantize(fill);
        let represents = (i32::from(integer) - i32::from(params.zero_point)) as f32 * params.scale;
        (represents == fill).then_some(integer.into())
    };
    let result = match (&node.op, node.op.operator().recoded(&exactly)) {
        (_, Some(op)) => {
            let ids = operands.iter().map(|operand| operand.id);
            let ids: Vec<ValueId> = ids.chain(node.inputs[operands.len()..].iter().copied()).collect();
            add(rewriter, &node.name, op, &ids)?
        }
        (Op::Resize(resize), None) => match nearest(rewriter, node, resize, id)? {
            Some(result) => result,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    // Indices stand for themselves.
    if rewriter.builder.value(result).dtype == DType::I64 {
        return Ok(Some(result));
    }
    rewriter.builder.node(&node.name, Dequantize(params.quant_params()), &[result]).map(Some)
}

/// Whether all taps of a window may lie in the padding, where real numbers have minus infinity and integers have not.
fn may_be_empty(op: &Op) -> bool {
    let Op::Pool(Pool { window, .. }) = op else { return false };
    window.dilation != [1; 2] && [window.before, window.after] != [[0; 2]; 2]
}

/// A resize to the nearest sample selects rows and columns, first those that leave less.
fn nearest(rewriter: &mut Rewriter<'_>, node: &Node, resize: &Resize, x: ValueId) -> Result<Option<ValueId>> {
    if !resize.maps.iter().all(|map| matches!(map.mode, ResizeMode::Nearest(_))) {
        return Ok(None);
    }
    let shape = rewriter.builder.shape(x);
    let taps = resize.taps_of(shape);
    let [rows, columns] = [1, 2].map(|axis| (axis, resize.size[axis - 1] * shape[3 - axis]));
    let mut axes = [rows, columns];
    axes.sort_by_key(|&(_, left)| left);
    let mut result = x;
    for (axis, _) in axes {
        let indices: Vec<i64> = taps[axis - 1].iter().map(|taps| taps.first as i64).collect();
        let indices = rewriter.builder.constant(&node.name, Tensor::i64([indices.len()], indices)?)?;
        result = rewriter.builder.node(&node.name, Gather { axis }, &[result, indices])?;
    }
    Ok(Some(result))
}

/// `Quantize(move(x, …))` is `move(Quantize(x), …)`: used where the int8 form of an operand is known.
pub(super) fn quantize_before(
    rewriter: &mut Rewriter<'_>,
    x: ValueId,
    params: U8Params,
    depth: usize,
) -> Result<Option<ValueId>> {
    let Some(node) = rewriter.sole_producer(x).cloned().filter(|_| depth > 0) else { return Ok(None) };
    let Some(op) = node.op.operator().recoded(&|fill| Some(params.quantize(fill).into())) else { return Ok(None) };
    let mut found = vec![];
    for &id in moved_operands(&node) {
        found.push(quantized(rewriter, &node.name, id, params, depth - 1)?);
    }
    if found.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut inputs = node.inputs.clone();
    for (input, found) in inputs.iter_mut().zip(found) {
        *input = match found {
            Some(found) => found,
            None => rewriter.builder.node(&node.name, Quantize(params.quant_params()), &[*input])?,
        };
    }
    add(rewriter, &node.name, op, &inputs).map(Some)
}

fn add(rewriter: &mut Rewriter<'_>, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
    match op {
        Op::Reshape(Reshape { shape }) => rewriter.reshape(name, inputs[0], shape),
        op => rewriter.builder.node(name, op, inputs),
    }
}
