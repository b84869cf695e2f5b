//! The same on int8: sums of `(x - x_zero_point)·(w - w_zero_point)` are exact, and become u8 as
//! [`requantize`](crate::requantize) says, or f32. The feature map is padded with `x_zero_point`.

mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference_int8;

use super::{ConvGeometry, kernel, windows_len};
use crate::epilogue::Int8Output;
use crate::gemm::microkernel::{GemmDtype, Int8MicroKernel};
use crate::gemm::{self, Runs, Tile};
use crate::geometry::ConvOperands;
use crate::quantized_params::{QuantizedConvParams, ZeroPoints};
use crate::simd::{Int8, Isa};

impl ConvGeometry {
    /// The runs of the whole window: one where it is gathered.
    fn all_runs(&self) -> Runs {
        if self.gathers(Int8MicroKernel::K_GROUP) {
            return Runs { count: 1, length: self.depth() };
        }
        let Runs { count, length } = self.runs();
        Runs { count: count * self.window.kernel[0], length }
    }
}

/// The length of the output of [`pack_int8`].
pub fn packed_len_int8(isa: Isa, tile: Tile, conv: &ConvGeometry, params: &QuantizedConvParams<'_>) -> usize {
    gemm::packed_runs_len(isa, tile, conv.groups, conv.all_runs(), params)
}

/// Re-orders weights `[o, kh, kw, c / groups]` into panels, group after group. Each run of inputs that lie together, a
/// row of the window where they can or all of a small one, is filled up to a multiple of four. Panics when lengths
/// contradict each other, and beyond [`QuantizedConvParams::MAX_PRODUCTS`].
pub fn pack_int8(isa: Isa, tile: Tile, conv: &ConvGeometry, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    assert_eq!(params.bias.len(), conv.output[2], "bias is [o]");
    gemm::pack_runs(isa, tile, conv.groups, conv.all_runs(), params, packed);
}

/// Bytes of scratch: for windows that reach into the padding or are gathered, and on [`Isa::WORD`] more.
pub fn scratch_len_int8(isa: Isa, tile: Tile, conv: &ConvGeometry) -> usize {
    gemm::scratch_len(isa, conv.all_runs()) + windows_len(tile, conv, Int8MicroKernel::K_GROUP)
}

/// Computes output rows. `scratch` has the length [`scratch_len_int8`]. All instruction sets and tiles return the same bits.
///
/// Cost: `oh·ow·o·kh·kw·c / groups` multiply-adds, each run of inputs rounded up to a multiple of four. Panics when
/// sizes contradict each other.
pub fn conv2d_int8(
    isa: Isa,
    tile: Tile,
    conv: &ConvGeometry,
    zero_points: ZeroPoints,
    operands: ConvOperands<'_, u8, i8>,
    output: Int8Output<'_>,
    scratch: &mut [u8],
) {
    conv.check();
    tile.check_int8(isa);
    output.check();
    let (runs, packed) = (conv.all_runs(), operands.packed.len());
    gemm::check_packed_runs(isa, tile, conv.groups, runs, conv.group_channels()[1], packed);
    operands.check(conv, packed, output.len());
    assert!(scratch.len() >= windows_len(tile, conv, Int8MicroKernel::K_GROUP), "scratch of scratch_len_int8");
    let micro_kernel = Int8MicroKernel { zero_points, runs: runs.count, output, scratch: &mut [] };
    isa.run_int8(kernel::Convolution { micro_kernel, tile, conv: *conv, operands, scratch });
}

/// As [`conv2d_int8`], on a token that is known when compiling: no other instruction set is linked. `scratch` has the
/// length [`scratch_len_int8`], and begins where a word does. Panics where an index is out of bounds.
#[inline(never)]
pub fn conv2d_int8_on<S: Int8>(
    simd: S,
    tile: Tile,
    conv: &ConvGeometry,
    zero_points: ZeroPoints,
    operands: ConvOperands<'_, u8, i8>,
    output: Int8Output<'_>,
    scratch: &mut [u8],
) {
    let runs = conv.all_runs();
    let (widened, scratch) = scratch.split_at_mut(gemm::widened_len(runs));
    let micro_kernel = Int8MicroKernel { zero_points, runs: runs.count, output, scratch: widened };
    simd.vectorize(kernel::Convolution { micro_kernel, tile, conv: *conv, operands, scratch });
}
