//! Transposed convolution: ONNX's ConvTranspose and TFLite's TRANSPOSE_CONV, which decoders grow planes with.
//!
//! Input pixel `(iy, ix)` times tap `(ky, kx)` is added to output pixel `(iy·stride + ky·dilation - before, …)`, where
//! that exists: the output's size is free, and `window.after` is not read. Weights are `[o, kh, kw, c / groups]`.

mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference;

use crate::activation::Activation;
use crate::epilogue::F32Output;
use crate::gemm::microkernel::F32MicroKernel;
use crate::gemm::{self, Tile};
use crate::geometry::{ConvGeometry, ConvOperands};
use crate::simd::Isa;

impl ConvGeometry {
    /// The tile that suits this convolution: a block of pixels lies in one row, a stride apart, a panel in one group.
    pub fn transposed_tile(&self, isa: Isa) -> Tile {
        Tile::choose(isa, self.output[1].div_ceil(self.window.stride[1]), self.depth(), self.group_channels()[1])
    }

    /// The input position that `tap` spreads to output position `out` along `axis`, if any does.
    fn transposed_source(&self, axis: usize, out: usize, tap: usize) -> Option<usize> {
        let distance = (out + self.window.before[axis]).checked_sub(tap * self.window.dilation[axis])?;
        let stride = self.window.stride[axis];
        (distance.is_multiple_of(stride) && distance / stride < self.input[axis]).then(|| distance / stride)
    }

    fn transposed_check(&self) {
        let Self { window, input: [h, w, c], output: [_, ow, o], groups } = *self;
        assert!(h > 0 && w > 0 && c > 0 && ow > 0 && o > 0 && groups > 0, "nothing is empty");
        assert!(window.extent().is_some(), "kernel, stride and dilation are at least one");
        assert!(c.is_multiple_of(groups) && o.is_multiple_of(groups), "channels divide into groups");
    }
}

/// The length of the output of [`pack`].
pub fn packed_len(isa: Isa, tile: Tile, conv: &ConvGeometry) -> usize {
    gemm::packed_groups_len(isa, tile, conv.groups, conv.depth(), conv.group_channels()[1])
}

/// Re-orders `weights` `[o, kh, kw, c / groups]` and `bias` `[o]` into panels, group after group.
pub fn pack(isa: Isa, tile: Tile, conv: &ConvGeometry, weights: &[f32], bias: &[f32], packed: &mut [f32]) {
    assert_eq!(bias.len(), conv.output[2], "bias is [o]");
    gemm::pack_groups(isa, tile, conv.groups, conv.depth(), weights, bias, packed);
}

/// Computes output rows: `activation(bias + transposed convolution)`, vectorized over output channels.
///
/// Cost: at most `h·w·c / groups·kh·kw·o` multiply-adds. Numerics as in [`conv2d`](crate::conv2d::conv2d). Panics when
/// sizes contradict each other.
pub fn conv_transpose(
    isa: Isa,
    tile: Tile,
    conv: &ConvGeometry,
    operands: ConvOperands<'_, f32, f32>,
    activation: Activation,
    out: &mut [f32],
) {
    conv.transposed_check();
    tile.check(isa);
    operands.check(conv, packed_len(isa, tile, conv), out.len());
    let micro_kernel = F32MicroKernel { isa, output: F32Output { residual: None, activation, out } };
    tile.isa(isa).run(kernel::Transposed { micro_kernel, tile, conv: *conv, operands });
}
