//! Pointwise (1×1) convolution, which is also the fully connected layer: `out[m][n] = activation(bias[n] + sum over k
//! of x[m][k]·w[n][k] + residual[m][n])`.

mod int8;
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use int8::{pointwise_int8, pointwise_int8_on, reference_int8, scratch_len_int8};
pub use reference::reference;

use crate::epilogue::F32Output;
use crate::gemm::microkernel::F32MicroKernel;
pub use crate::gemm::{Tile, gate_inputs, pack, pack_int8, packed_len, packed_len_int8};
use crate::simd::Isa;

/// Multiplies every pixel of `x` `[m, k]` by weights that [`pack`] re-ordered for `isa` and `tile`, into `out` `[m,
/// n]`.
///
/// Bias, then products in the order of `k`, then `residual` `[m, n]` are added in single precision, with one rounding
/// per product where the instruction set multiplies and adds at once; then the activation is applied. A [`Tile`] of one
/// channel sums as many series of products as a vector has lanes, and adds these up. How the pixels are divided among
/// calls does not change a bit of the result.
///
/// Cost: `m·k·n` multiply-adds; reads `4·(m·k + k·n)` bytes, writes `4·m·n`. Panics when lengths contradict each other.
pub fn pointwise(isa: Isa, tile: Tile, [k, n]: [usize; 2], x: &[f32], packed: &[f32], output: F32Output<'_>) {
    assert!(k > 0 && n > 0, "a pixel has channels");
    assert!(output.out.len().is_multiple_of(n), "out is [m, n]");
    assert_eq!(x.len(), output.out.len() / n * k, "x is [m, k]");
    assert_eq!(packed.len(), packed_len(isa, tile, k, n), "weights packed for this tile");
    output.check();
    tile.check(isa);
    let (m, micro_kernel) = (output.out.len() / n, F32MicroKernel { isa, output });
    tile.isa(isa).run(kernel::Pointwise { micro_kernel, tile, shape: [m, k, n], x, packed });
}
