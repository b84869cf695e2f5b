use alloc::boxed::Box;
use alloc::vec::Vec;

use bytemuck::cast_slice_mut;
use sepconv_kernels::Isa;

use super::{Kernel, KernelChoice, Lowering, Task};
use crate::op::Compute;
use crate::{DType, Shape, TensorView, TensorViewMut, ValueId};

/// A definition, run as it is.
#[derive(Debug)]
pub(crate) struct Loops {
    definition: Box<dyn Compute>,
    inputs: Vec<(Shape, DType)>,
    output: (Shape, DType),
    scratch_bytes: usize,
}

/// The most operands that such an operator has.
const MAX_OPERANDS: usize = 5;

pub(super) fn select(definition: impl Compute + 'static, lowering: &Lowering<'_, '_>) -> KernelChoice {
    select_boxed(Box::new(definition), lowering)
}

/// Compiled once, not for each operator.
fn select_boxed(definition: Box<dyn Compute>, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let node = lowering.node;
    let described = |&id: &ValueId| (lowering.graph.value(id).shape.clone(), lowering.graph.value(id).dtype);
    let inputs: Vec<_> = node.inputs.iter().map(described).collect();
    let shapes: Vec<&Shape> = inputs.iter().map(|(shape, _)| shape).collect();
    let scratch_bytes = definition.scratch_words(&shapes).saturating_mul(size_of::<u64>());
    let kernel = Loops { definition, inputs, output: described(&node.output), scratch_bytes };
    lowering.choice(kernel.into(), node.op.name(), "a loop over elements")
}

impl Kernel for Loops {
    fn work_item_len(&self, _: Isa, len: usize) -> usize {
        len
    }

    fn run(&self, task: Task<'_>) {
        let mut views = [TensorView::EMPTY; MAX_OPERANDS];
        for (i, ((shape, dtype), view)) in self.inputs.iter().zip(&mut views).enumerate() {
            *view = TensorView::of_bytes(shape, *dtype, task.operands.get(i));
        }
        let mut output = TensorViewMut::of_bytes(&self.output.0, self.output.1, task.out);
        self.definition.compute(&views[..self.inputs.len()], &mut output, cast_slice_mut(task.scratch));
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch_bytes
    }
}
