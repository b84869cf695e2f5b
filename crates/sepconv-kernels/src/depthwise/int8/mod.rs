//! Depthwise convolution of bytes.
//!
//! `out[y, x, o] = epilogue(Σ (weights[o, ky, kx] - w_zero) · (in[…] - x_zero) + bias[o])` with the places of the
//! [float kernel](super); taps outside the plane contribute nothing. What follows the sum is said in [`requantize`](crate::requantize).
//!
//! **Cost.** A *quad*, four bytes of one channel at neighbouring taps, is multiplied with four weights by one instruction where the
//! machine has it. The kernels with a fixed window step along a row: the bytes of a column are interleaved into quads once, for four
//! vectors of channels, and each quad is multiplied into the sums of all the windows that the column is in, which stay in registers.
//! A column of three rows is one quad with a weight of zero; of five rows it is one quad, and the bytes of the fifth row in four
//! neighbouring columns make another, so that 7 quads hold the 25 taps. A filter whose weights do not fit `i8` once its zero point
//! is taken off is the sum of two or three that do, for its group of channels only.
//!
//! **Numerics.** Sums are exact, and wrap at 32 bits, which no window of less than 33 000 taps reaches: all instruction sets, all
//! variants and all ranges of rows give the same bytes.
mod general;
mod kernel;
mod pack;
mod quads;
mod reference;
mod strip;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub(super) use kernel::Run;
pub use pack::{pack_int8, packed_int8_len};
pub use reference::reference_int8;

use super::{Depthwise, Variant};
use crate::requantize::Epilogue;
use crate::{Isa, Rows};

/// Weights of either type.
#[derive(Clone, Copy, Debug)]
pub enum Weights8<'a> {
    /// Bytes without a sign, as the first quantised networks have.
    U8(&'a [u8]),
    /// Bytes with a sign.
    I8(&'a [i8]),
}

impl Weights8<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(weights) => weights.len(),
            Self::I8(weights) => weights.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn get(&self, i: usize) -> i32 {
        match self {
            Self::U8(weights) => weights[i].into(),
            Self::I8(weights) => weights[i].into(),
        }
    }
}

/// Everything constant about a depthwise convolution of bytes but its shape.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    /// `[c·multiplier, kh, kw]`
    pub weights: Weights8<'a>,
    /// The weight that stands for zero.
    pub w_zero: i32,
    /// The input that stands for zero: what padding is made of.
    pub x_zero: u8,
    /// A number for each output channel, which joins its sums.
    pub bias: &'a [i32],
    /// What each output channel's sums are multiplied with before they become bytes.
    pub scale: &'a [f32],
}

impl Filters<'_> {
    /// Weight `i` without its zero point: -255..=255.
    fn weight(&self, i: usize) -> i32 {
        self.weights.get(i) - self.w_zero
    }

    fn check(&self, dw: &Depthwise) {
        dw.check();
        let channels = dw.output[2];
        assert_eq!(self.weights.len(), channels * dw.taps(), "depthwise weights");
        assert_eq!((self.bias.len(), self.scale.len()), (channels, channels), "depthwise biases and scales");
        let zero_points = match self.weights {
            Weights8::U8(_) => 0..=255,
            Weights8::I8(_) => -128..=127,
        };
        assert!(zero_points.contains(&self.w_zero), "a zero point of weights of {}", self.w_zero);
    }
}

/// Computes the output rows `rows` into `out`, which holds exactly these (`[rows, ow, c·multiplier]`).
///
/// `x` has rows of `w·c` bytes and must hold those that the windows of `rows` meet. `packed` comes from [`pack_int8`] for the same
/// `isa`, `variant` and `dw`. Vectors of weights are read fastest where `packed` begins on a cache line. Panics where sizes
/// contradict each other, `variant` does not [fit](Variant::fits), or the epilogue has a residual.
#[expect(clippy::too_many_arguments, reason = "as many as the operation has operands")]
pub fn depthwise_int8(
    isa: Isa,
    variant: Variant,
    dw: &Depthwise,
    x: Rows<'_, u8>,
    packed: &[i8],
    epilogue: &Epilogue<'_>,
    rows: Range<usize>,
    out: &mut [u8],
) {
    dw.check();
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    assert!(rows.start <= rows.end && rows.end <= dw.output[0], "depthwise rows {rows:?} of {}", dw.output[0]);
    assert_eq!(x.length(), dw.input[1] * dw.input[2], "bytes in a row of depthwise input");
    assert_eq!(out.len(), rows.len() * dw.output[1] * dw.output[2], "bytes of depthwise output");
    epilogue.check(false);
    isa.run_int8(Run { variant, dw, x, packed, epilogue, rows, out });
}
