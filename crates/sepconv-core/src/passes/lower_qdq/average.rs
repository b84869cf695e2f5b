use super::{FusedClamps, QuantizedValue, U8Params, kernel_scale};
use crate::op::{Operator, Pool, PoolKind, QAveragePool, Window};
use crate::{Node, Op, Result, Rewriter, ValueId};

/// Means of u8 under a window, or over the whole feature map.
pub(super) fn quantized(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    params: U8Params,
    clamps: &FusedClamps,
) -> Result<Option<ValueId>> {
    let Some(x) = QuantizedValue::before(rewriter, node.inputs[0]) else { return Ok(None) };
    let Some(pool) = pool(rewriter, node) else { return Ok(None) };
    // Sums of more taps could overflow 32 bits.
    let taps = pool.window.kernel[0].saturating_mul(pool.window.kernel[1]);
    if taps > i32::MAX as usize / usize::from(u8::MAX) {
        return Ok(None);
    }
    let Some(scale) = kernel_scale(f64::from(x.params.scale) / f64::from(params.scale)) else { return Ok(None) };
    let output = clamps.requantize(params);
    let op = QAveragePool { pool, input_zero_point: x.params.zero_point, scale, output };
    let mean = rewriter.builder.node(&node.name, op, &[x.id])?;
    let shape = rewriter.builder.shape(node.output).clone();
    rewriter.reshape(&node.name, mean, shape).map(Some)
}

/// The mean that a node computes, if it counts taps inside the feature map.
fn pool(rewriter: &Rewriter<'_>, node: &Node) -> Option<Pool> {
    let kind = PoolKind::Average { count_padding: false };
    match &node.op {
        &Op::Pool(Pool { kind: PoolKind::Average { count_padding }, window, ceil_mode }) => {
            let padded = [window.before, window.after] != [[0; 2]; 2];
            (!count_padding || !padded).then_some(Pool { kind, window, ceil_mode })
        }
        Op::Reduce(reduce) if reduce.is_global_mean() => {
            let &[_, h, w, _] = &rewriter.builder.shape(node.inputs[0])[..] else { return None };
            (h > 0 && w > 0).then_some(Pool { kind, window: Window::new(h, w), ceil_mode: false })
        }
        _ => None,
    }
}
