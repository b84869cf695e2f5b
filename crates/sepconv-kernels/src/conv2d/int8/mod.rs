//! The same on int8: sums of `(x - x_zero_point)·(w - w_zero_point)` are exact, and become u8 as
//! [`requantize`](crate::requantize) says, or f32. The feature map is padded with `x_zero_point`.

mod reference;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub use reference::reference_int8;

use super::{Conv2d, kernel, scratch_len};
use crate::quantized_params::{QuantizedConvParams, ZeroPoints};
use crate::requantize::Epilogue;
use crate::rows::Rows;
use crate::scheme::{Int8MicroKernel, Int8Output};
use crate::simd::Isa;
use crate::tile::{self, Runs, Tile};

impl Conv2d {
    /// The runs of the whole window: one where it is gathered.
    fn all_runs(&self) -> Runs {
        if self.gathers() {
            return Runs { count: 1, length: self.depth() };
        }
        let Runs { count, length } = self.runs();
        Runs { count: count * self.window.kernel[0], length }
    }
}

/// The length of the output of [`pack_int8`].
pub fn packed_len_int8(isa: Isa, tile: Tile, conv: &Conv2d) -> usize {
    tile::packed_runs_len(isa, tile, conv.groups, conv.all_runs(), conv.channels()[1])
}

/// Re-orders weights `[o, kh, kw, c / groups]` into panels, group after group. Each run of inputs that lie together, a
/// row of the window where they can or all of a small one, is filled up to a multiple of four. Panics when lengths
/// contradict each other, and beyond [`QuantizedConvParams::MAX_PRODUCTS`].
pub fn pack_int8(isa: Isa, tile: Tile, conv: &Conv2d, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    assert_eq!(params.bias.len(), conv.output[2], "bias is [o]");
    tile::pack_runs(isa, tile, conv.groups, conv.all_runs(), params, packed);
}

/// Makes output rows `rows` into `out` `[rows, ow, o]`, bytes; `residual`, laid out as `out`, is there exactly if the
/// epilogue adds one.
///
/// `x` gives rows of `[w, c]`; `scratch` has the length [`scratch_len`]. All instruction sets and tiles give the same
/// bits.
///
/// Cost: `oh·ow·o·kh·kw·c / groups` multiply-adds, each run of inputs rounded up to a multiple of four. Panics when
/// sizes contradict each other.
#[allow(clippy::too_many_arguments)]
pub fn conv2d_int8(
    isa: Isa,
    tile: Tile,
    conv: &Conv2d,
    zero_points: ZeroPoints,
    x: Rows<'_, u8>,
    packed: &[i8],
    residual: Option<&[u8]>,
    epilogue: &Epilogue<'_>,
    rows: Range<usize>,
    out: &mut [u8],
    scratch: &mut [u8],
) {
    assert!(residual.is_none_or(|residual| residual.len() == out.len()), "the residual is [rows, ow, o]");
    epilogue.check(residual.is_some());
    let length = out.len();
    run(isa, tile, conv, zero_points, x, packed, rows, length, Int8Output::U8 { epilogue, residual, out }, scratch);
}

/// As [`conv2d_int8`], but dequantizes the sums to f32: each times the scale of its channel.
#[allow(clippy::too_many_arguments)]
pub fn conv2d_int8_to_f32(
    isa: Isa,
    tile: Tile,
    conv: &Conv2d,
    zero_points: ZeroPoints,
    x: Rows<'_, u8>,
    packed: &[i8],
    rows: Range<usize>,
    out: &mut [f32],
    scratch: &mut [u8],
) {
    run(isa, tile, conv, zero_points, x, packed, rows, out.len(), Int8Output::F32(out), scratch);
}

#[allow(clippy::too_many_arguments)]
fn run(
    isa: Isa,
    tile: Tile,
    conv: &Conv2d,
    zero_points: ZeroPoints,
    x: Rows<'_, u8>,
    packed: &[i8],
    rows: Range<usize>,
    length: usize,
    result: Int8Output<'_>,
    scratch: &mut [u8],
) {
    let [[_, w, c], [oh, ow, o]] = [conv.input, conv.output];
    conv.check();
    tile.check_int8(isa);
    assert_eq!(x.length(), w * c, "rows are [w, c]");
    assert_eq!(packed.len(), packed_len_int8(isa, tile, conv), "params packed for this tile");
    assert!(rows.start <= rows.end && rows.end <= oh, "{rows:?} are rows of the output");
    assert_eq!(length, rows.len() * ow * o, "out is [rows, ow, o]");
    assert!(scratch.len() >= scratch_len(tile, conv), "scratch of scratch_len");
    let micro_kernel = Int8MicroKernel { zero_points, result };
    isa.run_int8(kernel::Convolution { micro_kernel, tile, conv: *conv, x, packed, rows, scratch });
}
