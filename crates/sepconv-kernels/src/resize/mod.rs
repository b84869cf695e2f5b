//! Resampling of a feature map by interpolation along each axis, as ONNX's Resize (operator sets 10 to 19) defines it.
//!
//! Where an output position reads, and with what weights, depends only on the axis: [`taps`] computes that once,
//! [`resize`] applies it. Antialiasing and `tf_crop_and_resize` are left out.
//!
//! **Cost.** `rows' taps · columns' taps` multiply-adds per output value: 1 (nearest), 4 (linear), 16 (cubic), fewer
//! where weights are zero.
//!
//! **Numerics.** Positions and weights are computed in double precision; the interpolation runs in single precision,
//! columns first. Nearest copies exactly.
mod kernel;
mod reference;
mod taps;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub use reference::reference;
pub use taps::{AxisMap, Coordinates, Mode, Rounding, Taps, taps};

use crate::{Isa, Rows};

/// Computes the output rows `rows` into `out`, which holds exactly these (`[rows, ow, c]`).
///
/// `x` has rows of `w·c` f32 values and must hold those that the taps of `rows` read. `row_taps` and `column_taps` come
/// from [`taps`], one per output row and column. `input` and `output` are `[h, w, c]`.
#[expect(clippy::too_many_arguments, reason = "as many as the operation has operands")]
pub fn resize(
    isa: Isa,
    input: [usize; 3],
    output: [usize; 3],
    row_taps: &[Taps],
    column_taps: &[Taps],
    x: Rows<'_>,
    rows: Range<usize>,
    out: &mut [f32],
) {
    let [_, w, c] = input;
    assert!(c > 0 && c == output[2], "resized channels, {c} to {}", output[2]);
    assert_eq!([row_taps.len(), column_taps.len()], [output[0], output[1]], "resize taps");
    assert_eq!(x.length(), w * c, "f32 values in a row of resize input");
    assert_eq!(out.len(), rows.len() * output[1] * c, "f32 values of resize output");
    isa.run(kernel::Resize { c, row_taps: &row_taps[rows], column_taps, x, out });
}
