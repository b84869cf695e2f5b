//! The source of a network's parameters.

use std::fmt;

use sepconv_core::{DType, Data, Result, Shape, Tensor};

/// Gives the parameters of a network, one tensor for each [`ParamId`].
///
/// [`Network::graph`](super::Network::graph) asks once for each parameter, in the order of execution.
pub trait Parameters {
    /// The f32 tensor of `id`, in exactly this shape.
    ///
    /// Weights of convolutions are `[out, kh, kw, in / groups]` (a depthwise one has `[channels, kh, kw, 1]`), those of
    /// fully connected layers `[out, in]`, everything else `[channels]`.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    fn tensor(&mut self, id: &ParamId, shape: &Shape) -> Result<Tensor>;
}

/// Which parameter of which layer. Printed as `blocks.2.0.expand.weight`, in a branch as `stem.one_by_one.weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId {
    /// The layer.
    pub layer: Layer,
    /// The branch, where the layer has several.
    pub branch: Option<Branch>,
    /// Which of its parameters.
    pub kind: ParamKind,
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
        kind: LayerKind,
    },
    /// The pointwise convolution between the last block and the classifier, or the fully connected layer where it
    /// follows pooling (see [`Head::pooled`](super::Head::pooled)).
    Head,
    /// The fully connected layer that gives one number for each class.
    Classifier,
}

/// The layers of blocks; which of them a block has says [`Block::layer_kinds`](super::Block::layer_kinds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LayerKind {
    /// The depthwise convolution before the expansion (MobileNetV4).
    DepthwiseStart,
    /// The convolution that widens: 1×1, or k×k in a fused block.
    Expand,
    /// The depthwise convolution that makes the second half of its channels (GhostNet).
    ExpandCheap,
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
    /// The depthwise convolution that makes the second half of its channels (GhostNet).
    ProjectCheap,
    /// The only convolution of a standard block.
    Conv,
    /// The depthwise convolution beside the others (ShuffleNetV2).
    ShortcutDepthwise,
    /// The pointwise convolution after that.
    ShortcutPointwise,
    /// The pointwise convolution of the gate (GhostNetV2).
    GatePointwise,
    /// The depthwise convolution along rows after that.
    GateRow,
    /// The depthwise convolution along columns after that.
    GateColumn,
}

/// The branches that are added in place of a layer's convolution while it is trained, each with a batch normalization
/// of its own (RepVGG, MobileOne). Planning makes one convolution of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// A convolution as the layer's, one of several, from 0.
    Window(usize),
    /// A convolution of 1×1 windows, where the layer's are larger.
    OneByOne,
    /// The input, where that has the shape of the result.
    Identity,
}

/// The parameters that a layer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParamKind {
    /// Weights of the convolution or fully connected layer.
    Weight,
    /// Bias of the convolution or fully connected layer.
    Bias,
    /// Scale of batch normalization (torch: `weight`; the paper: gamma).
    NormScale,
    /// Shift of batch normalization (torch: `bias`; the paper: beta).
    NormShift,
    /// Mean of batch normalization (torch: `running_mean`).
    NormMean,
    /// Variance of batch normalization (torch: `running_var`).
    NormVariance,
}

impl LayerKind {
    /// Whether the layer is beside the others of its block.
    pub(super) fn is_shortcut(self) -> bool {
        matches!(self, Self::ShortcutDepthwise | Self::ShortcutPointwise)
    }

    /// Whether the layer is one of squeeze-excite.
    pub(super) fn is_squeeze(self) -> bool {
        matches!(self, Self::SqueezeReduce | Self::SqueezeExpand)
    }

    /// Whether the layer is one of a gate.
    pub(super) fn is_gate(self) -> bool {
        matches!(self, Self::GatePointwise | Self::GateRow | Self::GateColumn)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stem => f.write_str("stem"),
            Self::Block { stage, index, kind } => write!(f, "blocks.{stage}.{index}.{kind}"),
            Self::Head => f.write_str("head"),
            Self::Classifier => f.write_str("classifier"),
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DepthwiseStart => "depthwise_start",
            Self::Expand => "expand",
            Self::ExpandCheap => "expand_cheap",
            Self::Depthwise => "depthwise",
            Self::SqueezeReduce => "squeeze_reduce",
            Self::SqueezeExpand => "squeeze_expand",
            Self::Pointwise => "pointwise",
            Self::Project => "project",
            Self::ProjectCheap => "project_cheap",
            Self::Conv => "conv",
            Self::ShortcutDepthwise => "shortcut_depthwise",
            Self::ShortcutPointwise => "shortcut_pointwise",
            Self::GatePointwise => "gate_pointwise",
            Self::GateRow => "gate_row",
            Self::GateColumn => "gate_column",
        })
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(number) => write!(f, "window{number}"),
            Self::OneByOne => f.write_str("one_by_one"),
            Self::Identity => f.write_str("identity"),
        }
    }
}

impl fmt::Display for ParamKind {
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

impl fmt::Display for ParamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.branch {
            Some(branch) => write!(f, "{}.{branch}.{}", self.layer, self.kind),
            None => write!(f, "{}.{}", self.layer, self.kind),
        }
    }
}

/// Weights of zero, and ones for all other parameters: to count the cost of a network. Zeroed pages are mapped lazily,
/// so the largest network takes milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZeroWeights;

impl Parameters for ZeroWeights {
    fn tensor(&mut self, id: &ParamId, shape: &Shape) -> Result<Tensor> {
        match id.kind {
            ParamKind::Weight => Ok(Tensor::zeros(shape.clone(), DType::F32)),
            ParamKind::Bias
            | ParamKind::NormScale
            | ParamKind::NormShift
            | ParamKind::NormMean
            | ParamKind::NormVariance => Tensor::new(shape.clone(), Data::F32(vec![1.0; shape.elements()])),
        }
    }
}
