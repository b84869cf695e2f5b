use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::check::expect_dtype;
use super::loops::{Compute, Loops};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// Samples of feature maps `[n,h,w,c]` at the positions `[n,oh,ow,2]` (x, then y; -1 and 1 are the borders), as
/// `[n,oh,ow,c]` (ONNX GridSample).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSample {
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// What lies outside of the map.
    pub padding: GridPadding,
    /// Whether -1 and 1 are the centers of the outermost pixels, not their outer edges.
    pub align_corners: bool,
}

/// How values between pixels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel, halves to even.
    Nearest,
    /// Of two pixels along each axis.
    Linear,
    /// Of four pixels along each axis (Keys, a = -0.75).
    Cubic,
}

/// What lies outside of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros.
    Zeros,
    /// The nearest pixel.
    Border,
    /// The map, mirrored at its borders.
    Reflection,
}

impl Loops for GridSample {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interpolation = match self.interpolation {
            Interpolation::Nearest => "nearest",
            Interpolation::Linear => "linear",
            Interpolation::Cubic => "cubic",
        };
        write!(f, "{} {interpolation}", Loops::name(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        inputs.iter().try_for_each(|input| expect_dtype(input, &[DType::F32]))?;
        match (&*inputs[0].shape, &*inputs[1].shape) {
            (&[n, h, w, c], &[m, oh, ow, 2]) if n == m && h > 0 && w > 0 => {
                Ok((Shape::new([n, oh, ow, c])?, DType::F32))
            }
            (x, grid) => Err(Error::mismatch("grid does not fit the feature map").expected(
                "a map [n,h,w,c] that is not empty and a grid [n,oh,ow,2]",
                format_args!("{x:?} and {grid:?}"),
            )),
        }
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn taps(&self, _: &[&Value]) -> u64 {
        match self.interpolation {
            Interpolation::Nearest => 1,
            Interpolation::Linear => 4,
            Interpolation::Cubic => 16,
        }
    }
}

impl Compute for GridSample {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let (x, grid) = (inputs[0].elements::<f32>(), inputs[1].elements::<f32>());
        let (sizes, positions) = (inputs[0].shape(), &inputs[1].shape()[1..3]);
        let (h, w, c) = (sizes[1], sizes[2], sizes[3]);
        let each_map = positions.iter().product::<usize>().max(1);
        for (i, (out, position)) in
            output.shape_and_elements::<f32>().1.chunks_exact_mut(c.max(1)).zip(grid.chunks_exact(2)).enumerate()
        {
            let map = &x[i / each_map * h * w * c..][..h * w * c];
            let (columns, rows) = (self.taps_at(position[0], w), self.taps_at(position[1], h));
            out.fill(0.0);
            for (row, row_weight) in rows.into_iter().flatten() {
                for (column, weight) in columns.into_iter().flatten() {
                    let pixel = &map[(row * w + column) * c..][..c];
                    out.iter_mut().zip(pixel).for_each(|(out, x)| *out += row_weight * weight * x);
                }
            }
        }
    }
}

/// Up to four pixels of an axis and their weights; `None` stands for zeros outside.
type AxisTaps = [Option<(usize, f32)>; 4];

impl GridSample {
    /// What a position from -1 to 1 reads along an axis of `size` pixels.
    fn taps_at(&self, position: f32, size: usize) -> AxisTaps {
        let last = (size - 1) as f32;
        let bounds = if self.align_corners { (0.0, last) } else { (-0.5, last + 0.5) };
        let at = match self.align_corners {
            true => (position + 1.0) / 2.0 * last,
            false => ((position + 1.0) * size as f32 - 1.0) / 2.0,
        };
        let at = if self.interpolation == Interpolation::Nearest { libm::rintf(at) } else { at };
        let at = match self.padding {
            GridPadding::Border if at < bounds.0 || at > bounds.1 => at.clamp(0.0, last),
            GridPadding::Reflection => reflect(at, bounds),
            GridPadding::Border | GridPadding::Zeros => at,
        };
        let (first, weights) = match self.interpolation {
            Interpolation::Nearest => (at, [1.0, 0.0, 0.0, 0.0]),
            Interpolation::Linear => {
                let low = libm::floorf(at);
                (low, [low + 1.0 - at, at - low, 0.0, 0.0])
            }
            Interpolation::Cubic => {
                let low = libm::floorf(at);
                (low - 1.0, [0.0, 1.0, 2.0, 3.0].map(|tap| cubic(at - (low - 1.0 + tap))))
            }
        };
        let mut taps = [None; 4];
        for (i, tap) in taps.iter_mut().enumerate().filter(|(i, _)| weights[*i] != 0.0) {
            *tap = self.pixel(first + i as f32, bounds, last).map(|pixel| (pixel, weights[i]));
        }
        taps
    }

    /// The pixel that stands at a whole position; `None` for zeros.
    fn pixel(&self, at: f32, bounds: (f32, f32), last: f32) -> Option<usize> {
        match self.padding {
            GridPadding::Zeros => (0.0..=last).contains(&at).then_some(at as usize),
            GridPadding::Border => Some(at.clamp(0.0, last) as usize),
            GridPadding::Reflection => Some(reflect(at, bounds).clamp(0.0, last) as usize),
        }
    }
}

/// A position mirrored at both bounds until it is within.
fn reflect(at: f32, (low, high): (f32, f32)) -> f32 {
    let (range, from) = (high - low, libm::fabsf(at - low));
    if (low..=high).contains(&at) {
        return at;
    }
    let rest = libm::fmodf(from, 2.0 * range);
    if rest <= range { low + rest } else { high - (rest - range) }
}

/// Keys' kernel.
fn cubic(distance: f32) -> f32 {
    const A: f32 = -0.75;
    let x = libm::fabsf(distance);
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}
