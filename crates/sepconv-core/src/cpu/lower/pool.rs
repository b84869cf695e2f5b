use core::fmt::Debug;

use bytemuck::Pod;
use sepconv_kernels::{ConvGeometry, Isa, pool};

use super::{Kernel, KernelChoice, Lowering, RowTask, Task, for_each_image};
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
use crate::op::PoolKind;
#[cfg(feature = "int8")]
use crate::op::QAveragePool;
use crate::{DType, Error, Result, op};

/// An element type whose windows are pooled.
pub(crate) trait PoolElement: Pod {
    /// Maximum or mean, and how a mean becomes such an element.
    type Pooling: Debug;

    /// Computes some rows of one image.
    fn pool(layer: &Pool<Self>, task: RowTask<'_, Self>);
}

/// A maximum or mean under a window.
#[derive(Debug)]
pub(crate) struct Pool<T: PoolElement> {
    pooling: T::Pooling,
    geometry: ConvGeometry,
}

impl PoolElement for f32 {
    type Pooling = PoolKind;

    fn pool(layer: &Pool<Self>, RowTask { isa, x, rows, out, .. }: RowTask<'_, Self>) {
        pool::pool(isa, layer.pooling, &layer.geometry, x, rows, out);
    }
}

#[cfg(feature = "int8")]
impl PoolElement for u8 {
    /// `None` for a maximum.
    type Pooling = Option<pool::Mean>;

    fn pool(layer: &Pool<Self>, RowTask { isa, x, rows, out, .. }: RowTask<'_, Self>) {
        pool::pool_int8(isa, &layer.geometry, layer.pooling.as_ref(), x, rows, out);
    }
}

pub(super) fn select(op: &op::Pool, lowering: &Lowering<'_, '_>) -> Result<KernelChoice> {
    match lowering.input(0).dtype {
        DType::F32 => Ok(select_f32(op, lowering).map(Into::into)),
        #[cfg(feature = "int8")]
        DType::U8 => Ok(select_max_int8(op, lowering).map(Into::into)),
        #[cfg(not(feature = "int8"))]
        DType::U8 => Err(super::no_int8()),
        DType::I8 => Err(Error::unsupported("maximum of i8 has no kernel")
            .help("the passes turn i8 activations into u8: run them first")),
        DType::I64 => Err(Error::unsupported("maximum of i64 has no kernel").expected("f32 or u8", "i64")),
    }
}

pub(super) fn select_f32(op: &op::Pool, lowering: &Lowering<'_, '_>) -> KernelChoice<Pool<f32>> {
    let geometry = op.geometry(lowering.shape(0), lowering.output());
    lowering.choice(Pool { pooling: op.kind, geometry }, "pool", "vectors of channels")
}

#[cfg(feature = "int8")]
pub(super) fn select_max_int8(op: &op::Pool, lowering: &Lowering<'_, '_>) -> KernelChoice<Pool<u8>> {
    let geometry = op.geometry(lowering.shape(0), lowering.output());
    lowering.choice(Pool { pooling: None, geometry }, "max_pool_int8", "vectors of channels")
}

#[cfg(feature = "int8")]
pub(super) fn select_average_int8(op: &QAveragePool, lowering: &Lowering<'_, '_>) -> KernelChoice<Pool<u8>> {
    let geometry = op.pool.geometry(lowering.shape(0), lowering.output());
    lowering.choice(Pool { pooling: Some(op.mean()), geometry }, "average_int8", "vectors of channels")
}

#[cfg(feature = "int8")]
impl Pool<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        KernelCall::Pool { geometry: &self.geometry, mean: self.pooling }
    }
}

impl<T: PoolElement> Kernel for Pool<T> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.geometry.output[1] * self.geometry.output[2]
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.geometry.input, self.geometry.output, |task, _| T::pool(self, task));
    }
}
