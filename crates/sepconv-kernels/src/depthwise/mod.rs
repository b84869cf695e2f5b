//! Depthwise convolution: one filter per channel (MobileNet, arXiv 1704.04861, section 3.1).
//!
//! `out[y, x, o] = f(bias[o] + Σ weights[o, ky, kx] · in[y·sy + ky·dy - top, x·sx + kx·dx - left, o / multiplier])`,
//! where `f` is an [`Activation`](crate::Activation) and taps outside the feature map contribute nothing.
//!
//! **Cost.** `oh·ow·c·multiplier·kh·kw` multiply-adds; each input row is fetched about `kh/sy` times, from the nearest
//! cache when few rows are computed per call. The kernels with a fixed window keep, for one vector of channels, the
//! sums of a tile of 7 pixels (two rows of them with 32 registers) in registers, and an input vector that is loaded
//! feeds every sum that it meets: for 3×3 at stride 1, 0.3 loads per multiply-add, where one sum at a time would take
//! two. A clip adds two operations per result, so that ReLU6 after 3×3 leaves 9 of 11 operations for the convolution.
//! Feature maps larger than the second-level cache are bound by the memory beyond it. Vectors of input that begin on a
//! cache line are read fastest: align the buffers to 64 bytes.
//!
//! A dilated window at stride 1 runs in the same kernels: columns as far apart as the dilation are, among themselves, a
//! convolution without it. Any other window (1×k, k×1, of any stride and multiplier) takes the general kernel, a load
//! for each multiply-add of a tile of 7 pixels, and the columns of maps that are one pixel wide as rows.
//!
//! **Numerics.** Each result is the bias plus its taps, row by row and column by column, in single precision: a bound
//! is `(taps + 1)·2⁻²⁴` times the sum of the absolute products. The order depends on nothing else, so a row is the same
//! bits whether it is computed alone or within a feature map.

mod f32;
#[cfg(feature = "train")]
pub mod gradient;
mod int8;
mod lines;
mod phase;
#[cfg(test)]
mod sampled;
mod variant;

pub use f32::{depthwise, pack, packed_len, reference};
pub use int8::{
    depthwise_int8, depthwise_int8_general_on, depthwise_int8_on, pack_int8, packed_len_int8, padding_len,
    reference_int8,
};
pub use variant::{VARIANTS, Variant};

use crate::ConvGeometry;

impl ConvGeometry {
    fn check_depthwise(&self) {
        let (c, o) = (self.input[2], self.output[2]);
        assert!(self.window.extent().is_some(), "depthwise window {:?}", self.window);
        assert!(c > 0 && o > 0 && o.is_multiple_of(c), "{o} depthwise outputs of {c} channels");
    }
}

/// A depthwise kernel of one dtype on the instruction set of token `S`.
trait DepthwiseKernel<S>: Sized {
    /// The variant that its weights are packed for.
    fn variant(&self) -> Variant;

    /// Runs the `K`×`K` window at stride `STRIDE`: `ROWS` output rows at once, each input column in `WINDOWS` windows.
    fn fixed<const K: usize, const STRIDE: usize, const ROWS: usize, const WINDOWS: usize>(self, simd: S);

    /// Runs any window and multiplier.
    fn general(self, simd: S);
}
