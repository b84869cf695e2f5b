//! Standard and grouped convolution, computed directly: a window of an NHWC row is already a run of contiguous numbers,
//! so it is multiplied where it lies, by the same register tile as a pointwise convolution. Only short runs, those of a
//! stem, are gathered first, one row of outputs at a time.

mod gather;
mod int8;
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub use int8::{conv2d_int8, conv2d_int8_to_f32, pack_int8, packed_len_int8, reference_int8};
pub use reference::reference;

use crate::activation::Activation;
use crate::rows::Rows;
use crate::scheme::F32MicroKernel;
use crate::simd::Isa;
use crate::tile::{self, Runs, Tile};
use crate::window::Window;

/// A convolution of one NHWC image. Weights are `[o, kh, kw, c / groups]`; group `g` of the output channels sees group
/// `g` of the input channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// The window, padded with what stands for zero.
    pub window: Window,
    /// `[h, w, c]`
    pub input: [usize; 3],
    /// `[oh, ow, o]`
    pub output: [usize; 3],
    /// Groups that channels are divided in; 1 is a standard convolution.
    pub groups: usize,
}

impl Conv2d {
    /// Input and output channels of a group.
    fn channels(&self) -> [usize; 2] {
        [self.input[2] / self.groups, self.output[2] / self.groups]
    }

    /// Products in an output number: `kh·kw·c / groups`.
    fn depth(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.channels()[0]
    }

    /// The runs of numbers that lie together in a row of the window: one for the whole row where that can be.
    fn runs(&self) -> Runs {
        let ([_, kw], [group_in, _]) = (self.window.kernel, self.channels());
        let joined = self.groups == 1 && (self.window.dilation[1] == 1 || kw == 1);
        if joined { Runs { count: 1, length: kw * group_in } } else { Runs { count: kw, length: group_in } }
    }

    /// Whether windows are gathered before they are multiplied: their runs are so short that each costs more to begin
    /// than it holds, and a row of them stays in cache.
    fn gathers(&self) -> bool {
        const SHORT: usize = 24;
        const MOST: usize = 1 << 16;
        let Runs { count, length } = self.runs();
        let row = self.output[1].saturating_mul(self.depth());
        self.groups == 1 && length <= SHORT && count * self.window.kernel[0] > 1 && row <= MOST
    }

    /// The tile that suits this convolution: a block of pixels lies in one row, a panel in one group.
    pub fn tile(&self, isa: Isa) -> Tile {
        Tile::choose(isa, self.output[1], self.depth(), self.channels()[1])
    }

    /// As [`tile`](Self::tile), for int8.
    pub fn tile_int8(&self, isa: Isa) -> Tile {
        Tile::choose_int8(isa, self.output[1], self.depth(), self.channels()[1])
    }

    /// Input columns that the windows of `pixels` neighbors cover.
    fn span(&self, pixels: usize) -> usize {
        pixels.saturating_sub(1) * self.window.stride[1] + (self.window.kernel[1] - 1) * self.window.dilation[1] + 1
    }

    fn check(&self) {
        let Self { window, input: [h, w, c], output: [oh, ow, o], groups } = *self;
        assert!(h > 0 && w > 0 && c > 0 && o > 0 && groups > 0, "nothing is empty");
        assert_eq!(window.output([h, w]), Some([oh, ow]), "the output follows from the input and the window");
        assert!(c.is_multiple_of(groups) && o.is_multiple_of(groups), "channels divide into groups");
    }
}

/// The length of the output of [`pack`].
pub fn packed_len(isa: Isa, tile: Tile, conv: &Conv2d) -> usize {
    tile::packed_groups_len(isa, tile, conv.groups, conv.depth(), conv.channels()[1])
}

/// Re-orders `weights` `[o, kh, kw, c / groups]` and `bias` `[o]` into panels, group after group.
pub fn pack(isa: Isa, tile: Tile, conv: &Conv2d, weights: &[f32], bias: &[f32], packed: &mut [f32]) {
    assert_eq!(bias.len(), conv.output[2], "bias is [o]");
    tile::pack_groups(isa, tile, conv.groups, conv.depth(), weights, bias, packed);
}

/// The scratch length of [`conv2d`] and [`conv2d_int8`], for windows that reach into the padding or are gathered.
pub fn scratch_len(tile: Tile, conv: &Conv2d) -> usize {
    if conv.gathers() {
        return conv.output[1] * conv.depth();
    }
    conv.window.kernel[0] * conv.span(tile.mr.min(conv.output[1])) * conv.input[2]
}

/// Makes output rows `rows` into `out` `[rows, ow, o]`: `activation(bias + convolution + residual)`.
///
/// `x` gives rows of `[w, c]`; `residual` is laid out as `out`; `scratch` has the length [`scratch_len`]. Each number
/// is the bias, then products in the order of the weights, with one rounding per product where the instruction set
/// multiplies and adds at once. How rows are divided among calls does not change a bit of the result.
///
/// Cost: `oh·ow·o·kh·kw·c / groups` multiply-adds. Panics when sizes contradict each other.
#[allow(clippy::too_many_arguments)]
pub fn conv2d(
    isa: Isa,
    tile: Tile,
    conv: &Conv2d,
    x: Rows<'_>,
    packed: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    rows: Range<usize>,
    out: &mut [f32],
    scratch: &mut [f32],
) {
    let [[_, w, c], [oh, ow, o]] = [conv.input, conv.output];
    conv.check();
    tile.check(isa);
    assert_eq!(x.length(), w * c, "rows are [w, c]");
    assert_eq!(packed.len(), packed_len(isa, tile, conv), "weights packed for this tile");
    assert!(rows.start <= rows.end && rows.end <= oh, "{rows:?} are rows of the output");
    assert_eq!(out.len(), rows.len() * ow * o, "out is [rows, ow, o]");
    assert!(residual.is_none_or(|residual| residual.len() == out.len()), "the residual is [rows, ow, o]");
    assert!(scratch.len() >= scratch_len(tile, conv), "scratch of scratch_len");
    let micro_kernel = F32MicroKernel { isa, residual, activation, out };
    tile.isa(isa).run(kernel::Convolution { micro_kernel, tile, conv: *conv, x, packed, rows, scratch });
}
