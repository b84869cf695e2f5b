use sepconv_kernels::{Isa, quantized};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::op;

/// A function of each 8-bit integer.
#[derive(Debug)]
pub(crate) struct Lut(op::Lut);

pub(super) fn select(op: &op::Lut, lowering: &Lowering<'_, '_>) -> KernelChoice {
    lowering.choice(Lut(op.clone()).into(), "lut", "a table of all 8-bit integers")
}

impl Kernel for Lut {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        BLOCK
    }

    fn run(&self, task: Task<'_>) {
        let Task { isa, operands, first, out, .. } = task;
        out.copy_from_slice(&operands.get(0)[first..][..out.len()]);
        quantized::lut_in_place(isa, &self.0.table, out);
    }
}
