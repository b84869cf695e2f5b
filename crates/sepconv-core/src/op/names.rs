//! How parameters of operators are printed.

use core::fmt::{self, Display, Write};

use sepconv_kernels::{Activation, Window};

use super::{ConvKind, Op};

/// `relu6`, `silu`, `clip(-1,1)`; empty for the identity.
pub(super) struct ActivationName(pub(super) Activation);

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

/// An activation as the last step of an operator: ` relu6`; empty for the identity.
pub(super) struct Then(pub(super) Activation);

impl Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Activation::Identity { Ok(()) } else { write!(f, " {}", ActivationName(self.0)) }
    }
}

/// `3x3`, `5x5/2` (stride), `3x3/2,1`, with dilation as `d2` and padding where it is not symmetric as `p(0,1,0,1)`.
pub(super) struct WindowName(pub(super) Window);

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

/// ` g4`; empty for one group.
pub(super) struct Groups(pub(super) usize);

impl Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, " g{}", self.0) } else { Ok(()) }
    }
}

/// A convolution by its kind: `depthwise 3x3/2`, `pointwise`, `grouped 3x3 g4`.
pub(super) struct ConvName(pub(super) ConvKind, pub(super) Window, pub(super) usize);

impl Display for ConvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, window, groups) = *self;
        match kind {
            ConvKind::Pointwise => write!(f, "{kind}"),
            ConvKind::Grouped => write!(f, "{kind} {}{}", WindowName(window), Groups(groups)),
            ConvKind::Depthwise | ConvKind::Stem | ConvKind::Standard => write!(f, "{kind} {}", WindowName(window)),
        }
    }
}

/// An operator as a layer on that many input channels.
pub(crate) struct LayerName<'a>(pub(crate) &'a Op, pub(crate) usize);

impl Display for LayerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.operator().describe_layer(f, self.1)
    }
}

/// A function's name in lower case.
pub(super) struct LowerCase<'a, T>(pub(super) &'a T);

impl<T: fmt::Debug> Display for LowerCase<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        alloc::format!("{:?}", self.0).chars().try_for_each(|c| f.write_char(c.to_ascii_lowercase()))
    }
}
