//! The operators. Each file of this folder defines one: its operands and dtypes, the shape of its result, its cost, the
//! loops that define the result, its layout rule, and how it is printed.
//!
//! [`Op`] joins them. Dispatch is one exhaustive match, so an operator that is added there must answer every question
//! of the trait.

mod arg;
mod batch_norm;
mod binary;
mod boxes;
mod broadcast;
mod cast;
mod check;
mod concat;
mod conv2d;
mod conv_kind;
mod conv_transpose;
mod convolution;
mod cumsum;
mod dense;
mod dequantize;
mod detection;
mod gather;
mod gather_elements;
mod gather_nd;
mod grid_sample;
mod integers;
mod layer_norm;
mod loops;
mod lut;
mod matmul;
mod names;
mod nms;
mod non_zero;
mod operator;
mod pad;
mod pairwise;
mod pool;
mod qaverage_pool;
mod qbinary;
mod qconv2d;
mod quant_params;
mod quantize;
mod recurrent;
mod reduce;
mod reshape;
mod resize;
mod scatter_nd;
mod select;
mod slice;
mod softmax;
mod strided_copy;
mod topk;
mod transpose;
mod unary;

use core::fmt;

pub use sepconv_kernels::elementwise::{Binary as BinaryFunction, Unary as UnaryFunction};
pub use sepconv_kernels::pool::PoolKind;
pub use sepconv_kernels::reduce::Reduction;
pub use sepconv_kernels::resize::{AxisMap, Coordinates, Mode as ResizeMode, Rounding};
pub use sepconv_kernels::{Activation, AddResidual, RequantOperand, Requantize, Window};

pub use arg::ArgExtreme;
pub use batch_norm::BatchNorm;
pub use binary::Binary;
pub use broadcast::Broadcast;
pub(crate) use broadcast::broadcast_strides;
pub use cast::Cast;
pub(crate) use check::{image, split_at};
pub use concat::Concat;
pub use conv_kind::ConvKind;
pub use conv_transpose::ConvTranspose;
pub use conv2d::Conv2d;
pub(crate) use convolution::Convolution;
#[cfg(feature = "int8")]
pub(crate) use convolution::QuantizedConv;
pub use cumsum::CumSum;
pub use dense::Dense;
pub use dequantize::Dequantize;
pub use detection::Detections;
pub use gather::Gather;
pub use gather_elements::GatherElements;
pub use gather_nd::GatherNd;
pub use grid_sample::{GridPadding, GridSample, Interpolation};
pub(crate) use integers::OnIntegers;
pub use layer_norm::LayerNorm;
pub(crate) use loops::Compute;
pub use lut::Lut;
pub use matmul::MatMul;
pub(crate) use matmul::batch_offset;
pub(crate) use names::LayerName;
pub use nms::NonMaxSuppression;
pub use non_zero::NonZero;
pub(crate) use operator::{Aliasing, Cost, Operator};
pub use pad::{Pad, PadMode};
pub use pairwise::Pairwise;
pub use pool::Pool;
pub use qaverage_pool::QAveragePool;
pub use qbinary::QBinary;
pub use qconv2d::{QConv2d, QConvOutput};
pub use quant_params::QuantParams;
pub use quantize::Quantize;
pub use recurrent::{Cell, Recurrent};
pub use reduce::Reduce;
pub use reshape::Reshape;
pub use resize::Resize;
pub use scatter_nd::ScatterNd;
pub use select::Select;
pub use slice::Slice;
pub use softmax::Softmax;
pub(crate) use strided_copy::DataMovement;
pub use strided_copy::StridedCopy;
pub use topk::TopK;
pub use transpose::Transpose;

use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Declares [`Op`] and the one match that dispatches on it.
macro_rules! operators {
    ($($variant:ident($operator:ty),)*) => {
        /// An operator of a [`Graph`](crate::Graph). Feature maps are NHWC; every operator has one result.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($operator), "`].")] $variant($operator),)*
        }

        impl Op {
            pub(crate) fn operator(&self) -> &dyn Operator {
                match self {
                    $(Self::$variant(op) => op,)*
                }
            }
        }

        $(impl From<$operator> for Op {
            fn from(op: $operator) -> Self {
                Self::$variant(op)
            }
        })*
    };
}

