//! Where the numbers of a network come from.

use std::fmt;

use sepconv_core::{DType, Data, Result, Shape, Tensor};

/// Gives the parameters of a network, one tensor for each [`Role`].
///
/// [`Network::graph`](super::Network::graph) asks once for each parameter, in the order in which a picture meets them.
pub trait Parameters {
    /// The tensor of floats that plays `role`, in exactly this shape.
    ///
    /// Weights of convolutions are `[out, kh, kw, in / groups]` (a depthwise one has `[channels, kh, kw, 1]`), those of
    /// fully connected layers `[out, in]`, everything else `[channels]`.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    fn tensor(&mut self, role: &Role, shape: &Shape) -> Result<Tensor>;
}

/// Which parameter of which layer. Printed as `blocks.2.0.expand.weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role {
    /// The layer.
    pub layer: Layer,
    /// Which of its parameters.
    pub item: Item,
}

/// A layer that has parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The convolution that reads the input.
    Stem,
    /// A layer of a block.
    Block {
        /// The stage, from 0: a position in [`Architecture::stages`](super::Architecture::stages).
        stage: usize,
        /// The block within its stage, from 0.
        index: usize,
        /// The layer within the block.
        part: Part,
    },
    /// The pointwise convolution between the last block and the classifier, or the fully connected layer where it
    /// follows pooling (see [`Head::pooled`](super::Head::pooled)).
    Head,
    /// The fully connected layer that gives one number for each class.
    Classifier,
}

/// The layers of blocks; which of them a block has says [`Block::parts`](super::Block::parts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The depthwise convolution before the expansion (MobileNetV4).
    DepthwiseStart,
    /// The convolution that widens: 1×1, or k×k in a fused block.
    Expand,
    /// The depthwise convolution.
    Depthwise,
    /// The first 1×1 convolution of squeeze-excite.
    SqueezeReduce,
    /// The second 1×1 convolution of squeeze-excite.
    SqueezeExpand,
    /// The pointwise convolution of a separable block.
    Pointwise,
    /// The 1×1 convolution that narrows again.
    Project,
    /// The only convolution of a standard block.
    Conv,
}

/// The parameters that a layer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// Weights of the convolution or fully connected layer.
    Weight,
    /// What is added to its result.
    Bias,
    /// What batch normalization multiplies with (torch calls it `weight`, the paper gamma).
    NormScale,
    /// What batch normalization adds (torch calls it `bias`, the paper beta).
    NormShift,
    /// The mean that batch normalization subtracts (`running_mean`).
    NormMean,
    /// The variance that batch normalization divides by the root of (`running_var`).
    NormVariance,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stem => f.write_str("stem"),
            Self::Block { stage, index, part } => write!(f, "blocks.{stage}.{index}.{part}"),
            Self::Head => f.write_str("head"),
            Self::Classifier => f.write_str("classifier"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DepthwiseStart => "depthwise_start",
            Self::Expand => "expand",
            Self::Depthwise => "depthwise",
            Self::SqueezeReduce => "squeeze_reduce",
            Self::SqueezeExpand => "squeeze_expand",
            Self::Pointwise => "pointwise",
            Self::Project => "project",
            Self::Conv => "conv",
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::NormScale => "norm_scale",
            Self::NormShift => "norm_shift",
            Self::NormMean => "norm_mean",
            Self::NormVariance => "norm_variance",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layer, self.item)
    }
}

/// Weights of zero and ones for everything else: for counting what a network costs. Zeros are memory that the system
/// hands out untouched, so that the largest network takes a moment only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blank;

impl Parameters for Blank {
    fn tensor(&mut self, role: &Role, shape: &Shape) -> Result<Tensor> {
        match role.item {
            Item::Weight => Ok(Tensor::zeros(shape.clone(), DType::F32)),
            _ => Tensor::new(shape.clone(), Data::F32(vec![1.0; shape.elements()])),
        }
    }
}
