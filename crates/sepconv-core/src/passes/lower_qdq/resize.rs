use super::{FusedClamps, QuantizedValue, U8Params};
use crate::{Node, Result, Rewriter, ValueId};

/// Interpolation between u8 values of the same parameters before and after: weights sum to one, so that neither scale
/// nor zero point matters, but for ties.
pub(super) fn quantized(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    params: U8Params,
    clamps: &FusedClamps,
) -> Result<Option<ValueId>> {
    let x = QuantizedValue::before(rewriter, node.inputs[0]).filter(|x| x.params == params);
    let Some(x) = x else { return Ok(None) };
    let resized = rewriter.builder.node(&node.name, node.op.clone(), &[x.id])?;
    clamps.after(rewriter, &node.name, resized, params).map(Some)
}
