//! timm's names of networks that are trained with branches: `stages.2.3.conv_kxk.0.conv.weight`.

use super::Modules;
use crate::zoo::{Architecture, Branch, Layer};

/// Each layer is a block of its own.
pub(super) fn modules(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    match layer {
        Layer::Stem => Modules::only("stem"),
        Layer::Block { stage, index, kind } => {
            let place = architecture.block(stage, index)?.layer_kinds().iter().position(|&other| other == kind)?;
            let before = architecture.stages[stage][..index].iter().map(|block| block.layer_kinds().len());
            Modules::only(format!("stages.{stage}.{}", before.sum::<usize>() + place))
        }
        Layer::Head => None,
        Layer::Classifier => Modules::only("head.fc"),
    }
}

/// A branch of MobileOne.
pub(super) fn mobileone(at: &Modules, branch: Branch) -> Modules {
    match branch {
        Branch::Window(number) => named(at, &format!("conv_kxk.{number}")),
        Branch::OneByOne => named(at, "conv_scale"),
        Branch::Identity => identity(at),
    }
}

fn named(at: &Modules, branch: &str) -> Modules {
    Modules { layer: format!("{}.{branch}.conv", at.layer), norm: format!("{}.{branch}.bn", at.layer) }
}

fn identity(at: &Modules) -> Modules {
    Modules { layer: String::new(), norm: format!("{}.identity", at.layer) }
}
