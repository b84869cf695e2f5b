//! The same on int8: sums `bias[n] + Σ (x[m][k] - x_zero_point)·(w[n][k] - w_zero_point)` are exact, and become u8 as
//! [`requantize`](crate::requantize) says, or f32.

mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference_int8;

use super::kernel;
use crate::epilogue::Int8Output;
use crate::gemm::microkernel::Int8MicroKernel;
use crate::gemm::{self, Runs, Tile, check_packed_runs};
use crate::quantized_params::ZeroPoints;
use crate::simd::{Int8, Isa};

/// Multiplies every pixel of `x` `[m, k]` by weights that [`pack_int8`](super::pack_int8) re-ordered for `isa` and
/// `tile`, into `output` `[m, n]`. All instruction sets and tiles return the same bits.
///
/// Cost: `m·k·n` multiply-adds, `k` rounded up to a multiple of four; reads `m·k + k·n` bytes, writes `m·n`. Panics
/// when lengths contradict each other.
pub fn pointwise_int8(
    isa: Isa,
    tile: Tile,
    [k, n]: [usize; 2],
    zero_points: ZeroPoints,
    x: &[u8],
    packed: &[i8],
    output: Int8Output<'_>,
) {
    assert!(k > 0 && n > 0, "a pixel has channels");
    assert!(output.len().is_multiple_of(n), "out is [m, n]");
    let m = output.len() / n;
    assert_eq!(x.len(), m * k, "x is [m, k]");
    check_packed_runs(isa, tile, 1, Runs { count: 1, length: k }, n, packed.len());
    output.check();
    tile.check_int8(isa);
    isa.run_int8(task(tile, [m, k, n], zero_points, x, packed, output, &mut []));
}

/// As [`pointwise_int8`], on a token that is known when compiling: no other instruction set is linked. `scratch` has the
/// length [`scratch_len_int8`], and begins where a word does. Panics where an index is out of bounds.
#[allow(clippy::too_many_arguments)]
#[inline(never)]
pub fn pointwise_int8_on<S: Int8>(
    simd: S,
    tile: Tile,
    [k, n]: [usize; 2],
    zero_points: ZeroPoints,
    x: &[u8],
    packed: &[i8],
    output: Int8Output<'_>,
    scratch: &mut [u8],
) {
    simd.vectorize(task(tile, [x.len() / k, k, n], zero_points, x, packed, output, scratch));
}

/// Bytes of scratch that a layer of `k` products needs: none but on [`Isa::WORD`].
pub fn scratch_len_int8(isa: Isa, k: usize) -> usize {
    gemm::scratch_len(isa, Runs { count: 1, length: k })
}

fn task<'a>(
    tile: Tile,
    shape: [usize; 3],
    zero_points: ZeroPoints,
    x: &'a [u8],
    packed: &'a [i8],
    output: Int8Output<'a>,
    scratch: &'a mut [u8],
) -> kernel::Pointwise<'a, Int8MicroKernel<'a>> {
    let micro_kernel = Int8MicroKernel { zero_points, runs: 1, output, scratch };
    kernel::Pointwise { micro_kernel, tile, shape, x, packed }
}
