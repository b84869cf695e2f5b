//! What parameters are called in the state dicts that others make: one scheme for each way of writing a network down.
//!
//! A scheme maps a layer of an [`Architecture`] to the names of the modules that hold its parameters. Which scheme a
//! file follows is found by the names in it.

mod byobnet;
mod mcunet;
mod retinaface;
mod timm;
mod torchvision;

use super::{Architecture, Block, BlockKind, Branch, Layer, LayerKind, ParamId, ParamKind};

/// A way to name the parameters of a network.
pub(super) struct Scheme {
    /// Whose names these are, for errors.
    pub(super) title: &'static str,
    /// The modules of a layer that has a place in this scheme.
    modules: fn(&Architecture, Layer) -> Option<Modules>,
    /// The modules of a branch, from the name of its layer, in schemes that have a place for branches.
    branch: Option<fn(&str, Branch) -> Option<Modules>>,
    /// What batch normalization adds to variances in the networks that are named so and have PyTorch's padding, where
    /// that depends on the scheme alone.
    pub(super) epsilon: Option<f32>,
}

/// The modules of a layer, as PyTorch calls what owns parameters.
struct Modules {
    /// The convolution or fully connected layer.
    layer: String,
    /// The batch normalization after it; empty where there is none.
    norm: String,
}

/// Every scheme. Of two that fit a file equally well the first counts.
pub(super) const SCHEMES: [Scheme; 11] = [
    Scheme::new("timm's", timm::modules, Some(1e-5)),
    Scheme::new("torchvision's MobileNetV2", torchvision::mobilenet_v2, Some(1e-5)),
    Scheme::new("torchvision's MobileNetV3", torchvision::mobilenet_v3, Some(1e-3)),
    Scheme::new("torchvision's MNASNet", torchvision::mnasnet, Some(1e-5)),
    Scheme::new("torchvision's EfficientNet", torchvision::efficientnet, None),
    Scheme::new("torchvision's ShuffleNetV2", torchvision::shufflenet_v2, Some(1e-5)),
    Scheme::new("timm's GhostNetV3", timm::ghostnet_v3, Some(1e-5)).with_branches(timm::ghostnet_v3_branch),
    Scheme::new("timm's MobileOne", byobnet::mobileone, Some(1e-5)).with_branches(byobnet::mobileone_branch),
    Scheme::new("timm's RepVGG", byobnet::repvgg, Some(1e-5)).with_branches(byobnet::repvgg_branch),
    Scheme::new("MCUNet's", mcunet::modules, Some(1e-5)),
    Scheme::new("Pytorch_Retinaface's MobileNetV1", retinaface::modules, Some(1e-5)),
];

impl Scheme {
    const fn new(
        title: &'static str,
        modules: fn(&Architecture, Layer) -> Option<Modules>,
        epsilon: Option<f32>,
    ) -> Self {
        Self { title, modules, branch: None, epsilon }
    }

    const fn with_branches(self, branch: fn(&str, Branch) -> Option<Modules>) -> Self {
        Self { branch: Some(branch), ..self }
    }

    /// The name of a parameter.
    pub(super) fn name(&self, architecture: &Architecture, id: &ParamId) -> Option<String> {
        let modules = (self.modules)(architecture, id.layer)?;
        let Modules { layer, norm } = match id.branch {
            Some(branch) => (self.branch?)(&modules.layer, branch)?,
            None => modules,
        };
        let (module, parameter) = match id.kind {
            ParamKind::Weight => (layer, "weight"),
            ParamKind::Bias => (layer, "bias"),
            ParamKind::NormScale => (norm, "weight"),
            ParamKind::NormShift => (norm, "bias"),
            ParamKind::NormMean => (norm, "running_mean"),
            ParamKind::NormVariance => (norm, "running_var"),
        };
        Some(format!("{module}.{parameter}"))
    }
}

impl Modules {
    fn new(layer: impl Into<String>, norm: impl Into<String>) -> Option<Self> {
        Some(Self { layer: layer.into(), norm: norm.into() })
    }

    /// A layer without batch normalization.
    fn only(layer: impl Into<String>) -> Option<Self> {
        Self::new(layer, "")
    }
}

/// How many blocks come before one.
fn before(architecture: &Architecture, stage: usize, index: usize) -> usize {
    architecture.stages.iter().take(stage).map(Vec::len).sum::<usize>() + index
}

/// How many modules come before a layer of its block, squeeze-excite being one; `None` in blocks that are no sequence.
fn modules_before(block: &Block, kind: LayerKind) -> Option<usize> {
    if block.kind == BlockKind::Shuffle || block.kind.is_ghost() {
        return None;
    }
    let before = block.layer_kinds().into_iter().take_while(|&other| other != kind);
    Some(before.filter(|&other| other != LayerKind::SqueezeReduce).count())
}
