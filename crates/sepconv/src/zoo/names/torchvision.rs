//! torchvision's names: positions in nested sequences of modules, counted otherwise in each family.

use super::{Modules, before, modules_before};
use crate::zoo::{Architecture, Layer, LayerKind};

/// `features.3.conv.1.0.weight`: blocks counted through all stages; in a block all but the last layer are sequences of
/// their own.
pub(super) fn mobilenet_v2(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    let (stage, index, kind) = match layer {
        Layer::Block { stage, index, kind } => (stage, index, kind),
        Layer::Stem => return sequence("features.0"),
        Layer::Head => return sequence(&format!("features.{}", 1 + before(architecture, usize::MAX, 0))),
        Layer::Classifier => return Modules::only("classifier.1"),
    };
    let at = format!("features.{}.conv", 1 + before(architecture, stage, index));
    let place = modules_before(architecture.block(stage, index)?, kind)?;
    match kind {
        LayerKind::Expand | LayerKind::Depthwise => sequence(&format!("{at}.{place}")),
        LayerKind::Pointwise | LayerKind::Project => pair(&at, place),
        _ => None,
    }
}

/// `features.4.block.2.fc1.weight`: blocks counted through all stages, the last of which is a single convolution.
pub(super) fn mobilenet_v3(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    match layer {
        Layer::Stem => sequence("features.0"),
        Layer::Block { stage, index, kind } => {
            let at = format!("features.{}", 1 + before(architecture, stage, index));
            if kind == LayerKind::Conv { sequence(&at) } else { in_block(architecture, &at, layer) }
        }
        Layer::Head => Modules::only("classifier.0"),
        Layer::Classifier => Modules::only("classifier.3"),
    }
}

/// `features.2.0.block.2.fc1.weight`: the stage, then the block in it.
pub(super) fn efficientnet(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    match layer {
        Layer::Stem => sequence("features.0"),
        Layer::Block { stage, index, .. } => in_block(architecture, &format!("features.{}.{index}", stage + 1), layer),
        Layer::Head => sequence(&format!("features.{}", architecture.stages.len() + 1)),
        Layer::Classifier => Modules::only("classifier.1"),
    }
}

/// `layers.9.0.layers.3.weight`: one long sequence in which activations count; from the second stage on stages are
/// sequences in it.
pub(super) fn mnasnet(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    let first_stage = 8;
    match layer {
        Layer::Stem => pair("layers", 0),
        Layer::Block { stage: 0, index: 0, kind: LayerKind::Depthwise } => pair("layers", 3),
        Layer::Block { stage: 0, index: 0, kind: LayerKind::Pointwise } => pair("layers", 6),
        Layer::Block { stage, index, kind } => {
            let place = 3 * modules_before(architecture.block(stage, index)?, kind)?;
            pair(&format!("layers.{}.{index}.layers", (first_stage + stage).checked_sub(1)?), place)
        }
        Layer::Head => pair("layers", first_stage + architecture.stages.len() - 1),
        Layer::Classifier => Modules::only("classifier.1"),
    }
}

/// `stage2.0.branch1.0.weight`: in each branch of a block, activations count.
pub(super) fn shufflenet_v2(_: &Architecture, layer: Layer) -> Option<Modules> {
    let (stage, index, kind) = match layer {
        Layer::Stem => return sequence("conv1"),
        Layer::Block { stage: 3, index: 0, kind: LayerKind::Conv } => return sequence("conv5"),
        Layer::Block { stage, index, kind } => (stage, index, kind),
        Layer::Head => return None,
        Layer::Classifier => return Modules::only("fc"),
    };
    let (branch, place) = match kind {
        LayerKind::ShortcutDepthwise => ("branch1", 0),
        LayerKind::ShortcutPointwise => ("branch1", 2),
        LayerKind::Expand => ("branch2", 0),
        LayerKind::Depthwise => ("branch2", 3),
        LayerKind::Project => ("branch2", 5),
        _ => return None,
    };
    pair(&format!("stage{}.{index}.{branch}", stage + 2), place)
}

/// A layer of a block of MobileNetV3 or EfficientNet.
fn in_block(architecture: &Architecture, at: &str, layer: Layer) -> Option<Modules> {
    let Layer::Block { stage, index, kind } = layer else { return None };
    let at = format!("{at}.block.{}", modules_before(architecture.block(stage, index)?, kind)?);
    match kind {
        LayerKind::SqueezeReduce => Modules::only(at + ".fc1"),
        LayerKind::SqueezeExpand => Modules::only(at + ".fc2"),
        _ => sequence(&at),
    }
}

/// Convolution and batch normalization in a sequence.
fn sequence(at: &str) -> Option<Modules> {
    pair(at, 0)
}

/// Convolution and batch normalization from a place in a sequence on.
fn pair(at: &str, place: usize) -> Option<Modules> {
    Modules::new(format!("{at}.{place}"), format!("{at}.{}", place + 1))
}
