use alloc::vec::Vec;

use bytemuck::cast_slice_mut;
use sepconv_kernels::{Isa, matmul};

use super::{Kernel, KernelChoice, Lowering, Task};
use crate::op::batch_offset;

/// Products of matrices that are both computed while running.
#[derive(Debug)]
pub(crate) struct MatMul {
    m: usize,
    k: usize,
    n: usize,
    /// Where both operands of each product begin.
    offsets: Vec<[usize; 2]>,
}

pub(super) fn select(lowering: &Lowering<'_, '_>) -> KernelChoice {
    let ([a, b], out) = ([0, 1].map(|i| lowering.shape(i)), lowering.output());
    let [m, k, n] = [out[out.len() - 2], a.last(), out.last()];
    let products = out.elements() / (m * n).max(1);
    let offsets = (0..products).map(|i| [batch_offset(a, out, i), batch_offset(b, out, i)]).collect();
    lowering.choice(MatMul { m, k, n, offsets }.into(), "matmul", "both operands are computed while running")
}

impl Kernel for MatMul {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.m * self.n
    }

    fn run(&self, task: Task<'_>) {
        let Self { m, k, n, ref offsets } = *self;
        let [a, b] = [0, 1].map(|i| task.operands.get(i));
        let products = cast_slice_mut(task.out).chunks_exact_mut(m * n).zip(&offsets[task.items]);
        for (out, &[i, j]) in products {
            matmul::matmul(task.isa, m, k, n, &a[i..][..m * k], &b[j..][..k * n], out);
        }
    }
}
