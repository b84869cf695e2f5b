//! timm's names, the same for all of its families: `blocks.2.0.conv_dw.weight`.

use super::Modules;
use crate::zoo::{Architecture, BlockKind, Branch, Layer, LayerKind};

pub(super) fn modules(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    let (stage, index, layer_kind) = match layer {
        Layer::Stem => return Modules::new("conv_stem", "bn1"),
        Layer::Head => {
            let pooled = architecture.head.as_ref().is_some_and(|head| head.pooled);
            return Modules::new("conv_head", if pooled { "norm_head" } else { "bn2" });
        }
        Layer::Classifier => return Modules::only("classifier"),
        Layer::Block { stage, index, kind } => (stage, index, kind),
    };
    let kind = architecture.block(stage, index)?.kind;
    let (layer, norm) = match (kind, layer_kind) {
        (_, LayerKind::SqueezeReduce) => ("se.conv_reduce", ""),
        (_, LayerKind::SqueezeExpand) => ("se.conv_expand", ""),
        (BlockKind::UniversalInvertedResidual, LayerKind::DepthwiseStart) => ("dw_start.conv", "dw_start.bn"),
        (BlockKind::UniversalInvertedResidual, LayerKind::Expand) => ("pw_exp.conv", "pw_exp.bn"),
        (BlockKind::UniversalInvertedResidual, LayerKind::Depthwise) => ("dw_mid.conv", "dw_mid.bn"),
        (BlockKind::UniversalInvertedResidual, LayerKind::Project) => ("pw_proj.conv", "pw_proj.bn"),
        (BlockKind::InvertedResidual, LayerKind::Expand) => ("conv_pw", "bn1"),
        (BlockKind::InvertedResidual, LayerKind::Depthwise) => ("conv_dw", "bn2"),
        (BlockKind::InvertedResidual, LayerKind::Project) => ("conv_pwl", "bn3"),
        (BlockKind::EdgeResidual, LayerKind::Expand) => ("conv_exp", "bn1"),
        (BlockKind::EdgeResidual, LayerKind::Project) => ("conv_pwl", "bn2"),
        (BlockKind::Ghost | BlockKind::GhostAttention, kind) => ghost(kind)?,
        (_, LayerKind::Depthwise) => ("conv_dw", "bn1"),
        (_, LayerKind::Pointwise) => ("conv_pw", "bn2"),
        (_, LayerKind::Conv) => ("conv", "bn1"),
        (_, LayerKind::DepthwiseStart | LayerKind::Expand | LayerKind::Project) => return None,
        (_, LayerKind::ShortcutDepthwise | LayerKind::ShortcutPointwise) => return None,
        (_, LayerKind::ExpandCheap | LayerKind::ProjectCheap) => return None,
        (_, LayerKind::GatePointwise | LayerKind::GateRow | LayerKind::GateColumn) => return None,
    };
    let at = |module: &str| format!("blocks.{stage}.{index}.{module}");
    Modules::new(at(layer), at(norm))
}

/// GhostNetV3: layers that are trained with branches have other names, from which those of branches are made.
pub(super) fn ghostnet_v3(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    if architecture.branches(layer) == 0 {
        return modules(architecture, layer);
    }
    let Layer::Block { stage, index, kind } = layer else { return None };
    let name = match kind {
        LayerKind::Expand => "ghost1.primary_rpr",
        LayerKind::ExpandCheap => "ghost1.cheap_rpr",
        LayerKind::Depthwise => "dw_rpr",
        LayerKind::Project => "ghost2.primary_rpr",
        LayerKind::ProjectCheap => "ghost2.cheap_rpr",
        _ => return None,
    };
    let is_ghost = architecture.block(stage, index)?.kind.is_ghost();
    if is_ghost { Modules::only(format!("blocks.{stage}.{index}.{name}")) } else { None }
}

pub(super) fn ghostnet_v3_branch(at: &str, branch: Branch) -> Option<Modules> {
    let pair = |at: String| Modules::new(format!("{at}.conv"), format!("{at}.bn1"));
    match branch {
        Branch::Window(number) => pair(format!("{at}_conv.{number}")),
        Branch::OneByOne => pair(format!("{at}_scale")),
        Branch::Identity => Modules::new("", format!("{at}_skip")),
    }
}

/// A layer of a block of ghost modules.
fn ghost(kind: LayerKind) -> Option<(&'static str, &'static str)> {
    match kind {
        LayerKind::Expand => Some(("ghost1.primary_conv.0", "ghost1.primary_conv.1")),
        LayerKind::ExpandCheap => Some(("ghost1.cheap_operation.0", "ghost1.cheap_operation.1")),
        LayerKind::GatePointwise => Some(("ghost1.short_conv.0", "ghost1.short_conv.1")),
        LayerKind::GateRow => Some(("ghost1.short_conv.2", "ghost1.short_conv.3")),
        LayerKind::GateColumn => Some(("ghost1.short_conv.4", "ghost1.short_conv.5")),
        LayerKind::Depthwise => Some(("conv_dw", "bn_dw")),
        LayerKind::Project => Some(("ghost2.primary_conv.0", "ghost2.primary_conv.1")),
        LayerKind::ProjectCheap => Some(("ghost2.cheap_operation.0", "ghost2.cheap_operation.1")),
        LayerKind::ShortcutDepthwise => Some(("shortcut.0", "shortcut.1")),
        LayerKind::ShortcutPointwise => Some(("shortcut.2", "shortcut.3")),
        LayerKind::SqueezeReduce | LayerKind::SqueezeExpand => None,
        LayerKind::DepthwiseStart | LayerKind::Pointwise | LayerKind::Conv => None,
    }
}
