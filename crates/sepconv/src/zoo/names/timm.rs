//! timm's names, the same for all of its families: `blocks.2.0.conv_dw.weight`.

use super::{Modules, block};
use crate::zoo::{Architecture, BlockKind, Layer, Part};

pub(super) fn modules(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    let (stage, index, part) = match layer {
        Layer::Stem => return Modules::new("conv_stem", "bn1"),
        Layer::Head => {
            let pooled = architecture.head.as_ref().is_some_and(|head| head.pooled);
            return Modules::new("conv_head", if pooled { "norm_head" } else { "bn2" });
        }
        Layer::Classifier => return Modules::only("classifier"),
        Layer::Block { stage, index, part } => (stage, index, part),
    };
    let kind = block(architecture, stage, index)?.kind;
    let (layer, norm) = match (kind, part) {
        (_, Part::SqueezeReduce) => ("se.conv_reduce", ""),
        (_, Part::SqueezeExpand) => ("se.conv_expand", ""),
        (BlockKind::UniversalInvertedResidual, Part::DepthwiseStart) => ("dw_start.conv", "dw_start.bn"),
        (BlockKind::UniversalInvertedResidual, Part::Expand) => ("pw_exp.conv", "pw_exp.bn"),
        (BlockKind::UniversalInvertedResidual, Part::Depthwise) => ("dw_mid.conv", "dw_mid.bn"),
        (BlockKind::UniversalInvertedResidual, Part::Project) => ("pw_proj.conv", "pw_proj.bn"),
        (BlockKind::InvertedResidual, Part::Expand) => ("conv_pw", "bn1"),
        (BlockKind::InvertedResidual, Part::Depthwise) => ("conv_dw", "bn2"),
        (BlockKind::InvertedResidual, Part::Project) => ("conv_pwl", "bn3"),
        (BlockKind::EdgeResidual, Part::Expand) => ("conv_exp", "bn1"),
        (BlockKind::EdgeResidual, Part::Project) => ("conv_pwl", "bn2"),
        (_, Part::Depthwise) => ("conv_dw", "bn1"),
        (_, Part::Pointwise) => ("conv_pw", "bn2"),
        (_, Part::Conv) => ("conv", "bn1"),
        (_, Part::DepthwiseStart | Part::Expand | Part::Project) => return None,
    };
    let at = |module: &str| format!("blocks.{stage}.{index}.{module}");
    Modules::new(at(layer), at(norm))
}
