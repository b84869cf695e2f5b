use sepconv_kernels::{Isa, quantized};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::cpu::call::KernelCall;
use crate::op;

/// A function of each 8-bit integer.
#[derive(Debug)]
pub(crate) enum Lut {
    Table(op::Lut),
    /// i8 to u8 or back, around the graph.
    FlipSigns,
}

pub(super) fn select(op: &op::Lut, lowering: &Lowering<'_, '_>) -> KernelChoice {
    match op.is(|q| q ^ 0x80) {
        true => lowering.choice(Lut::FlipSigns.into(), "flip_signs", "between i8 and u8"),
        false => lowering.choice(Lut::Table(op.clone()).into(), "lut", "a table of all 8-bit integers"),
    }
}

impl Lut {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        match self {
            Self::Table(lut) => KernelCall::Lut(&lut.table),
            Self::FlipSigns => KernelCall::FlipSigns,
        }
    }
}

impl Kernel for Lut {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        BLOCK
    }

    fn run(&self, task: Task<'_>) {
        let Task { isa, operands, first, out, .. } = task;
        let x: &[u8] = &operands.get(0)[first..][..out.len()];
        match self {
            Self::Table(lut) => {
                out.copy_from_slice(x);
                quantized::lut_in_place(isa, &lut.table, out);
            }
            Self::FlipSigns => quantized::flip_signs(x, out),
        }
    }
}
