//! The operators: what each means, what it makes of shapes, and what it costs.
//!
//! One enum, exhaustively matched: an operator that is added here is a compile error wherever it must be considered
//! ([`infer`](Op::infer), [`macs`](Op::macs), [`evaluate`](Op::evaluate), planning).

mod describe;
mod infer;
mod integer;
mod macs;
mod moves;
mod quantized;
mod reference;

use alloc::vec::Vec;
use core::fmt;

use sepconv_kernels::{
    Activation, Window,
    elementwise::{Binary, Unary},
    pool::PoolKind,
    reduce::Reduction,
    resize::AxisMap,
};

use crate::{Graph, Node, Shape};

pub(crate) use describe::LayerName;
pub use integer::{QAverage, QBinary, QConv2d, QOutput};
pub(crate) use moves::Move;
pub use quantized::{Lookup, Quantization};
pub(crate) use reference::{batch_offset, broadcast_strides, image, split_at};

/// An operator of a [`Graph`]. Planes are NHWC; every operator has one result.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Convolution of `x[n,h,w,c]` with `weights[o,kh,kw,c/groups]` and `bias[o]`, optionally plus `residual[n,oh,ow,o]`, then the
    /// activation. Depthwise (`groups == c`), pointwise and stem are kinds of it: see [`ConvKind`].
    Conv2d(Conv2d),
    /// Transposed convolution of `x[n,h,w,c]` with `weights[o,kh,kw,c/groups]` and `bias[o]`.
    ConvTranspose(ConvTranspose),
    /// Fully connected layer: `x[..,k]`, `weights[n,k]`, `bias[n]`, then the activation.
    Dense {
        /// Applied to each result.
        activation: Activation,
    },
    /// Matrix product of `a[..,m,k]` and `b[..,k,n]`, leading axes broadcast as in NumPy.
    MatMul,
    /// Inference-time batch normalisation of `x[..,c]` with `scale[c]`, `shift[c]`, `mean[c]` and `variance[c]`.
    BatchNorm {
        /// Added to the variance before its square root.
        epsilon: f32,
    },
    /// Largest or mean value under a window of `x[n,h,w,c]`.
    Pool(Pool),
    /// A reduction over some axes.
    Reduce {
        /// The reduction.
        reduction: Reduction,
        /// The axes to reduce, in increasing order.
        axes: Vec<usize>,
        /// Whether reduced axes stay, with size 1.
        keep_axes: bool,
    },
    /// A function of each element.
    Unary(Unary),
    /// A function of two elements, broadcast as in NumPy, then the activation.
    Binary {
        /// The function.
        function: Binary,
        /// Applied to each result.
        activation: Activation,
    },
    /// `e^x / sum(e^x)` along an axis, or its logarithm.
    Softmax {
        /// The axis whose elements sum to one.
        axis: usize,
        /// Whether the result is the logarithm.
        log: bool,
    },
    /// Interpolation of the plane of `x[n,h,w,c]` to another size.
    Resize(Resize),
    /// The same elements in another shape.
    Reshape {
        /// The new shape.
        shape: Shape,
    },
    /// Axes in another order: axis `i` of the result is axis `order[i]` of the operand.
    Transpose {
        /// A permutation of the axes.
        order: Vec<usize>,
    },
    /// Operands one after the other along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// A regular part: along each axis `sizes` elements from `starts` on, `steps` apart.
    Slice {
        /// The first index along each axis.
        starts: Vec<usize>,
        /// The distance between indices; negative walks backwards.
        steps: Vec<isize>,
        /// How many.
        sizes: Vec<usize>,
    },
    /// Elements added around the operand.
    Pad {
        /// How many before, for each axis.
        before: Vec<usize>,
        /// How many after, for each axis.
        after: Vec<usize>,
        /// What they are.
        fill: Fill,
    },
    /// Slices of `data` along an axis, chosen by integers: the axis is replaced by the shape of `indices`.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// Repetition along axes of size 1 (or missing leading ones) to a shape, as in NumPy.
    Broadcast {
        /// The new shape.
        shape: Shape,
    },
    /// Real numbers to bytes: `clamp(round(x / scale) + zero_point)`, halves to even.
    Quantize(Quantization),
    /// The real numbers that bytes (or the wide integers of a bias) stand for: `(q - zero_point) · scale`. A constant behind it
    /// keeps its bytes.
    Dequantize(Quantization),
    /// A function of each byte, as a table.
    Lookup(Lookup),
    /// Convolution of bytes `x[n,h,w,c]` with `weights[o,kh,kw,c/groups]` of bytes, `bias[o]` in units of the sums (i64), the
    /// units of the result in a unit of the sums as `scale[o]`, and optionally the bytes of a `residual[n,oh,ow,o]`.
    QConv2d(QConv2d),
    /// Sum, difference or product of bytes, broadcast as in NumPy.
    QBinary(QBinary),
    /// Mean of bytes under a window of `x[n,h,w,c]`.
    QAverage(QAverage),
}

