//! Transposed convolution: ONNX's ConvTranspose and TFLite's TRANSPOSE_CONV, which decoders grow planes with.

mod kernel;
mod reference;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub use reference::reference;

use crate::activation::Activation;
use crate::rows::Rows;
use crate::scheme::F32MicroKernel;
use crate::simd::Isa;
use crate::tile::{self, Tile};
use crate::window::Window;

/// A transposed convolution of one NHWC image: the gradient of the convolution whose window it names.
///
/// Input pixel `(iy, ix)` times tap `(ky, kx)` is added to output pixel `(iy·stride + ky·dilation - before, …)`, where
/// that exists: the output's size is free, and `window.after` is not looked at. Weights are `[o, kh, kw, c / groups]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvTranspose {
    /// The window of the convolution whose gradient this is.
    pub window: Window,
    /// `[h, w, c]`
    pub input: [usize; 3],
    /// `[oh, ow, o]`
    pub output: [usize; 3],
    /// Groups that channels are divided in.
    pub groups: usize,
}

impl ConvTranspose {
    /// Input and output channels of a group.
    fn channels(&self) -> [usize; 2] {
        [self.input[2] / self.groups, self.output[2] / self.groups]
    }

    /// Products in an output number, were every tap to meet the input: `kh·kw·c / groups`.
    fn depth(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.channels()[0]
    }

    /// The tile that suits this convolution: a block of pixels lies in one row, a stride apart, a panel in one group.
    pub fn tile(&self, isa: Isa) -> Tile {
        Tile::choose(isa, self.output[1].div_ceil(self.window.stride[1]), self.depth(), self.channels()[1])
    }

    /// The input position that `tap` spreads to output position `out` along `axis`, if any does.
    fn source(&self, axis: usize, out: usize, tap: usize) -> Option<usize> {
        let distance = (out + self.window.before[axis]).checked_sub(tap * self.window.dilation[axis])?;
        let stride = self.window.stride[axis];
        (distance.is_multiple_of(stride) && distance / stride < self.input[axis]).then(|| distance / stride)
    }

    fn check(&self) {
        let Self { window, input: [h, w, c], output: [_, ow, o], groups } = *self;
        assert!(h > 0 && w > 0 && c > 0 && ow > 0 && o > 0 && groups > 0, "nothing is empty");
        assert!(window.extent().is_some(), "kernel, stride and dilation are at least one");
        assert!(c.is_multiple_of(groups) && o.is_multiple_of(groups), "channels divide into groups");
    }
}

/// The length of the output of [`pack`].
pub fn packed_len(isa: Isa, tile: Tile, conv: &ConvTranspose) -> usize {
    tile::packed_groups_len(isa, tile, conv.groups, conv.depth(), conv.channels()[1])
}

/// Re-orders `weights` `[o, kh, kw, c / groups]` and `bias` `[o]` into panels, group after group.
pub fn pack(isa: Isa, tile: Tile, conv: &ConvTranspose, weights: &[f32], bias: &[f32], packed: &mut [f32]) {
    assert_eq!(bias.len(), conv.output[2], "bias is [o]");
    tile::pack_groups(isa, tile, conv.groups, conv.depth(), weights, bias, packed);
}

/// Makes output rows `rows` into `out` `[rows, ow, o]`: `activation(bias + transposed convolution)`, vectorized over
/// output channels. `x` gives rows of `[w, c]`.
///
/// Cost: at most `h·w·c / groups·kh·kw·o` multiply-adds. Numerics as in [`conv2d`](crate::conv2d::conv2d). Panics when
/// sizes contradict each other.
#[allow(clippy::too_many_arguments)]
pub fn conv_transpose(
    isa: Isa,
    tile: Tile,
    conv: &ConvTranspose,
    x: Rows<'_>,
    packed: &[f32],
    activation: Activation,
    rows: Range<usize>,
    out: &mut [f32],
) {
    let [[_, w, c], [oh, ow, o]] = [conv.input, conv.output];
    conv.check();
    tile.check(isa);
    assert_eq!(x.length(), w * c, "rows are [w, c]");
    assert_eq!(packed.len(), packed_len(isa, tile, conv), "weights packed for this tile");
    assert!(rows.start <= rows.end && rows.end <= oh, "{rows:?} are rows of the output");
    assert_eq!(out.len(), rows.len() * ow * o, "out is [rows, ow, o]");
    let micro_kernel = F32MicroKernel { isa, residual: None, activation, out };
    tile.isa(isa).run(kernel::Transposed { micro_kernel, tile, conv: *conv, x, packed, rows });
}
