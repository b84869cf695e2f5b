use bytemuck::cast_slice_mut;
use sepconv_kernels::{Isa, elementwise};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::op::UnaryFunction;

/// A function of each element.
#[derive(Debug)]
pub(crate) struct Unary(UnaryFunction);

/// A function of each element, whose operand is the result itself.
#[derive(Debug)]
pub(crate) struct UnaryInPlace(UnaryFunction);

pub(super) fn select(function: UnaryFunction, lowering: &Lowering<'_, '_>) -> KernelChoice {
    match lowering.in_place {
        true => lowering.choice(UnaryInPlace(function).into(), "unary", "in place: the operand dies here"),
        false => lowering.choice(Unary(function).into(), "unary", "the operand is needed again"),
    }
}

impl Kernel for Unary {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        BLOCK
    }

    fn run(&self, task: Task<'_>) {
        let out = cast_slice_mut(task.out);
        elementwise::unary(task.isa, self.0, &task.operands.get(0)[task.first..][..out.len()], out);
    }
}

impl Kernel for UnaryInPlace {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        BLOCK
    }

    fn run(&self, task: Task<'_>) {
        elementwise::unary_in_place(task.isa, self.0, cast_slice_mut(task.out));
    }
}
