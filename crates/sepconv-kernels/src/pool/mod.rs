//! Pooling: the greatest or the mean of each window, channel by channel.
//!
//! **Cost.** One comparison or addition and one load per tap inside the feature map.
//!
//! **Numerics.** Maxima are exact; a NaN is passed over. A mean is the single-precision sum of its taps, row by row,
//! divided once: a bound is `(taps + 1)·2⁻²⁴` times the sum of magnitudes. A window without any cell gives `-∞` or 0.
//! Sums of bytes are exact; what follows them is said in [`requantize`](crate::requantize).
#[cfg(feature = "train")]
mod gradient;
mod int8;
mod kernel;
mod reference;
mod taps;
#[cfg(test)]
mod tests;

use core::ops::Range;

#[cfg(feature = "train")]
pub use gradient::pool_gradient;
pub use int8::{Mean, pool_int8, pool_int8_on};
pub use reference::{global_average_reference, reference};

use crate::{ConvGeometry, Isa, Rows};

/// What is taken of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The greatest value inside the feature map.
    Max,
    /// The mean.
    Average {
        /// Whether the mean divides by the taps that lie inside the feature map *and its padding*, as ONNX's
        /// `count_include_pad` asks, instead of inside the feature map. Taps beyond the padding, which `ceil_mode`
        /// makes possible, never count.
        count_padding: bool,
    },
}

impl ConvGeometry {
    /// What the sum of a window at `[y, x]` is divided by.
    fn pool_divisor(&self, kind: PoolKind, place: [usize; 2]) -> f32 {
        let count = |axis: usize| {
            let (window, size, at) = (&self.window, self.input[axis], place[axis]);
            if kind == (PoolKind::Average { count_padding: true }) {
                let end = size + window.before[axis] + window.after[axis];
                let left = end.saturating_sub(at * window.stride[axis]);
                left.div_ceil(window.dilation[axis]).min(window.kernel[axis])
            } else {
                window.taps(axis, at, size).len()
            }
        };
        // Without any cell the sum is zero too.
        (count(0) * count(1)).max(1) as f32
    }

    fn check_pool(&self) {
        assert!(self.window.extent().is_some(), "pooling window {:?}", self.window);
        assert!(self.input[2] > 0 && self.input[2] == self.output[2], "pooled channels {self:?}");
    }
}

/// Computes the output rows `rows` into `out`, which holds exactly these (`[rows, ow, c]`).
///
/// `x` has rows of `w·c` f32 values and must hold those that the windows of `rows` meet.
pub fn pool(isa: Isa, kind: PoolKind, pool: &ConvGeometry, x: Rows<'_>, rows: Range<usize>, out: &mut [f32]) {
    pool.check_pool();
    assert!(rows.start <= rows.end && rows.end <= pool.output[0], "pooled rows {rows:?} of {}", pool.output[0]);
    assert_eq!(x.length(), pool.input[1] * pool.input[2], "f32 values in a row of pooling input");
    assert_eq!(out.len(), rows.len() * pool.output[1] * pool.output[2], "f32 values of pooling output");
    isa.run(kernel::PoolF32 { kind, pool, x, rows, out });
}

/// The mean over all pixels of `x`, `[pixels, c]`, into `out`, `[c]`. No pixels give NaN.
///
/// Sums run in blocks of 64 pixels, so that the error is at most `(64 + pixels/64)·2⁻²⁴` times the mean magnitude.
pub fn global_average(isa: Isa, c: usize, x: &[f32], out: &mut [f32]) {
    assert!(c > 0 && x.len().is_multiple_of(c), "{} f32 values are no pixels of {c} channels", x.len());
    assert_eq!(out.len(), c, "f32 values of a global average");
    isa.run(kernel::Global { c, x, out });
}
