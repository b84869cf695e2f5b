use sepconv_kernels::Window;

use super::{ConvTranspose, Op, Pool, QAverage};
use crate::{Shape, Value};

impl Op {
    /// Multiply-accumulates that one evaluation costs, in the convention of papers: convolutions, fully connected layers and
    /// matrix products count, everything else is free. `out` is the shape of the result.
    pub fn macs(&self, inputs: &[&Value], out: &Shape) -> u64 {
        let per_result = match self {
            Self::Conv2d(_) | Self::QConv2d(_) | Self::Dense { .. } => {
                let weights = &inputs[1].shape;
                weights[1..].iter().product::<usize>()
            }
            // Each input pixel meets every tap of every filter of its group.
            Self::ConvTranspose(conv) => {
                let per_input = taps(&conv.window).saturating_mul((out.last() / conv.groups) as u64);
                return (inputs[0].shape.elements() as u64).saturating_mul(per_input);
            }
            Self::MatMul => inputs[0].shape.last(),
            _ => return 0,
        };
        (out.elements() as u64).saturating_mul(per_result as u64)
    }

    /// What one evaluation costs to run, in the same unit, for limits: every element read or written counts, and every tap of
    /// a pooling window, and of a transposed one whether or not it meets the input.
    pub(crate) fn work(&self, inputs: &[&Value], out: &Shape) -> u64 {
        let elements = inputs.iter().map(|value| value.shape.elements() as u64).fold(0, u64::saturating_add);
        let per_result = match self {
            Self::Pool(Pool { window, .. })
            | Self::QAverage(QAverage { pool: Pool { window, .. }, .. })
            | Self::ConvTranspose(ConvTranspose { window, .. }) => taps(window),
            _ => 1,
        };
        let touched = elements.saturating_add((out.elements() as u64).saturating_mul(per_result));
        self.macs(inputs, out).saturating_add(touched)
    }
}

fn taps(window: &Window) -> u64 {
    (window.kernel[0] as u64).saturating_mul(window.kernel[1] as u64)
}
