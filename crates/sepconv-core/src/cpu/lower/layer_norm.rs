use bytemuck::cast_slice_mut;
use sepconv_kernels::{Isa, layer_norm};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::op;

/// A layer normalization of every `n` values in a row.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    n: usize,
    epsilon: f32,
}

pub(super) fn select(op: &op::LayerNorm, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let kernel = LayerNorm { n: op.group(lowering.shape(0)), epsilon: op.epsilon };
    lowering.choice(kernel.into(), "layer_norm", "mean, variance and result of some values while they are near")
}

impl Kernel for LayerNorm {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.n * BLOCK.div_ceil(self.n.max(1))
    }

    fn run(&self, task: Task<'_>) {
        let out = cast_slice_mut(task.out);
        if out.is_empty() {
            return;
        }
        let [x, scale, shift] = [0, 1, 2].map(|i| task.operands.get(i));
        layer_norm::layer_norm(task.isa, self.n, self.epsilon, &x[task.first..][..out.len()], scale, shift, out);
    }
}
