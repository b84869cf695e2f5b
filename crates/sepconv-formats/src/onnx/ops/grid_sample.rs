//! GridSample: feature maps at positions that are computed.

use sepconv_core::op::{self, GridPadding, Interpolation};
use sepconv_core::{Error, Result, ValueId};

use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// Operator sets before 20 name the modes after two axes.
pub(super) fn grid_sample(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, grid) = (node.input(0)?, node.input(1)?);
    if node.rank(x) != 4 {
        return Err(Error::unsupported("only two axes are sampled").expected("4 axes: [n,c,h,w]", node.shape(x)));
    }
    let interpolation = match node.attributes.string_or("mode", "linear")? {
        "linear" | "bilinear" => Interpolation::Linear,
        "nearest" => Interpolation::Nearest,
        "cubic" | "bicubic" => Interpolation::Cubic,
        other => return Err(unsupported_value("mode", other, "linear, nearest or cubic")),
    };
    let padding = match node.attributes.string_or("padding_mode", "zeros")? {
        "zeros" => GridPadding::Zeros,
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        other => return Err(unsupported_value("padding_mode", other, "zeros, border or reflection")),
    };
    let align_corners = node.attributes.flag("align_corners", false)?;
    let x = node.channels_last(x)?;
    let y = node.emit(op::GridSample { interpolation, padding, align_corners }, &[x, grid])?;
    node.channels_first(y)
}
