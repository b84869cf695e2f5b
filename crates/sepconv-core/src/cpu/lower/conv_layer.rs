use bytemuck::Pod;
use core::fmt::Debug;
use sepconv_kernels::Activation;
#[cfg(feature = "int8")]
use sepconv_kernels::ZeroPoints;

use super::conv2d::{self, Standard, StandardElement};
use super::depthwise::{Depthwise, DepthwiseElement};
use super::pointwise::{Pointwise, PointwiseElement, PointwiseVector};
#[cfg(feature = "int8")]
use super::quantized_constants::QuantizedEpilogue;
use super::{KernelChoice, Lowering, RowTask, StepKernel};
use crate::Result;
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
#[cfg(feature = "int8")]
use crate::op::QuantizedConv;
use crate::op::{Conv2d, Convolution};

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

/// An element type that convolutions keep, so that they can follow each other.
pub(crate) trait ConvElement: PointwiseElement + DepthwiseElement + StandardElement {
    /// The operator on elements of this type.
    type Conv<'g>;

    /// A convolution on elements of this type.
    fn convolution(convolution: Convolution<'_>) -> Option<Self::Conv<'_>>;

    /// The kernel for a convolution.
    fn select_layer<'g>(
        conv: &Self::Conv<'g>,
        lowering: &mut Lowering<'_, 'g>,
    ) -> Result<KernelChoice<ConvLayer<Self>>>;
}

impl ConvElement for f32 {
    type Conv<'g> = &'g Conv2d;

    fn convolution(convolution: Convolution<'_>) -> Option<Self::Conv<'_>> {
        match convolution {
            Convolution::F32(conv) => Some(conv),
            #[cfg(feature = "int8")]
            Convolution::Int8(_) => None,
        }
    }

    fn select_layer<'g>(
        conv: &Self::Conv<'g>,
        lowering: &mut Lowering<'_, 'g>,
    ) -> Result<KernelChoice<ConvLayer<Self>>> {
        conv2d::select_layer(conv, lowering)
    }
}

#[cfg(feature = "int8")]
impl ConvElement for u8 {
    type Conv<'g> = QuantizedConv<'g>;

    fn convolution(convolution: Convolution<'_>) -> Option<Self::Conv<'_>> {
        match convolution {
            Convolution::Int8(conv) => Some(conv),
            Convolution::F32(_) => None,
        }
    }

    fn select_layer<'g>(
        conv: &Self::Conv<'g>,
        lowering: &mut Lowering<'_, 'g>,
    ) -> Result<KernelChoice<ConvLayer<Self>>> {
        conv2d::select_layer_int8(conv, lowering)
    }
}

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