operators! {
    Conv2d(Conv2d),
    ConvTranspose(ConvTranspose),
    Dense(Dense),
    MatMul(MatMul),
    BatchNorm(BatchNorm),
    LayerNorm(LayerNorm),
    Pool(Pool),
    Reduce(Reduce),
    Unary(UnaryFunction),
    Binary(Binary),
    Softmax(Softmax),
    Resize(Resize),
    Reshape(Reshape),
    Transpose(Transpose),
    Concat(Concat),
    Slice(Slice),
    Pad(Pad),
    Gather(Gather),
    Broadcast(Broadcast),
    Pairwise(Pairwise),
    Select(Select),
    Cast(Cast),
    TopK(TopK),
    ScatterNd(ScatterNd),
    NonZero(NonZero),
    NonMaxSuppression(NonMaxSuppression),
    GatherNd(GatherNd),
    GatherElements(GatherElements),
    GridSample(GridSample),
    Detections(Detections),
    CumSum(CumSum),
    ArgExtreme(ArgExtreme),
    Quantize(Quantize),
    Dequantize(Dequantize),
    Lut(Lut),
    QConv2d(QConv2d),
    QBinary(QBinary),
    QAveragePool(QAveragePool),
    Recurrent(Recurrent),
}

impl From<Activation> for Op {
    fn from(activation: Activation) -> Self {
        UnaryFunction::Activation(activation).into()
    }
}

/// The function without activation.
impl From<BinaryFunction> for Op {
    fn from(function: BinaryFunction) -> Self {
        Binary { function, activation: Activation::Identity }.into()
    }
}

impl Op {
    /// The kind of a convolution of that many input channels; `None` for other operators, and for an int8 layer with an
    /// f32 result.
    pub fn conv_kind(&self, channels: usize) -> Option<ConvKind> {
        self.operator().conv_kind(channels)
    }

    /// The operator as one that moves elements without computing.
    #[cfg(feature = "int8")]
    pub(crate) fn as_data_movement(&self) -> Option<&dyn DataMovement> {
        match self {
            Self::Reshape(op) => Some(op),
            Self::Transpose(op) => Some(op),
            Self::Concat(op) => Some(op),
            Self::Slice(op) => Some(op),
            Self::Pad(op) => Some(op),
            Self::Gather(op) => Some(op),
            Self::Broadcast(op) => Some(op),
            Self::Conv2d(_)
            | Self::ConvTranspose(_)
            | Self::Dense(_)
            | Self::MatMul(_)
            | Self::BatchNorm(_)
            | Self::LayerNorm(_)
            | Self::Pool(_)
            | Self::Reduce(_)
            | Self::Unary(_)
            | Self::Binary(_)
            | Self::Softmax(_)
            | Self::Resize(_)
            | Self::Pairwise(_)
            | Self::Select(_)
            | Self::Cast(_)
            | Self::TopK(_)
            | Self::ScatterNd(_)
            | Self::NonZero(_)
            | Self::NonMaxSuppression(_)
            | Self::GatherNd(_)
            | Self::GatherElements(_)
            | Self::GridSample(_)
            | Self::Detections(_)
            | Self::CumSum(_)
            | Self::ArgExtreme(_)
            | Self::Quantize(_)
            | Self::Dequantize(_)
            | Self::Lut(_)
            | Self::QConv2d(_)
            | Self::QBinary(_)
            | Self::QAveragePool(_)
            | Self::Recurrent(_) => None,
        }
    }

    /// The operator's name, as it is printed.
    pub fn name(&self) -> &'static str {
        self.operator().name()
    }

    /// The shape and dtype of the result for these operands.
    ///
    /// # Errors
    /// A mismatch says what was expected and found; the caller adds the node.
    pub fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let operands = self.operator().operands();
        if !operands.contains(&inputs.len()) {
            return Err(
                Error::mismatch("wrong number of operands").expected(format_args!("{operands:?}"), inputs.len())
            );
        }
        self.operator().infer(inputs)
    }

    /// Multiply-accumulates that one evaluation costs, as papers count them: those of convolutions, fully connected
    /// layers and matrix products; everything else is free. `output` is the shape of the result.
    pub fn macs(&self, inputs: &[&Value], output: &Shape) -> u64 {
        self.operator().cost(inputs, output).macs
    }

    /// The cost of one evaluation in the same unit, for limits: every element read or written counts, and every tap of
    /// a window.
    pub(crate) fn work(&self, inputs: &[&Value], output: &Shape) -> u64 {
        let elements = inputs.iter().map(|value| value.shape.elements() as u64).fold(0, u64::saturating_add);
        let Cost { macs, taps } = self.operator().cost(inputs, output);
        macs.saturating_add(elements).saturating_add((output.elements() as u64).saturating_mul(taps))
    }

    /// The definition: the result for known operands, where `output` is the shape that [`infer`](Self::infer) gave.
    /// Sums are kept in f64, so this is also close to exact.
    ///
    /// # Errors
    /// For operands of another dtype, integer arithmetic that overflows or divides by zero, and indices out of range.
    pub fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        self.operator().evaluate(inputs, output)
    }
}

impl fmt::Display for Op {
    /// The operator with its parameters in short: `conv2d 3x3/2 relu6`, `mean [1,2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator().describe(f)
    }
}
