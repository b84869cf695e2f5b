//! int8 depthwise convolution.
//!
//! `out[y, x, o] = epilogue(Σ (weights[o, ky, kx] - w_zero) · (in[…] - x_zero) + bias[o])` with the places of the
//! [f32 kernel](super); taps outside the feature map contribute nothing. What follows the sum is said in
//! [`requantize`](crate::requantize).
//!
//! **Cost.** A *quad*, four bytes of one channel at neighboring taps, is multiplied with four weights by one
//! instruction where the machine has it. The kernels with a fixed window step along a row: the bytes of a column are
//! interleaved into quads once, for four vectors of channels, and each quad is multiplied into the sums of all the
//! windows that the column is in, which stay in registers. A column of three rows is one quad with a weight of zero; of
//! five rows it is one quad, and the bytes of the fifth row in four neighboring columns make another, so that 7 quads
//! hold the 25 taps. A filter whose weights do not fit `i8` once its zero point is taken off is the sum of two or three
//! that do, for its group of channels only. The general kernel makes each quad of four taps in row-major order for each
//! output, and repeats a row of padding where the window leaves the feature map.
//!
//! AVX2 without VNNI multiplies a quad in three instructions (`vpmaddubsw`, `vpmaddwd` by ones, `vpaddd`; widening
//! takes seven), which leave few registers for sums: there the quads of a tile of a row are made first, in the nearest
//! cache, and each output is summed up by itself. For 32 outputs of 3×3 that is 67 vector operations, 36 of them
//! products and 23 requantization. `vpmaddubsw` saturates where two neighboring weights have one sign and more than 128
//! together. The byte that three rows leave over repeats the second row, so that the second weight is divided between
//! both pairs and a pair saturates only where three weights are beyond 256; what is too much anyhow becomes a second
//! summand, and only weight vectors that have one are multiplied twice.
//!
//! **Numerics.** Sums are exact, and wrap at 32 bits, which no window of less than 33 000 taps reaches: all instruction
//! sets, all variants and all ranges of rows give the same bits.
mod general;
mod interleaved;
mod kernel;
mod one_channel;
mod pack;
mod quads;
mod reference;
mod strip;
mod summands;
#[cfg(test)]
mod tests;

use kernel::{AnyWindow, DepthwiseInt8, FixedWindow};
pub use pack::{pack_int8, packed_len_int8, padding_len};
pub use reference::reference_int8;

use super::Variant;
use crate::ConvGeometry;
use crate::epilogue::Epilogue;
use crate::simd::Int8;
use crate::{ConvOperands, Isa, QuantizedConvParams};

impl QuantizedConvParams<'_> {
    /// Weight `i` without its zero point: -255..=255.
    fn weight(&self, i: usize) -> i32 {
        i32::from(self.weights.get(i)) - i32::from(self.weights.zero_point())
    }

    fn check(&self, dw: &ConvGeometry) {
        dw.check_depthwise();
        let channels = dw.output[2];
        assert_eq!(self.weights.len(), channels * dw.taps(), "depthwise weights");
        assert_eq!((self.bias.len(), self.scale.len()), (channels, channels), "depthwise biases and scales");
    }
}

/// Computes output rows `[rows, ow, c·multiplier]`; `operands.packed` comes from [`pack_int8`] for the same `isa`,
/// `variant` and `dw`, and is read fastest where it begins on a cache line.
///
/// Panics where sizes contradict each other, `variant` does not [fit](Variant::fits), or the epilogue has a residual.
pub fn depthwise_int8(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    operands: ConvOperands<'_, u8, i8>,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    dw.check_depthwise();
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    // The kernel checks the packed weights, whose length depends on their values.
    operands.check(dw, operands.packed.len(), out.len());
    epilogue.check(false);
    let ConvOperands { x, packed, rows } = operands;
    isa.run_int8(DepthwiseInt8 { variant, dw, x, packed, padding: &[], epilogue, rows, out });
}

/// As [`depthwise_int8`], on a token, with the kernel `K`, the stride `STRIDE` and `K / STRIDE` windows to a column,
/// rounded up, all known when compiling: nothing else is linked. Weights are packed for the token's instruction set and
/// for `variant`, which has that kernel and stride. `padding` is the input's zero point, [`padding_len`] times. Panics
/// where an index is out of bounds.
#[inline(never)]
pub fn depthwise_int8_on<S: Int8, const K: usize, const STRIDE: usize, const WINDOWS: usize>(
    simd: S,
    variant: Variant,
    dw: &ConvGeometry,
    operands: ConvOperands<'_, u8, i8>,
    padding: &[u8],
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    let ConvOperands { x, packed, rows } = operands;
    let kernel = DepthwiseInt8 { variant, dw, x, packed, padding, epilogue, rows, out };
    simd.vectorize(FixedWindow::<K, STRIDE, WINDOWS>(kernel));
}

/// As [`depthwise_int8_on`], for weights that are packed for [`Variant::General`].
#[inline(never)]
pub fn depthwise_int8_general_on<S: Int8>(
    simd: S,
    dw: &ConvGeometry,
    operands: ConvOperands<'_, u8, i8>,
    padding: &[u8],
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    let ConvOperands { x, packed, rows } = operands;
    let kernel = DepthwiseInt8 { variant: Variant::General, dw, x, packed, padding, epilogue, rows, out };
    simd.vectorize(AnyWindow(kernel));
}
