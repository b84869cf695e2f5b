use super::{FusedClamps, QuantizedValue, U8Params, kernel_scale};
use crate::op::{BinaryFunction, Dequantize, QBinary, QuantParams, RequantOperand};
use crate::passes::i8_to_u8::u8_constant;
use crate::{Node, Op, Result, Rewriter, ValueId};

/// Both operands of a node in u8, constants included.
pub(super) fn operands(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<[QuantizedValue; 2]>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    let (Some(a), Some(b)) = (operand(rewriter, a)?, operand(rewriter, b)?) else { return Ok(None) };
    Ok(Some([a, b]))
}

fn operand(rewriter: &mut Rewriter<'_>, id: ValueId) -> Result<Option<QuantizedValue>> {
    let Some(Node { name, op: Op::Dequantize(Dequantize(params)), inputs, .. }) = rewriter.producer(id).cloned() else {
        return Ok(None);
    };
    let Some(constant) = rewriter.builder.constant_of(inputs[0]) else {
        return Ok(QuantizedValue::before(rewriter, id));
    };
    let (Some((constant, shift)), Some((scale, zero_point))) = (u8_constant(constant), params.as_per_tensor()) else {
        return Ok(None);
    };
    let params = QuantParams::per_tensor(constant.dtype(), scale, zero_point + shift);
    let Some(params) = U8Params::of(&params) else { return Ok(None) };
    let id = rewriter.builder.constant(&name, constant)?;
    Ok(Some(QuantizedValue { id, params }))
}

/// Sum, difference or product of two u8 values. Scales are computed in double precision and rounded once.
pub(super) fn quantized(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    function: BinaryFunction,
    [a, b]: [QuantizedValue; 2],
    params: U8Params,
    clamps: &FusedClamps,
) -> Result<Option<ValueId>> {
    let [from_a, from_b, to] = [a.params.scale, b.params.scale, params.scale].map(f64::from);
    let scales = match function {
        BinaryFunction::Mul => [kernel_scale(from_a * from_b / to), Some(1.0)],
        _ => [kernel_scale(from_a / to), kernel_scale(from_b / to)],
    };
    let [Some(scale_a), Some(scale_b)] = scales else { return Ok(None) };
    let op = QBinary {
        function,
        a: RequantOperand { zero_point: a.params.zero_point, scale: scale_a },
        b: RequantOperand { zero_point: b.params.zero_point, scale: scale_b },
        output: clamps.requantize(params),
    };
    rewriter.builder.node(&node.name, op, &[a.id, b.id]).map(Some)
}
