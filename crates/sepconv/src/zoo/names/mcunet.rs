//! The names of MCUNet and of the code that it comes from (ProxylessNAS, Once-for-All):
//! `blocks.3.mobile_inverted_conv.depth_conv.bn.bias`.

use super::{Modules, before};
use crate::zoo::{Architecture, Layer, LayerKind};

pub(super) fn modules(architecture: &Architecture, layer: Layer) -> Option<Modules> {
    let pair = |at: &str| Modules::new(format!("{at}.conv"), format!("{at}.bn"));
    match layer {
        Layer::Stem => pair("first_conv"),
        Layer::Block { stage, index, kind } => {
            let name = match kind {
                LayerKind::Expand => "inverted_bottleneck",
                LayerKind::Depthwise => "depth_conv",
                LayerKind::Pointwise | LayerKind::Project => "point_linear",
                _ => return None,
            };
            pair(&format!("blocks.{}.mobile_inverted_conv.{name}", before(architecture, stage, index)))
        }
        Layer::Head => pair("feature_mix_layer"),
        Layer::Classifier => Modules::only("classifier.linear"),
    }
}
