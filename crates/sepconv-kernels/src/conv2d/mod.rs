//! Standard and grouped convolution, computed directly: a window of an NHWC row is already a run of contiguous numbers,
//! so it is multiplied where it lies, by the same register tile as a pointwise convolution. Only short runs, those of a
//! stem, are gathered first, one row of outputs at a time; and where channels are few, vectors are of pixels.

mod gather;
#[cfg(feature = "train")]
pub mod gradient;
mod int8;
mod kernel;
mod planes;
mod reference;
#[cfg(test)]
mod tests;

use planes::Planes;

pub use int8::{conv2d_int8, conv2d_int8_on, pack_int8, packed_len_int8, reference_int8, scratch_len_int8};
pub use reference::reference;

use crate::epilogue::F32Output;
use crate::gemm::microkernel::{F32MicroKernel, GemmDtype};
use crate::gemm::{self, Lanes, Runs, Tile};
use crate::geometry::{ConvGeometry, ConvOperands};
use crate::simd::Isa;

impl ConvGeometry {
    /// The runs of numbers that lie together in a row of the window: one for the whole row where that can be.
    fn runs(&self) -> Runs {
        let ([_, kw], [group_in, _]) = (self.window.kernel, self.group_channels());
        let joined = self.groups == 1 && (self.window.dilation[1] == 1 || kw == 1);
        if joined { Runs { count: 1, length: kw * group_in } } else { Runs { count: kw, length: group_in } }
    }

    /// Whether windows are gathered before they are multiplied, `k_group` numbers at once: their runs are so short that
    /// each costs more to begin than it holds, or is padded to whole groups, and a row of them stays in cache.
    fn gathers(&self, k_group: usize) -> bool {
        const MOST: usize = 1 << 16;
        let short = if k_group == 1 { 8 } else { 24 };
        let Runs { count, length } = self.runs();
        let row = self.output[1].saturating_mul(self.depth());
        self.groups == 1 && length <= short && count * self.window.kernel[0] > 1 && row <= MOST
    }

    /// Every tile that has a kernel for this convolution: those of [`Tile::variants`], and where input channels are few
    /// the one whose vectors are of pixels.
    pub fn tiles(&self, isa: Isa) -> impl Iterator<Item = Tile> + Clone {
        Tile::variants(isa).chain(Planes::of(isa, self).map(|_| Tile::PIXELS))
    }

    /// The tile that suits this convolution: a block of pixels lies in one row, a panel in one group.
    pub fn tile(&self, isa: Isa) -> Tile {
        let tile = Tile::choose(isa, self.output[1], self.depth(), self.group_channels()[1]);
        let cycles = |tile: Tile| self.cycles(isa, tile);
        let pixels = Planes::of(isa, self).map(|_| Tile::PIXELS);
        pixels.filter(|&pixels| cycles(pixels) < cycles(tile)).unwrap_or(tile)
    }

    /// The cycles that a row of outputs takes, those that windows take to be gathered or split among them.
    fn cycles(&self, isa: Isa, tile: Tile) -> f64 {
        let ([_, ow, _], [group_in, group_out]) = (self.output, self.group_channels());
        let Runs { count, length } = self.runs();
        // For each pixel; strides can be of any size.
        let read = match tile.lanes {
            Lanes::Pixels => {
                3.0 * group_in as f64 * self.window.stride.map(|stride| stride as f64).iter().product::<f64>()
            }
            Lanes::Channels | Lanes::HalfWidth | Lanes::Products if self.gathers(F32MicroKernel::K_GROUP) => {
                (self.window.kernel[0] * count * gather::copy_cycles(length)) as f64
            }
            Lanes::Channels | Lanes::HalfWidth | Lanes::Products => 0.0,
        };
        ow as f64 * read + self.groups as f64 * tile.cycles(isa, ow, self.depth(), group_out)
    }

    /// As [`tile`](Self::tile), for int8.
    pub fn tile_int8(&self, isa: Isa) -> Tile {
        Tile::choose_int8(isa, self.output[1], self.depth(), self.group_channels()[1])
    }

    fn check(&self) {
        let Self { window, input: [h, w, c], output: [oh, ow, o], groups } = *self;
        assert!(h > 0 && w > 0 && c > 0 && o > 0 && groups > 0, "nothing is empty");
        assert_eq!(window.output([h, w]), Some([oh, ow]), "the output follows from the input and the window");
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

/// The scratch length of [`conv2d`], for windows that reach into the padding or are gathered, and rows that are split.
pub fn scratch_len(isa: Isa, tile: Tile, conv: &ConvGeometry) -> usize {
    if tile.lanes == Lanes::Pixels {
        return Planes::of(isa, conv).map_or(0, |planes| planes.scratch_len());
    }
    windows_len(tile, conv, F32MicroKernel::K_GROUP)
}

/// Numbers of windows that reach into the padding or are gathered.
fn windows_len(tile: Tile, conv: &ConvGeometry, k_group: usize) -> usize {
    if conv.gathers(k_group) {
        return conv.output[1] * conv.depth();
    }
    conv.window.kernel[0] * conv.span(tile.mr.min(conv.output[1])) * conv.input[2]
}

/// Computes output rows: `activation(bias + convolution + residual)`.
///
/// `scratch` has the length [`scratch_len`]. Each value is the bias, then products in the order of the weights, with
/// one rounding per product where the instruction set multiplies and adds at once; a [`Tile`] whose vectors are of
/// products sums as many series of them as a vector has lanes. How rows are divided among calls does not change a bit of
/// the result.
///
/// Cost: `oh·ow·o·kh·kw·c / groups` multiply-adds. Panics when sizes contradict each other.
pub fn conv2d(
    isa: Isa,
    tile: Tile,
    conv: &ConvGeometry,
    operands: ConvOperands<'_, f32, f32>,
    output: F32Output<'_>,
    scratch: &mut [f32],
) {
    conv.check();
    output.check();
    operands.check(conv, packed_len(isa, tile, conv), output.out.len());
    assert!(scratch.len() >= scratch_len(isa, tile, conv), "scratch of scratch_len");
    if let Some(planes) = Planes::of(isa, conv).filter(|_| tile == Tile::PIXELS) {
        return isa.run(planes::FewChannels { planes, conv: *conv, operands, output, scratch });
    }
    tile.check(isa);
    let micro_kernel = F32MicroKernel { isa, output };
    tile.isa(isa).run(kernel::Convolution { micro_kernel, tile, conv: *conv, operands, scratch });
}
