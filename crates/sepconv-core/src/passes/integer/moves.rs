use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::{
    pool::PoolKind,
    resize::{Mode, Taps},
};

use super::{Coded, Coding, bytes};
use crate::passes::rewrite::Rewriter;
use crate::{
    Node, Op, Result, Tensor, ValueId,
    op::{Fill, Pool, Resize},
};

/// The operator on other elements that stand for the same ones in the same order, where it only moves elements or takes the greatest;
/// `translate` says what padding becomes.
pub(super) fn moved(op: &Op, translate: impl FnOnce(f32) -> Option<f32>) -> Option<Op> {
    match op {
        Op::Pad { before, after, fill: Fill::Constant(fill) } => {
            let fill = Fill::Constant(translate(*fill)?);
            Some(Op::Pad { before: before.clone(), after: after.clone(), fill })
        }
        Op::Pool(Pool { kind: PoolKind::Max, .. })
        | Op::Reshape { .. }
        | Op::Transpose { .. }
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Gather { .. }
        | Op::Broadcast { .. } => Some(op.clone()),
        _ => None,
    }
}

/// Operands that are moved; the indices of a gather are not.
fn data(node: &Node) -> &[ValueId] {
    if matches!(node.op, Op::Gather { .. }) { &node.inputs[..1] } else { &node.inputs }
}

/// `move(Dequantize(x), …)` is `Dequantize(move(x, …))`: bytes are moved, and meet what wants them.
pub(super) fn dequantize_after(rewriter: &mut Rewriter, node: &Node) -> Result<Option<ValueId>> {
    let operands: Option<Vec<Coded>> = data(node).iter().map(|&id| Coded::behind(rewriter, id)).collect();
    let Some(operands) = operands else { return Ok(None) };
    let Some(&Coded { id, coding }) = operands.first() else { return Ok(None) };
    if operands.iter().any(|operand| operand.coding != coding) || may_be_empty(&node.op) {
        return Ok(None);
    }
    let exactly = |fill: f32| {
        let byte = coding.byte(fill);
        let stands_for = (i32::from(byte) - i32::from(coding.zero_point)) as f32 * coding.scale;
        (stands_for == fill).then_some(byte.into())
    };
    let result = match (&node.op, moved(&node.op, exactly)) {
        (_, Some(op)) => {
            let ids = operands.iter().map(|operand| operand.id);
            let ids: Vec<ValueId> = ids.chain(node.inputs[operands.len()..].iter().copied()).collect();
            on_bytes(rewriter, &node.name, op, &ids)?
        }
        (Op::Resize(resize), None) => match nearest(rewriter, node, resize, id)? {
            Some(result) => result,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    rewriter.builder.node(&node.name, Op::Dequantize(coding.quantization()), &[result]).map(Some)
}

/// Whether all taps of a window may lie in the padding, where real numbers have minus infinity and bytes have not.
fn may_be_empty(op: &Op) -> bool {
    let Op::Pool(Pool { window, .. }) = op else { return false };
    window.dilation != [1; 2] && [window.before, window.after] != [[0; 2]; 2]
}

/// A resize to the nearest sample picks rows and columns, first those that leave less.
fn nearest(rewriter: &mut Rewriter, node: &Node, resize: &Resize, x: ValueId) -> Result<Option<ValueId>> {
    if !resize.maps.iter().all(|map| matches!(map.mode, Mode::Nearest(_))) {
        return Ok(None);
    }
    let shape = rewriter.builder.shape(x);
    let taps = resize.taps(shape);
    let [rows, columns] = [1, 2].map(|axis| (axis, resize.plane[axis - 1] * shape[3 - axis]));
    let mut axes = [rows, columns];
    axes.sort_by_key(|&(_, left)| left);
    let mut result = x;
    for (axis, _) in axes {
        let taps = &taps[axis - 1];
        let indices: Vec<i64> = taps.iter().map(|&Taps { first, .. }| first as i64).collect();
        let indices = rewriter.builder.constant(&node.name, Tensor::i64([indices.len()], indices)?)?;
        result = rewriter.builder.node(&node.name, Op::Gather { axis }, &[result, indices])?;
    }
    Ok(Some(result))
}

/// `Quantize(move(x, …))` is `move(Quantize(x), …)`: worth it where one of these is known in bytes.
pub(super) fn quantize_before(
    rewriter: &mut Rewriter,
    x: ValueId,
    coding: Coding,
    fuel: usize,
) -> Result<Option<ValueId>> {
    let Some(node) = rewriter.sole_producer(x).cloned().filter(|_| fuel > 0) else { return Ok(None) };
    let Some(op) = moved(&node.op, |fill| Some(coding.byte(fill).into())) else { return Ok(None) };
    let mut made = vec![];
    for &id in data(&node) {
        made.push(bytes(rewriter, &node.name, id, coding, fuel - 1)?);
    }
    if made.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut inputs = node.inputs.clone();
    for (input, made) in inputs.iter_mut().zip(made) {
        *input = match made {
            Some(made) => made,
            None => rewriter.builder.node(&node.name, Op::Quantize(coding.quantization()), &[*input])?,
        };
    }
    on_bytes(rewriter, &node.name, op, &inputs).map(Some)
}

fn on_bytes(rewriter: &mut Rewriter, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
    match op {
        Op::Reshape { shape } => rewriter.reshape(name, inputs[0], shape),
        op => rewriter.builder.node(name, op, inputs),
    }
}
