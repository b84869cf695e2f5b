use core::ops::Range;

use bytemuck::cast_slice_mut;
use sepconv_kernels::{ConvGeometry, Isa, Tile, conv_transpose, conv2d, depthwise, pointwise};

use super::aligned::Aligned;
#[cfg(feature = "int8")]
use super::pack_int8::{Constants, Layout};
use crate::{Graph, ValueId};

/// Something to write among a plan's weights.
pub(super) enum Pack {
    /// Weights `w` and bias `b` in the order that a kernel wants.
    Weights { weights: Weights, w: ValueId, b: ValueId, range: Range<usize> },
    /// The constants of an int8 layer.
    #[cfg(feature = "int8")]
    Int8 { layout: Layout, constants: Constants, range: Range<usize> },
    /// A constant as it is.
    Copy { id: ValueId, range: Range<usize> },
}

/// Whose weights they are.
pub(super) enum Weights {
    Matrix(Tile, usize),
    Conv2d(Tile, ConvGeometry),
    Depthwise(ConvGeometry),
    ConvTranspose(Tile, ConvGeometry),
}

/// Writes everything that was reserved.
pub(super) fn pack(graph: &Graph, isa: Isa, packs: &[Pack], len: usize) -> Aligned {
    let mut buffer = Aligned::zeros(len);
    let constant = |id: ValueId| graph.value(id).constant.as_deref().expect("planned weights are constants");
    let floats = |id: ValueId| constant(id).as_f32().expect("planned weights are floats");
    for pack in packs {
        match pack {
            Pack::Copy { id, range } => buffer[range.clone()].copy_from_slice(constant(*id).bytes()),
            #[cfg(feature = "int8")]
            Pack::Int8 { layout, constants, range } => {
                layout.pack(isa, constants, cast_slice_mut(&mut buffer[range.clone()]));
            }
            Pack::Weights { weights, w, b, range } => {
                let (w, b, packed) = (floats(*w), floats(*b), cast_slice_mut(&mut buffer[range.clone()]));
                match weights {
                    Weights::Matrix(tile, k) => pointwise::pack(isa, *tile, *k, w, b, packed),
                    Weights::Conv2d(tile, conv) => conv2d::pack(isa, *tile, conv, w, b, packed),
                    Weights::Depthwise(conv) => depthwise::pack(isa, conv, w, Some(b), packed),
                    Weights::ConvTranspose(tile, conv) => conv_transpose::pack(isa, *tile, conv, w, b, packed),
                }
            }
        }
    }
    buffer
}
