use sepconv_kernels::{Window, pool::PoolKind, reduce::Reduction};

use super::{Clips, Coded, Coding, scale};
use crate::passes::rewrite::Rewriter;
use crate::{
    Node, Op, Result, ValueId,
    op::{Pool, QAverage},
};

/// Means of bytes under a window, or over the whole plane.
pub(super) fn bytes(rewriter: &mut Rewriter, node: &Node, coding: Coding, clips: &Clips) -> Result<Option<ValueId>> {
    let Some(x) = Coded::behind(rewriter, node.inputs[0]) else { return Ok(None) };
    let Some(pool) = pool(rewriter, node) else { return Ok(None) };
    // Sums of more taps could leave 32 bits.
    let taps = pool.window.kernel[0].saturating_mul(pool.window.kernel[1]);
    if taps > i32::MAX as usize / usize::from(u8::MAX) {
        return Ok(None);
    }
    let Some(scale) = scale(f64::from(x.coding.scale) / f64::from(coding.scale)) else { return Ok(None) };
    let op = Op::QAverage(QAverage { pool, x_zero: x.coding.zero_point, scale, output: clips.requantize(coding) });
    let mean = rewriter.builder.node(&node.name, op, &[x.id])?;
    let shape = rewriter.builder.shape(node.output).clone();
    rewriter.reshape(&node.name, mean, shape).map(Some)
}

/// The mean that a node computes, if it counts taps inside the plane.
fn pool(rewriter: &Rewriter, node: &Node) -> Option<Pool> {
    match &node.op {
        Op::Pool(Pool { kind: PoolKind::Average { count_padding }, window, ceil }) => {
            let padded = [window.before, window.after] != [[0; 2]; 2];
            let kind = PoolKind::Average { count_padding: false };
            (!count_padding || !padded).then_some(Pool { kind, window: *window, ceil: *ceil })
        }
        Op::Reduce { reduction: Reduction::Mean, axes, .. } if axes[..] == [1, 2] => {
            let &[_, h, w, _] = &rewriter.builder.shape(node.inputs[0])[..] else { return None };
            let kind = PoolKind::Average { count_padding: false };
            (h > 0 && w > 0).then_some(Pool { kind, window: Window::new(h, w), ceil: false })
        }
        _ => None,
    }
}
