use alloc::vec::Vec;

use sepconv_kernels::{Isa, resize};

use super::{Kernel, KernelChoice, Lowering, RowTask, Task, for_each_image};
use crate::op::{self, image};

/// Feature maps in another size.
#[derive(Debug)]
pub(crate) struct Resize {
    input: [usize; 3],
    output: [usize; 3],
    rows: Vec<resize::Taps>,
    columns: Vec<resize::Taps>,
}

pub(super) fn select(op: &op::Resize, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let [rows, columns] = op.taps_of(lowering.shape(0));
    let kernel = Resize { input: image(lowering.shape(0)), output: image(lowering.output()), rows, columns };
    lowering.choice(kernel.into(), "resize", "tap tables per row and column")
}

impl Kernel for Resize {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.output[1] * self.output[2]
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.input, self.output, |task, _| {
            let RowTask { isa, x, rows, out, .. } = task;
            resize::resize(isa, self.input, self.output, &self.rows, &self.columns, x, rows, out);
        });
    }
}
