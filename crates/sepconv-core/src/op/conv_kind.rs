use core::fmt;

use sepconv_kernels::Window;

/// The kind of a convolution, by its window and channels.
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

impl ConvKind {
    pub(super) fn new(window: &Window, groups: usize, channels: usize) -> Self {
        match groups {
            1 if window.is_pointwise() => Self::Pointwise,
            1 if channels <= 4 => Self::Stem,
            1 => Self::Standard,
            groups => {
                if groups == channels {
                    Self::Depthwise
                } else {
                    Self::Grouped
                }
            }
        }
    }
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