/// See [`Op::Conv2d`].
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Taps, strides, dilation and padding.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Applied last, after the residual.
    pub activation: Activation,
}

/// See [`Op::ConvTranspose`]: input pixel `(y, x)` meets output pixel `(y·stride + ky·dilation - before, …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose {
    /// Taps, strides, dilation and padding of the convolution that this one is the transpose of.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Rows and columns added below and to the right, where the output size is otherwise ambiguous.
    pub extra: [usize; 2],
    /// Applied last.
    pub activation: Activation,
}

/// See [`Op::Pool`].
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Taps, strides, dilation and padding.
    pub window: Window,
    /// What is taken from the window.
    pub kind: PoolKind,
    /// Whether windows that start inside but end beyond the padded plane count (ONNX `ceil_mode`).
    pub ceil: bool,
}

/// See [`Op::Resize`].
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// How output rows and columns map to input ones.
    pub maps: [AxisMap; 2],
    /// The output plane `[h, w]`.
    pub plane: [usize; 2],
}

/// What [`Op::Pad`] adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// One value (rounded for integers).
    Constant(f32),
    /// The nearest element.
    Edge,
    /// The operand mirrored at its first and last element, which are not repeated.
    Reflect,
    /// The operand repeated.
    Wrap,
}

/// What a convolution is, seen from its window and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvKind {
    /// One filter (or `depth_multiplier` filters) per input channel.
    Depthwise,
    /// A 1×1 window at stride 1: a matrix product over channels.
    Pointwise,
    /// A standard convolution of an image: at most four input channels.
    Stem,
    /// A standard convolution.
    Standard,
    /// Between depthwise and standard.
    Grouped,
}

impl fmt::Display for ConvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depthwise => "depthwise",
            Self::Pointwise => "pointwise",
            Self::Stem => "stem",
            Self::Standard => "standard",
            Self::Grouped => "grouped",
        })
    }
}

impl ConvKind {
    /// What the convolution of a node is, in the sense of [`Conv2d::kind`]. One of bytes that gives floats counts as none: it belongs to no
    /// block.
    pub(crate) fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let channels = graph.value(*node.inputs.first()?).shape.last();
        match &node.op {
            Op::Conv2d(conv) => Some(conv.kind(channels)),
            Op::QConv2d(conv) if conv.output != QOutput::Float => Some(conv.kind(channels)),
            _ => None,
        }
    }

    fn new(window: &Window, groups: usize, channels: usize) -> Self {
        match groups {
            1 if window.is_pointwise() => Self::Pointwise,
            1 if channels <= 4 => Self::Stem,
            1 => Self::Standard,
            groups if groups == channels => Self::Depthwise,
            _ => Self::Grouped,
        }
    }
}

impl Conv2d {
    /// The kind of this convolution on `channels` input channels. A single channel in one group is a standard convolution
    /// (or a stem), not a depthwise one.
    pub fn kind(&self, channels: usize) -> ConvKind {
        ConvKind::new(&self.window, self.groups, channels)
    }
}

impl QConv2d {
    /// The kind of this convolution on `channels` input channels; see [`Conv2d::kind`].
    pub fn kind(&self, channels: usize) -> ConvKind {
        ConvKind::new(&self.window, self.groups, channels)
    }
}

impl Op {
    /// A unary operator that is an activation.
    pub fn activation(activation: Activation) -> Self {
        Self::Unary(Unary::Activation(activation))
    }

    /// A binary operator without activation.
    pub fn binary(function: Binary) -> Self {
        Self::Binary { function, activation: Activation::Identity }
    }

    /// The operator's name, as it is printed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv2d(_) => "conv2d",
            Self::ConvTranspose(_) => "conv_transpose",
            Self::Dense { .. } => "dense",
            Self::MatMul => "matmul",
            Self::BatchNorm { .. } => "batch_norm",
            Self::Pool(Pool { kind: PoolKind::Max, .. }) => "max_pool",
            Self::Pool(_) => "average_pool",
            Self::Reduce { .. } => "reduce",
            Self::Unary(_) => "unary",
            Self::Binary { .. } => "binary",
            Self::Softmax { log: false, .. } => "softmax",
            Self::Softmax { log: true, .. } => "log_softmax",
            Self::Resize(_) => "resize",
            Self::Reshape { .. } => "reshape",
            Self::Transpose { .. } => "transpose",
            Self::Concat { .. } => "concat",
            Self::Slice { .. } => "slice",
            Self::Pad { .. } => "pad",
            Self::Gather { .. } => "gather",
            Self::Broadcast { .. } => "broadcast",
            Self::Quantize(_) => "quantize",
            Self::Dequantize(_) => "dequantize",
            Self::Lookup(_) => "lookup",
            Self::QConv2d(_) => "qconv2d",
            Self::QBinary(_) => "qbinary",
            Self::QAverage(_) => "qaverage_pool",
        }
    }
}
