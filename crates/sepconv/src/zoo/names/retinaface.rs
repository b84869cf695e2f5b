//! The names of the MobileNetV1 in biubug6/Pytorch_Retinaface: `stage2.0.3.weight`. Its first stage holds the stem and
//! all blocks on larger planes than those of stage 2.

use super::{Modules, before};
use crate::zoo::{Architecture, Layer, LayerKind};

pub(super) fn modules(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    let pair = |at: &str, place: usize| Modules::new(format!("{at}.{place}"), format!("{at}.{}", place + 1));
    match layer {
        Layer::Stem => pair("stage1.0", 0),
        Layer::Block { stage, index, kind } => {
            let at = match stage {
                0..=2 => format!("stage1.{}", 1 + before(architecture, stage, index)),
                _ => format!("stage{}.{index}", stage - 1),
            };
            match kind {
                LayerKind::Depthwise => pair(&at, 0),
                LayerKind::Pointwise => pair(&at, 3),
                _ => None,
            }
        }
        Layer::Head => None,
        Layer::Classifier => Modules::only("fc"),
    }
}
