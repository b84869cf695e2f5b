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

use core::ops::Range;

pub use int8::{depthwise_int8, pack_int8, packed_len_int8, reference_int8};
pub use pack::{pack, packed_len};
pub use reference::reference;
pub use variant::{VARIANTS, Variant};

use crate::{Activation, Isa, Rows, Window};

/// The shape of a depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Depthwise {
    /// Kernel, stride, dilation and padding.
    pub window: Window,
    /// The input's rows, columns and channels, `[h, w, c]`.
    pub input: [usize; 3],
    /// The output's rows, columns and channels, `[oh, ow, c·multiplier]`. Windows may reach beyond the stated padding.
    pub output: [usize; 3],
}

impl Depthwise {
    /// QuantizedConvParams per input channel.
    pub fn multiplier(&self) -> usize {
        self.output[2] / self.input[2]
    }

    /// Multiply-adds, padding counted as if it were data.
    pub fn macs(&self) -> usize {
        self.output.iter().product::<usize>() * self.taps()
    }

    /// Taps of the window.
    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    fn check(&self) {
        let (c, o) = (self.input[2], self.output[2]);
        assert!(self.window.extent().is_some(), "depthwise window {:?}", self.window);
        assert!(c > 0 && o > 0 && o.is_multiple_of(c), "{o} depthwise outputs of {c} channels");
    }
}

/// Computes the output rows `rows` into `out`, which holds exactly these (`[rows, ow, c·multiplier]`).
///
/// `x` has rows of `w·c` f32 values and must hold those that the windows of `rows` meet. `packed` comes from [`pack`]
/// for the same `isa`. Panics where sizes contradict each other or `variant` does not [fit](Variant::fits).
#[expect(clippy::too_many_arguments, reason = "as many as the operation has operands")]
pub fn depthwise(
    isa: Isa,
    variant: Variant,
    dw: &Depthwise,
    x: Rows<'_>,
    packed: &[f32],
    activation: Activation,
    rows: Range<usize>,
    out: &mut [f32],
) {
    dw.check();
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    assert!(rows.start <= rows.end && rows.end <= dw.output[0], "depthwise rows {rows:?} of {}", dw.output[0]);
    assert_eq!(x.length(), dw.input[1] * dw.input[2], "f32 values in a row of depthwise input");
    assert_eq!(packed.len(), packed_len(isa, dw), "f32 values of packed depthwise weights");
    assert_eq!(out.len(), rows.len() * dw.output[1] * dw.output[2], "f32 values of depthwise output");
    isa.run(kernel::DepthwiseF32 { variant, dw, x, packed, activation, rows, out });
}
