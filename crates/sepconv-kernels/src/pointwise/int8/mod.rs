//! The same on int8: sums `bias[n] + Σ (x[m][k] - x_zero_point)·(w[n][k] - w_zero_point)` are exact, and become u8 as
//! [`requantize`](crate::requantize) says, or f32.

mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference_int8;

use super::kernel;
use crate::quantized_params::ZeroPoints;
use crate::requantize::Epilogue;
use crate::scheme::{Int8MicroKernel, Int8Output};
use crate::simd::Isa;
use crate::tile::{Tile, packed_len_int8};

/// Multiplies every pixel of `x` `[m, k]` by weights that [`pack_int8`](super::pack_int8) re-ordered for `isa` and
/// `tile`, and makes bytes of the sums, into `out` `[m, n]`; `residual` `[m, n]` is there exactly if the epilogue adds
/// one.
///
/// All instruction sets and tiles give the same bits.
///
/// Cost: `m·k·n` multiply-adds, `k` rounded up to a multiple of four; reads `m·k + k·n` bytes, writes `m·n`. Panics
/// when lengths contradict each other.
#[allow(clippy::too_many_arguments)]
pub fn pointwise_int8(
    isa: Isa,
    tile: Tile,
    k: usize,
    n: usize,
    zero_points: ZeroPoints,
    x: &[u8],
    packed: &[i8],
    residual: Option<&[u8]>,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    assert!(residual.is_none_or(|residual| residual.len() == out.len()), "the residual is [m, n]");
    epilogue.check(residual.is_some());
    let length = out.len();
    run(isa, tile, k, n, zero_points, x, packed, length, Int8Output::U8 { epilogue, residual, out });
}

/// As [`pointwise_int8`], but dequantizes the sums to f32: `out[m][n] = sum·scale[n]`.
#[allow(clippy::too_many_arguments)]
pub fn pointwise_int8_to_f32(
    isa: Isa,
    tile: Tile,
    k: usize,
    n: usize,
    zero_points: ZeroPoints,
    x: &[u8],
    packed: &[i8],
    out: &mut [f32],
) {
    run(isa, tile, k, n, zero_points, x, packed, out.len(), Int8Output::F32(out));
}

#[allow(clippy::too_many_arguments)]
fn run(
    isa: Isa,
    tile: Tile,
    k: usize,
    n: usize,
    zero_points: ZeroPoints,
    x: &[u8],
    packed: &[i8],
    length: usize,
    result: Int8Output<'_>,
) {
    assert!(k > 0 && n > 0, "a pixel has channels");
    assert!(length.is_multiple_of(n), "out is [m, n]");
    let m = length / n;
    assert_eq!(x.len(), m * k, "x is [m, k]");
    assert_eq!(packed.len(), packed_len_int8(isa, tile, k, n), "params packed for this tile");
    tile.check_int8(isa);
    let micro_kernel = Int8MicroKernel { zero_points, result };
    isa.run_int8(kernel::Pointwise { micro_kernel, tile, shape: [m, k, n], x, packed });
}
