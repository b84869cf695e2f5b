//! Depthwise convolution: one filter per channel (MobileNet, arXiv 1704.04861, section 3.1).
//!
//! `out[y, x, o] = f(bias[o] + Σ weights[o, ky, kx] · in[y·sy + ky·dy - top, x·sx + kx·dx - left, o / multiplier])`,
//! where `f` is an [`Activation`] and taps outside the feature map contribute nothing.
//!
//! **Cost.** `oh·ow·c·multiplier·kh·kw` multiply-adds; each input row is fetched about `kh/sy` times, from the nearest
//! cache when few rows are computed per call. The kernels with a fixed window keep, for one vector of channels, the
//! sums of a tile of 7 pixels (two rows of them with 32 registers) in registers, and an input vector that is loaded
//! feeds every sum that it meets: for 3×3 at stride 1, 0.3 loads per multiply-add, where one sum at a time would take
//! two. A clip adds two operations per result, so that ReLU6 after 3×3 leaves 9 of 11 operations for the convolution.
//! Feature maps larger than the second-level cache are bound by the memory beyond it. Vectors of input that begin on a
//! cache line are read fastest: align the buffers to 64 bytes.
//!
//! **Numerics.** Each result is the bias plus its taps, row by row and column by column, in single precision: a bound
//! is `(taps + 1)·2⁻²⁴` times the sum of the absolute products. The order depends on nothing else, so a row is the same
//! bits whether it is computed alone or within a feature map.

mod general;
mod int8;
mod kernel;
mod pack;
mod reference;
#[cfg(test)]
mod tests;
mod variant;

pub use int8::{depthwise_int8, pack_int8, packed_len_int8, reference_int8};
pub use pack::{pack, packed_len};
pub use reference::reference;
pub use variant::{VARIANTS, Variant};

use crate::{Activation, ConvGeometry, ConvOperands, Isa};

impl ConvGeometry {
    fn check_depthwise(&self) {
        let (c, o) = (self.input[2], self.output[2]);
        assert!(self.window.extent().is_some(), "depthwise window {:?}", self.window);
        assert!(c > 0 && o > 0 && o.is_multiple_of(c), "{o} depthwise outputs of {c} channels");
    }
}

/// Computes output rows `[rows, ow, c·multiplier]`; `operands.packed` comes from [`pack`] for the same `isa`.
///
/// Panics where sizes contradict each other or `variant` does not [fit](Variant::fits).
pub fn depthwise(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    operands: ConvOperands<'_, f32, f32>,
    activation: Activation,
    out: &mut [f32],
) {
    dw.check_depthwise();
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    operands.check(dw, packed_len(isa, dw), out.len());
    let ConvOperands { x, packed, rows } = operands;
    isa.run(kernel::DepthwiseF32 { variant, dw, x, packed, activation, rows, out });
}
