use sepconv_kernels::{Term, elementwise::Binary};

use super::unsigned::unsigned_constant;
use super::{Clips, Coded, Coding, scale};
use crate::passes::rewrite::Rewriter;
use crate::{
    Node, Op, Result, ValueId,
    op::{QBinary, Quantization},
};

/// Both operands of a node as bytes, constants included.
pub(super) fn operands(rewriter: &mut Rewriter, node: &Node) -> Result<Option<[Coded; 2]>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    let (Some(a), Some(b)) = (operand(rewriter, a)?, operand(rewriter, b)?) else { return Ok(None) };
    Ok(Some([a, b]))
}

fn operand(rewriter: &mut Rewriter, id: ValueId) -> Result<Option<Coded>> {
    let Some(Node { name, op: Op::Dequantize(quantization), inputs, .. }) = rewriter.producer(id).cloned() else {
        return Ok(None);
    };
    let Some(constant) = rewriter.builder.constant_of(inputs[0]) else { return Ok(Coded::behind(rewriter, id)) };
    let (Some((bytes, raise)), Some((scale, zero_point))) = (unsigned_constant(constant), quantization.whole()) else {
        return Ok(None);
    };
    let Some(coding) = Coding::of(&Quantization::per_tensor(bytes.dtype(), scale, zero_point + raise)) else {
        return Ok(None);
    };
    let id = rewriter.builder.constant(&name, bytes)?;
    Ok(Some(Coded { id, coding }))
}

/// Sum, difference or product of two values of bytes. Scales are computed in double precision and rounded once.
pub(super) fn bytes(
    rewriter: &mut Rewriter,
    node: &Node,
    function: Binary,
    [a, b]: [Coded; 2],
    coding: Coding,
    clips: &Clips,
) -> Result<Option<ValueId>> {
    let [from_a, from_b, to] = [a.coding.scale, b.coding.scale, coding.scale].map(f64::from);
    let scales = match function {
        Binary::Mul => [scale(from_a * from_b / to), Some(1.0)],
        _ => [scale(from_a / to), scale(from_b / to)],
    };
    let [Some(scale_a), Some(scale_b)] = scales else { return Ok(None) };
    let op = Op::QBinary(QBinary {
        function,
        a: Term { zero_point: a.coding.zero_point, scale: scale_a },
        b: Term { zero_point: b.coding.zero_point, scale: scale_b },
        output: clips.requantize(coding),
    });
    rewriter.builder.node(&node.name, op, &[a.id, b.id]).map(Some)
}
