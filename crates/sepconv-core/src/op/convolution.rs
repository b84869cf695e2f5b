use sepconv_kernels::Window;
#[cfg(feature = "int8")]
use sepconv_kernels::{AddResidual, Requantize};

use super::Conv2d;
#[cfg(feature = "int8")]
use super::{Lut, QConv2d};

/// A convolution whose result has the dtype of its input.
pub(crate) enum Convolution<'a> {
    F32(&'a Conv2d),
    #[cfg(feature = "int8")]
    Int8(QuantizedConv<'a>),
}

/// An int8 convolution with a u8 result, and how accumulators become it.
#[cfg(feature = "int8")]
pub(crate) struct QuantizedConv<'a> {
    pub(crate) conv: &'a QConv2d,
    pub(crate) requantize: Requantize,
    pub(crate) lut: Option<&'a Lut>,
    pub(crate) residual: Option<AddResidual>,
}

impl Convolution<'_> {
    pub(crate) fn window(&self) -> Window {
        match self {
            Self::F32(conv) => conv.window,
            #[cfg(feature = "int8")]
            Self::Int8(quantized) => quantized.conv.window,
        }
    }

    /// The index of the residual among the operands, where there is one.
    pub(crate) fn residual_index(&self) -> usize {
        match self {
            Self::F32(_) => 3,
            #[cfg(feature = "int8")]
            Self::Int8(_) => 4,
        }
    }
}
