use bytemuck::cast_slice_mut;
use sepconv_kernels::{Isa, softmax};

use super::{Kernel, KernelChoice, Lowering, Task};
use crate::cpu::call::KernelCall;
use crate::op::{self, split_at};

/// A softmax, or its logarithm, along one axis.
#[derive(Debug)]
pub(crate) struct Softmax {
    /// Elements along the axis, and after it.
    len: usize,
    inner: usize,
    log: bool,
}

pub(super) fn select(op: &op::Softmax, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let [_, len, inner] = split_at(lowering.shape(0), op.axis);
    lowering.choice(Softmax { len, inner, log: op.log }.into(), "softmax", "along one axis")
}

impl Softmax {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        let Self { len, inner, log } = *self;
        KernelCall::Softmax { sizes: [len, inner], log }
    }
}

impl Kernel for Softmax {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.len * self.inner
    }

    fn run(&self, task: Task<'_>) {
        let Self { len, inner, log } = *self;
        let out = cast_slice_mut(task.out);
        let x = &task.operands.get(0)[task.first..][..out.len()];
        softmax::softmax(task.isa, [out.len() / (len * inner), len, inner], log, x, out);
    }
}
