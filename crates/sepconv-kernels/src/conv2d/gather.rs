use super::{ConvGeometry, kernel::copy_padded};
use crate::gemm::{AxisTaps, Patch, Runs};
use crate::rows::Rows;
use crate::simd::{strided, strided_mut};

impl ConvGeometry {
    /// Copies the window of each pixel of output row `oy` into `to`, one after the other, with `padding` where they are
    /// beyond the feature map. For convolutions of one group.
    #[inline(always)]
    pub(super) fn gather<T: Copy>(&self, oy: usize, x: Rows<'_, T>, padding: T, to: &mut [T]) {
        let Self { window, input: [_, _, c], output: [_, ow, _], .. } = *self;
        let (depth, met, inside, Runs { count, length }) = (self.depth(), self.met(oy), self.inside(), self.runs());
        let step = window.stride[1] * c;
        for ky in 0..window.kernel[0] {
            let row = if met.contains(&ky) { x.row(window.source(0, oy, ky)) } else { &[] };
            let inside = if row.is_empty() { 0..0 } else { inside.clone() };
            for run in 0..count {
                // Counted from the first number of the padding.
                let (at, column) = ((ky * count + run) * length, run * window.dilation[1] * c);
                for pixel in (0..inside.start).chain(inside.end..ow) {
                    let to = &mut to[pixel * depth + at..][..length];
                    copy_padded(row, pixel * step + column, window.before[1] * c, padding, to);
                }
                if !inside.is_empty() {
                    let from = &row[inside.start * step + column - window.before[1] * c..];
                    copy_runs(from, step, length, &mut to[inside.start * depth + at..], depth, inside.len());
                }
            }
        }
    }

    /// Where [`gather`](Self::gather) has put the windows from `pixel` on.
    pub(super) fn gathered<'a, T>(&self, pixel: usize, windows: &'a [T]) -> Patch<'a, T> {
        let depth = self.depth();
        let rows = Rows::new(&windows[..self.output[1] * depth], self.output[1] * depth);
        let (vertical, horizontal) = (AxisTaps::one(0), AxisTaps::one(pixel * depth));
        Patch { rows, vertical, horizontal, runs: 1, step: depth, length: depth }
    }
}

/// Copies `count` runs of `length`, `from_step` apart, to places `to_step` apart.
#[inline(always)]
fn copy_runs<T: Copy>(from: &[T], from_step: usize, length: usize, to: &mut [T], to_step: usize, count: usize) {
    // Where the length is known a run is copied by a move or two: three columns of red, green and blue, and so on.
    match length {
        3 => copy_known::<T, 3>(from, from_step, to, to_step, count),
        4 => copy_known::<T, 4>(from, from_step, to, to_step, count),
        9 => copy_known::<T, 9>(from, from_step, to, to_step, count),
        15 => copy_known::<T, 15>(from, from_step, to, to_step, count),
        21 => copy_known::<T, 21>(from, from_step, to, to_step, count),
        _ => {
            for i in 0..count {
                to[i * to_step..][..length].copy_from_slice(&from[i * from_step..][..length]);
            }
        }
    }
}

/// The cycles that a copy of a run takes, roughly: a call where its length is not known.
pub(super) fn copy_cycles(length: usize) -> usize {
    if matches!(length, 3 | 4 | 9 | 15 | 21) { 6 } else { 16 }
}

#[inline(always)]
fn copy_known<T: Copy, const LENGTH: usize>(from: &[T], from_step: usize, to: &mut [T], to_step: usize, count: usize) {
    // Eight together: where they lie is checked once.
    const AT_ONCE: usize = 8;
    let mut first = 0;
    while first + AT_ONCE <= count {
        let runs: [&[T]; AT_ONCE] = strided(&from[first * from_step..], from_step, LENGTH);
        let places: [&mut [T]; AT_ONCE] = strided_mut(&mut to[first * to_step..], to_step, LENGTH);
        unroll!(i in 0..AT_ONCE, {
            places[i].copy_from_slice(runs[i]);
        });
        first += AT_ONCE;
    }
    for i in first..count {
        to[i * to_step..][..LENGTH].copy_from_slice(&from[i * from_step..][..LENGTH]);
    }
}
