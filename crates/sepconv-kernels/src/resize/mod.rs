//! Resampling of a feature map by interpolation along each axis, as ONNX's Resize (operator sets 10 to 19) defines it.
//!
//! Where an output position reads, and with what weights, depends only on the axis: [`taps`] computes that once,
//! [`resize`] and [`resize_int8`] apply it. Antialiasing and `tf_crop_and_resize` are left out.
//!
//! **Cost.** A row of the input is resized along its columns once, if neighboring output rows read it: `columns' taps`
//! multiply-adds for each of its values, then `rows' taps` for each output value. Output rows that are the same are
//! copied.
//!
//! **Numerics.** Positions and weights are computed in double precision; the interpolation runs in single precision,
//! columns first. Nearest copies exactly. Bytes are interpolated in single precision, nothing being fused, and
//! become bytes once, halves to even: every instruction set gives the same. As weights sum to one, zero points need no
//! treatment.
mod kernel;
mod reference;
mod taps;
#[cfg(test)]
mod tests;

use core::ops::Range;

pub use reference::{reference, reference_int8};
pub use taps::{AxisMap, Coordinates, Mode, Rounding, Taps, taps};

use crate::{Isa, Rows};

/// f32 values of scratch that a call needs for output rows of `row_length` values: a ring of the rows that are read
/// together, unless each output row is an input row.
pub fn scratch_len(row_taps: &[Taps], row_length: usize) -> usize {
    // A lone weight may be another than one: NaN, where all samples of a cubic are excluded.
    let are_input_rows = row_taps.iter().all(|taps| taps.count == 1 && taps.weights[0] == 1.0);
    let most = row_taps.iter().map(|taps| taps.count).max().unwrap_or(0);
    if are_input_rows { 0 } else { most * row_length }
}

/// Output rows to compute, and what they are computed from.
#[derive(Debug)]
pub struct ResizeTask<'a, T> {
    /// `[h, w, c]` of the input.
    pub input: [usize; 3],
    /// `[h, w, c]` of the output.
    pub output: [usize; 3],
    /// The [`taps`] of all output rows.
    pub row_taps: &'a [Taps],
    /// The [`taps`] of all output columns.
    pub column_taps: &'a [Taps],
    /// Rows of the input, of which those that `rows` read must be there.
    pub x: Rows<'a, T>,
    /// The output rows to compute.
    pub rows: Range<usize>,
    /// As many values as [`scratch_len`] says, in any state.
    pub scratch: &'a mut [f32],
    /// Exactly these output rows, `[rows, ow, c]`.
    pub out: &'a mut [T],
}

impl<'a, T> ResizeTask<'a, T> {
    fn checked(self) -> kernel::Resize<'a, T> {
        let Self { input: [_, w, c], output, row_taps, column_taps, x, rows, scratch, out } = self;
        assert!(c > 0 && c == output[2], "resized channels, {c} to {}", output[2]);
        assert_eq!([row_taps.len(), column_taps.len()], [output[0], output[1]], "resize taps");
        assert_eq!(x.length(), w * c, "values in a row of resize input");
        assert_eq!(out.len(), rows.len() * output[1] * c, "values of resize output");
        assert_eq!(scratch.len(), scratch_len(row_taps, output[1] * c), "f32 values of resize scratch");
        kernel::Resize { c, row_taps: &row_taps[rows], column_taps, x, scratch, out }
    }
}

/// Computes output rows of f32 values. Panics when sizes contradict each other.
pub fn resize(isa: Isa, task: ResizeTask<'_, f32>) {
    isa.run(task.checked());
}

/// Computes output rows of bytes. Panics when sizes contradict each other.
pub fn resize_int8(isa: Isa, task: ResizeTask<'_, u8>) {
    isa.run_int8(task.checked());
}
