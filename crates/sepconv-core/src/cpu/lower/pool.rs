use sepconv_kernels::{ConvGeometry, Isa, pool};

use super::{Kernel, KernelChoice, Lowering, RowTask, Task, for_each_image};
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
use crate::op::PoolKind;
#[cfg(feature = "int8")]
use crate::op::QAveragePool;
use crate::{DType, Error, Result, op};

/// A maximum or mean under a window.
#[derive(Debug)]
pub(crate) struct Pool {
    kind: PoolKind,
    geometry: ConvGeometry,
}

/// A maximum or mean of u8 under a window.
#[cfg(feature = "int8")]
#[derive(Debug)]
pub(crate) struct PoolInt8 {
    geometry: ConvGeometry,
    /// How a mean becomes u8; `None` for a maximum.
    mean: Option<pool::Mean>,
}

pub(super) fn select(op: &op::Pool, lowering: &Lowering<'_, '_>) -> Result<KernelChoice> {
    let geometry = op.geometry(lowering.shape(0), lowering.output());
    match lowering.input(0).dtype {
        DType::F32 => Ok(lowering.choice(Pool { kind: op.kind, geometry }.into(), "pool", "vectors of channels")),
        #[cfg(feature = "int8")]
        DType::U8 => {
            let kernel = PoolInt8 { geometry, mean: None }.into();
            Ok(lowering.choice(kernel, "max_pool_int8", "vectors of channels"))
        }
        #[cfg(not(feature = "int8"))]
        DType::U8 => Err(super::no_int8()),
        DType::I8 => Err(Error::unsupported("maximum of i8 has no kernel")
            .help("the passes turn i8 activations into u8: run them first")),
        DType::I64 => Err(Error::unsupported("maximum of i64 has no kernel").expected("f32 or u8", "i64")),
    }
}

#[cfg(feature = "int8")]
pub(super) fn select_average_int8(op: &QAveragePool, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let geometry = op.pool.geometry(lowering.shape(0), lowering.output());
    let kernel = PoolInt8 { geometry, mean: Some(op.mean()) }.into();
    lowering.choice(kernel, "average_int8", "vectors of channels")
}

impl Kernel for Pool {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.geometry.output[1] * self.geometry.output[2]
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.geometry.input, self.geometry.output, |task, _| {
            let RowTask { isa, x, rows, out, .. } = task;
            pool::pool(isa, self.kind, &self.geometry, x, rows, out);
        });
    }
}

#[cfg(feature = "int8")]
impl PoolInt8 {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        KernelCall::Pool { geometry: &self.geometry, mean: self.mean }
    }
}

#[cfg(feature = "int8")]
impl Kernel for PoolInt8 {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.geometry.output[1] * self.geometry.output[2]
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.geometry.input, self.geometry.output, |task, _| {
            let RowTask { isa, x, rows, out, .. } = task;
            pool::pool_int8(isa, &self.geometry, self.mean.as_ref(), x, rows, out);
        });
    }
}
