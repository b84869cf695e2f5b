use bytemuck::Pod;
use core::fmt::Debug;
use sepconv_kernels::Activation;
#[cfg(feature = "int8")]
use sepconv_kernels::ZeroPoints;

use super::conv2d::{Standard, StandardElement};
use super::depthwise::{Depthwise, DepthwiseElement};
use super::pointwise::{Pointwise, PointwiseElement, PointwiseVector};
#[cfg(feature = "int8")]
use super::quantized_constants::QuantizedEpilogue;
use super::{RowTask, StepKernel};
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;

/// An element type of inputs that convolutions know how to turn into results of type `Y`.
pub(crate) trait ConvArithmetic<Y = Self>: Pod {
    /// An element of packed weights.
    type Weight: Pod + Debug;
    /// What turns accumulators into results.
    type Epilogue: Debug;
}

impl ConvArithmetic for f32 {
    type Weight = f32;
    type Epilogue = Activation;
}

#[cfg(feature = "int8")]
impl ConvArithmetic for u8 {
    type Weight = i8;
    type Epilogue = QuantizedEpilogue;
}

#[cfg(feature = "int8")]
impl ConvArithmetic<f32> for u8 {
    type Weight = i8;
    type Epilogue = ZeroPoints;
}

/// An element type that convolutions keep.
pub(crate) trait ConvElement: PointwiseElement + DepthwiseElement + StandardElement {}

impl ConvElement for f32 {}

#[cfg(feature = "int8")]
impl ConvElement for u8 {}

/// The kernel of a convolution, with its packed weights.
#[derive(Debug)]
pub(crate) enum ConvLayer<T: ConvElement> {
    Pointwise(Pointwise<T>),
    Depthwise(Depthwise<T>),
    Standard(Standard<T>),
}

impl<T: ConvElement> ConvLayer<T> {
    /// Computes some rows of one image.
    pub(crate) fn run_rows(&self, task: RowTask<'_, T>) {
        match self {
            Self::Pointwise(layer) => layer.run_rows(task),
            Self::Depthwise(layer) => T::depthwise(layer, task),
            Self::Standard(layer) => T::conv2d(layer, task),
        }
    }

    /// Elements of scratch.
    pub(crate) fn scratch_len(&self) -> usize {
        match self {
            Self::Pointwise(layer) => layer.scratch_len(),
            Self::Depthwise(_) => 0,
            Self::Standard(layer) => layer.scratch_len(),
        }
    }

    /// The layer as a step of its own.
    pub(super) fn into_step(self) -> StepKernel
    where
        StepKernel: From<Pointwise<T>> + From<PointwiseVector<T>> + From<Depthwise<T>> + From<Standard<T>>,
    {
        match self {
            Self::Pointwise(layer) => layer.into_step(),
            Self::Depthwise(layer) => layer.into(),
            Self::Standard(layer) => layer.into(),
        }
    }
}

#[cfg(feature = "int8")]
impl ConvLayer<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        match self {
            Self::Pointwise(layer) => layer.call(),
            Self::Depthwise(layer) => layer.call(),
            Self::Standard(layer) => layer.call(),
        }
    }
}
