use core::fmt::{self, Display};

use sepconv_kernels::{Activation, Window, elementwise::Unary};

use super::{ConvKind, Fill, Op, Pool, QAverage, QOutput};

/// `relu6`, `silu`, `clip(-1,1)`; empty for the identity.
pub(crate) struct ActivationName(pub(crate) Activation);

impl Display for ActivationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Activation::Identity => Ok(()),
            Activation::Relu => f.write_str("relu"),
            Activation::RELU6 => f.write_str("relu6"),
            Activation::Clip { low, high } => write!(f, "clip({low},{high})"),
            Activation::LeakyRelu { slope } => write!(f, "leaky_relu({slope})"),
            Activation::HardSigmoid { .. } => f.write_str("hard_sigmoid"),
            Activation::HardSwish => f.write_str("hard_swish"),
            Activation::Sigmoid => f.write_str("sigmoid"),
            Activation::Silu => f.write_str("silu"),
            Activation::Tanh => f.write_str("tanh"),
        }
    }
}

/// `3x3`, `5x5/2` (stride), `3x3/2,1`, with dilation as `d2` and padding where it is not symmetric as `p(0,1,0,1)`.
struct WindowName(Window);

impl Display for WindowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { kernel, stride, dilation, before, after } = self.0;
        write!(f, "{}x{}", kernel[0], kernel[1])?;
        match stride {
            [1, 1] => {}
            [y, x] if y == x => write!(f, "/{y}")?,
            [y, x] => write!(f, "/{y},{x}")?,
        }
        match dilation {
            [1, 1] => {}
            [y, x] if y == x => write!(f, " d{y}")?,
            [y, x] => write!(f, " d{y},{x}")?,
        }
        if before != after {
            write!(f, " p({},{},{},{})", before[0], before[1], after[0], after[1])?;
        }
        Ok(())
    }
}

impl Display for Op {
    /// The operator with its parameters in short: `conv2d 3x3/2 relu6`, `mean [1,2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let activated = |f: &mut fmt::Formatter<'_>, activation: Activation| match activation {
            Activation::Identity => Ok(()),
            activation => write!(f, " {}", ActivationName(activation)),
        };
        match self {
            Self::Unary(Unary::Activation(activation)) => write!(f, "{}", ActivationName(*activation)),
            Self::Unary(function) => lower(f, function),
            Self::Binary { function, activation } => lower(f, function).and_then(|()| activated(f, *activation)),
            Self::Reduce { reduction, axes, .. } => lower(f, reduction).and_then(|()| write!(f, " {axes:?}")),
            Self::QBinary(binary) => f.write_str("q").and_then(|()| lower(f, &binary.function)),
            _ => {
                f.write_str(self.name())?;
                match self {
                    Self::Conv2d(conv) => {
                        write!(f, " {}{}", WindowName(conv.window), Groups(conv.groups))?;
                        activated(f, conv.activation)
                    }
                    Self::QConv2d(conv) => {
                        write!(f, " {}{}{}", WindowName(conv.window), Groups(conv.groups), Joined(&conv.output))
                    }
                    Self::ConvTranspose(conv) => {
                        write!(f, " {}", WindowName(conv.window)).and_then(|()| activated(f, conv.activation))
                    }
                    Self::Dense { activation } => activated(f, *activation),
                    Self::Pool(Pool { window, .. }) | Self::QAverage(QAverage { pool: Pool { window, .. }, .. }) => {
                        write!(f, " {}", WindowName(*window))
                    }
                    Self::Quantize(quantization) | Self::Dequantize(quantization) => write!(f, " {quantization}"),
                    Self::Softmax { axis, .. } | Self::Concat { axis } | Self::Gather { axis } => {
                        write!(f, " [{axis}]")
                    }
                    Self::Resize(resize) => write!(f, " {}x{}", resize.plane[0], resize.plane[1]),
                    Self::Transpose { order } => write!(f, " {order:?}"),
                    Self::Slice { starts, steps, .. } => write!(f, " from {starts:?} by {steps:?}"),
                    Self::Pad { before, after, fill } => {
                        write!(f, " {before:?} {after:?}")?;
                        match fill {
                            Fill::Constant(0.0) => Ok(()),
                            fill => write!(f, " {fill:?}"),
                        }
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// ` g4`; empty for one group.
struct Groups(usize);

impl Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, " g{}", self.0) } else { Ok(()) }
    }
}

/// What an int8 layer does to its bytes before it stores them: ` table +residual`.
struct Joined<'a>(&'a QOutput);

impl Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QOutput::Bytes { table, residual, .. } = self.0 else { return f.write_str(" to f32") };
        f.write_str(if table.is_some() { " table" } else { "" })?;
        f.write_str(if residual.is_some() { " +residual" } else { "" })
    }
}

/// An operator as a layer on that many input channels: convolutions are told by their kind, as `depthwise 3x3/2 relu6`, `pointwise`,
/// `pointwise u8 table +residual`.
pub(crate) struct LayerName<'a>(pub(crate) &'a Op, pub(crate) usize);

impl Display for LayerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conv = |f: &mut fmt::Formatter<'_>, kind: ConvKind, window: &Window, groups: usize| match kind {
            ConvKind::Pointwise => write!(f, "{kind}"),
            ConvKind::Grouped => write!(f, "{kind} {}{}", WindowName(*window), Groups(groups)),
            _ => write!(f, "{kind} {}", WindowName(*window)),
        };
        let Self(op, channels) = *self;
        match op {
            Op::Conv2d(layer) => {
                conv(f, layer.kind(channels), &layer.window, layer.groups)?;
                match layer.activation {
                    Activation::Identity => Ok(()),
                    activation => write!(f, " {}", ActivationName(activation)),
                }
            }
            Op::QConv2d(layer) => {
                conv(f, layer.kind(channels), &layer.window, layer.groups)?;
                write!(f, " u8{}", Joined(&layer.output))
            }
            op => write!(f, "{op}"),
        }
    }
}

/// A function's name in lower case, without its parameters' names.
fn lower(f: &mut fmt::Formatter<'_>, function: &dyn fmt::Debug) -> fmt::Result {
    alloc::format!("{function:?}").chars().try_for_each(|c| write!(f, "{}", c.to_ascii_lowercase()))
}
