use alloc::vec::Vec;

use bytemuck::{Pod, cast_slice_mut};
use sepconv_kernels::Isa;
use sepconv_kernels::resize::{self, ResizeTask, Taps};

use super::rows::take_front;
use super::{Kernel, KernelChoice, Lowering, RowTask, Task, for_each_image};
use crate::op::{self, image};
use crate::{DType, Error, Result};

/// f32 feature maps in another size.
#[derive(Debug)]
pub(crate) struct Resize(Resampling);

/// u8 feature maps in another size.
#[cfg(feature = "int8")]
#[derive(Debug)]
pub(crate) struct ResizeInt8(Resampling);

#[derive(Debug)]
struct Resampling {
    input: [usize; 3],
    output: [usize; 3],
    rows: Vec<Taps>,
    columns: Vec<Taps>,
}

pub(super) fn select(op: &op::Resize, lowering: &Lowering<'_, '_>) -> Result<KernelChoice> {
    let [rows, columns] = op.taps_of(lowering.shape(0));
    let resampling = Resampling { input: image(lowering.shape(0)), output: image(lowering.output()), rows, columns };
    let (kernel, name) = match lowering.input(0).dtype {
        DType::F32 => (Resize(resampling).into(), "resize"),
        #[cfg(feature = "int8")]
        DType::U8 => (ResizeInt8(resampling).into(), "resize_int8"),
        #[cfg(not(feature = "int8"))]
        DType::U8 => return Err(super::no_int8()),
        dtype @ (DType::I8 | DType::I64) => {
            return Err(Error::unsupported("resize has no kernel for this dtype").expected("f32 or u8", dtype));
        }
    };
    Ok(lowering.choice(kernel, name, "rows along their columns once, then across"))
}

impl Resampling {
    fn row_length(&self) -> usize {
        self.output[1] * self.output[2]
    }

    fn scratch_bytes(&self) -> usize {
        resize::scratch_len(&self.rows, self.row_length()) * size_of::<f32>()
    }

    fn run<T: Pod>(&self, mut task: Task<'_>, run: fn(Isa, ResizeTask<'_, T>)) {
        let Self { input, output, rows: ref row_taps, columns: ref column_taps } = *self;
        let scratch = cast_slice_mut(take_front(&mut task.scratch, self.scratch_bytes()));
        for_each_image(task, input, output, |task, _| {
            let RowTask { isa, x, rows, out, .. } = task;
            run(isa, ResizeTask { input, output, row_taps, column_taps, x, rows, scratch: &mut *scratch, out });
        });
    }
}

impl Kernel for Resize {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.0.row_length()
    }

    fn run(&self, task: Task<'_>) {
        self.0.run(task, resize::resize);
    }

    fn scratch_bytes(&self) -> usize {
        self.0.scratch_bytes()
    }
}

#[cfg(feature = "int8")]
impl Kernel for ResizeInt8 {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.0.row_length()
    }

    fn run(&self, task: Task<'_>) {
        self.0.run(task, resize::resize_int8);
    }

    fn scratch_bytes(&self) -> usize {
        self.0.scratch_bytes()
    }
}
