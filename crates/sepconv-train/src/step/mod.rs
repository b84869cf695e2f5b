//! The steps of a program: what each computes on some images, and its gradient.

pub(crate) mod conv;
pub(crate) mod movement;
pub(crate) mod norm;

use sepconv_core::op::{Activation, PoolKind};
use sepconv_kernels::ConvGeometry;

/// An operation on values of a program.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) inputs: Vec<usize>,
    pub(crate) output: usize,
}

/// What a step computes; numbers name parameters and statistics of the program.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A convolution of any kind, or a fully connected layer, which is pointwise.
    Conv { weight: usize, bias: Option<usize>, geometry: ConvGeometry },
    /// Batch normalization and the activation behind it.
    Norm { scale: usize, shift: usize, statistics: usize, epsilon: f32, activation: Activation },
    /// An activation that follows no batch normalization.
    Activation { activation: Activation, channels: usize },
    /// The sum of two values.
    Add,
    /// A map times a factor for each channel: squeeze-excite.
    Gate { channels: usize },
    /// The mean of each channel.
    Mean { pixels: usize, channels: usize },
    /// Pooling of windows.
    Pool { kind: PoolKind, geometry: ConvGeometry },
    /// The same numbers in another shape.
    Copy,
    /// Operands one after the other in each pixel.
    Concat { channels: Vec<usize> },
    /// Zeros around a map.
    Pad { before: [usize; 3], from: [usize; 3], to: [usize; 3] },
}

impl Kind {
    pub(crate) fn has_parameters(&self) -> bool {
        matches!(self, Self::Norm { .. }) || self.own_parameters().next().is_some()
    }

    /// The parameters whose gradients are sums over images: those of a normalization are known before its own gradient.
    pub(crate) fn own_parameters(&self) -> impl Iterator<Item = usize> + use<> {
        let [weight, bias] = match *self {
            Self::Conv { weight, bias, .. } => [Some(weight), bias],
            Self::Norm { .. }
            | Self::Activation { .. }
            | Self::Add
            | Self::Gate { .. }
            | Self::Mean { .. }
            | Self::Pool { .. }
            | Self::Copy
            | Self::Concat { .. }
            | Self::Pad { .. } => [None; 2],
        };
        weight.into_iter().chain(bias)
    }
}
