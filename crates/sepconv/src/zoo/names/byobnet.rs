//! timm's names of networks that are trained with branches: `stages.2.3.conv_kxk.0.conv.weight`.

use super::Modules;
use crate::zoo::{Architecture, Branch, Layer, LayerKind};

pub(super) fn mobileone(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    modules(architecture, layer, |kind| kind != LayerKind::Conv)
}

pub(super) fn repvgg(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    modules(architecture, layer, |kind| kind == LayerKind::Conv)
}

/// Each layer of a kind that the library has is a block of its own.
fn modules(architecture: &Architecture, layer: Layer, has: impl Fn(LayerKind) -> bool) -> Option<Modules> {
    let is_branched = architecture.branches(layer) > 0;
    match layer {
        Layer::Stem if is_branched => Modules::only("stem"),
        Layer::Block { stage, index, kind } if is_branched && has(kind) => {
            let place = architecture.block(stage, index)?.layer_kinds().iter().position(|&other| other == kind)?;
            let before = architecture.stages[stage][..index].iter().map(|block| block.layer_kinds().len());
            Modules::only(format!("stages.{stage}.{}", before.sum::<usize>() + place))
        }
        Layer::Stem | Layer::Block { .. } | Layer::Head => None,
        Layer::Classifier => Modules::only("head.fc"),
    }
}

pub(super) fn mobileone_branch(at: &str, branch: Branch) -> Option<Modules> {
    match branch {
        Branch::Window(number) => pair(&format!("{at}.conv_kxk.{number}")),
        Branch::OneByOne => pair(&format!("{at}.conv_scale")),
        Branch::Identity => Modules::new("", format!("{at}.identity")),
    }
}

pub(super) fn repvgg_branch(at: &str, branch: Branch) -> Option<Modules> {
    match branch {
        Branch::Window(0) => pair(&format!("{at}.conv_kxk")),
        Branch::Window(_) => None,
        Branch::OneByOne => pair(&format!("{at}.conv_1x1")),
        Branch::Identity => Modules::new("", format!("{at}.identity")),
    }
}

fn pair(at: &str) -> Option<Modules> {
    Modules::new(format!("{at}.conv"), format!("{at}.bn"))
}
