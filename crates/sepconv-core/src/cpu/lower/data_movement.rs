use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use bytemuck::{Pod, cast_slice_mut};
use sepconv_kernels::{Isa, layout};

use super::{Kernel, KernelChoice, Lowering, Task};
use crate::cpu::call::KernelCall;
use crate::op::{DataMovement, StridedCopy};
use crate::{DType, Result, Shape};

/// Elements that are copied as they are.
#[derive(Debug)]
pub(crate) struct StridedCopies<T> {
    copies: Vec<StridedCopy>,
    /// What fills the elements that no copy writes.
    fill: Option<T>,
}

pub(super) fn select(op: &dyn DataMovement, lowering: &Lowering<'_, '_>) -> Result<KernelChoice> {
    let inputs = &lowering.node.inputs;
    let shapes: Vec<&Shape> = (0..inputs.len()).map(|i| lowering.shape(i)).collect();
    let indices = inputs.get(1).and_then(|&id| lowering.graph.value(id).constant.as_deref());
    let copies = op.copies(&shapes, indices.and_then(|tensor| tensor.as_i64()), lowering.output())?;
    let (reason, fill) = (format!("{} block(s)", copies.len()), op.fill());
    let kernel = match lowering.input(0).dtype {
        DType::F32 => StridedCopies { copies, fill }.into(),
        DType::U8 => StridedCopies { copies, fill: fill.map(|fill| fill as u8) }.into(),
        DType::I8 => StridedCopies { copies, fill: fill.map(|fill| fill as i8 as u8) }.into(),
        DType::I64 => StridedCopies { copies, fill: fill.map(|fill| fill as i64) }.into(),
    };
    let operands = inputs[..op.copied_operands(inputs.len())].to_vec();
    Ok(KernelChoice { kernel, operands, name: "copy".to_string(), alternatives: Vec::new(), reason })
}

impl StridedCopies<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        KernelCall::Copies { copies: &self.copies, fill: self.fill }
    }
}

impl<T: Pod + layout::Element> Kernel for StridedCopies<T> {
    fn work_item_len(&self, _: Isa, len: usize) -> usize {
        len
    }

    fn run(&self, task: Task<'_>) {
        let out = cast_slice_mut(task.out);
        if let Some(fill) = self.fill {
            out.fill(fill);
        }
        for copy in &self.copies {
            copy.execute::<T>(task.operands.get(copy.operand), out);
        }
    }
}
