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
    match layer {
        Layer::Stem => Modules::only("stem"),
        Layer::Block { stage, index, kind } if has(kind) => {
            let place = architecture.block(stage, index)?.layer_kinds().iter().position(|&other| other == kind)?;
            let before = architecture.stages[stage][..index].iter().map(|block| block.layer_kinds().len());
            Modules::only(format!("stages.{stage}.{}", before.sum::<usize>() + place))
        }
        Layer::Block { .. } | Layer::Head => None,
        Layer::Classifier => Modules::only("head.fc"),
    }
}

pub(super) fn mobileone_branch(at: &Modules, branch: Branch) -> Modules {
    match branch {
        Branch::Window(number) => named(at, &format!("conv_kxk.{number}")),
        Branch::OneByOne => named(at, "conv_scale"),
        Branch::Identity => identity(at),
    }
}

pub(super) fn repvgg_branch(at: &Modules, branch: Branch) -> Modules {
    match branch {
        Branch::Window(_) => named(at, "conv_kxk"),
        Branch::OneByOne => named(at, "conv_1x1"),
        Branch::Identity => identity(at),
    }
}

fn named(at: &Modules, branch: &str) -> Modules {
    Modules { layer: format!("{}.{branch}.conv", at.layer), norm: format!("{}.{branch}.bn", at.layer) }
}

fn identity(at: &Modules) -> Modules {
    Modules { layer: String::new(), norm: format!("{}.identity", at.layer) }
}
