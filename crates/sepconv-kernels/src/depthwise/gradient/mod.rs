//! Gradients of depthwise convolution.
//!
//! Both kernels pack what they read, one vector of channels of one image at a time, into a map with a border of zeros:
//! taps are then whole vectors a fixed step apart, without a case for the padding. [`weight_gradient`] keeps the sums
//! of up to ten taps in registers while it passes over a map; [`input_gradient`] keeps a tile of six pixels a stride
//! apart, which meet the same taps.

mod input;
mod reference;
#[cfg(test)]
mod tests;
mod weight;

pub use reference::{input_gradient_reference, weight_gradient_reference};

use core::ops::Range;

use crate::ConvGeometry;
use crate::simd::{Isa, Simd};

/// The scratch length of [`weight_gradient`].
pub fn weight_gradient_scratch_len(isa: Isa, dw: &ConvGeometry) -> usize {
    weight::Sizes::new(dw).scratch() * isa.lanes()
}

/// Adds the gradient by the weights to `out`, laid out as they are: `[c·multiplier, kh, kw, 1]`.
///
/// `x` `[images, h, w, c]` is the input and `dy` `[images, oh, ow, c·multiplier]` the gradient by the output. `scratch`
/// has the length [`weight_gradient_scratch_len`]. Each sum runs over pixels in order, in single precision: a bound is
/// `pixels·2⁻²⁴` times the sum of the absolute products.
///
/// Cost: `images·oh·ow·c·multiplier·kh·kw` multiply-adds. Panics when sizes contradict each other.
pub fn weight_gradient(isa: Isa, dw: &ConvGeometry, x: &[f32], dy: &[f32], scratch: &mut [f32], out: &mut [f32]) {
    check_images(dw, x.len(), dy.len());
    assert_eq!(scratch.len(), weight_gradient_scratch_len(isa, dw), "scratch of the stated length");
    assert_eq!(out.len(), dw.output[2] * dw.taps(), "depthwise weights");
    isa.run(weight::WeightGradient { dw, x, dy, scratch, out });
}

/// The scratch length of [`input_gradient`].
pub fn input_gradient_scratch_len(isa: Isa, dw: &ConvGeometry) -> usize {
    input::Sizes::new(dw).scratch() * isa.lanes()
}

/// The gradient by the input into `out` `[images, h, w, c]`, which is overwritten.
///
/// `weights` `[c·multiplier, kh, kw, 1]` are not packed, `dy` is `[images, oh, ow, c·multiplier]`. `scratch` has the
/// length [`input_gradient_scratch_len`]. Each result sums its taps in order, in single precision.
///
/// Cost: at most `images·h·w·c·multiplier·kh·kw / (sy·sx)` multiply-adds. Panics when sizes contradict each other.
pub fn input_gradient(isa: Isa, dw: &ConvGeometry, weights: &[f32], dy: &[f32], scratch: &mut [f32], out: &mut [f32]) {
    check_images(dw, out.len(), dy.len());
    assert_eq!(scratch.len(), input_gradient_scratch_len(isa, dw), "scratch of the stated length");
    assert_eq!(weights.len(), dw.output[2] * dw.taps(), "depthwise weights");
    isa.run(input::InputGradient { dw, weights, dy, scratch, out });
}

fn check_images(dw: &ConvGeometry, x: usize, dy: usize) {
    dw.check_depthwise();
    let size = |[h, w, c]: [usize; 3]| h * w * c;
    let images = x / size(dw.input);
    assert_eq!(x, images * size(dw.input), "x is [images, h, w, c]");
    assert_eq!(dy, images * size(dw.output), "dy is [images, oh, ow, c·multiplier]");
}

/// Some channels of every pixel, a fixed step apart.
#[derive(Clone, Copy)]
struct Lanes {
    first: usize,
    step: usize,
    count: usize,
}

impl Lanes {
    /// Those of a pixel as a vector, zeros beyond the last.
    #[inline(always)]
    fn load<S: Simd>(self, simd: S, pixel: &[f32]) -> S::F32 {
        let Self { first, step, count } = self;
        if step == 1 {
            let channels = &pixel[first..][..count];
            return if count == S::LANES { simd.load(channels) } else { simd.load_part(channels) };
        }
        let mut vector = [0.0; 16];
        let channels = pixel[first..].iter().step_by(step).take(count);
        vector.iter_mut().zip(channels).for_each(|(to, from)| *to = *from);
        simd.load(&vector)
    }
}

/// Copies rows `rows` and columns `columns` of a map `[h, w, c]` to `[row, column]` vectors, `pitch` of them in a row,
/// from the first of `to` on.
#[inline(always)]
fn pack_map<S: Simd>(
    simd: S,
    [w, c]: [usize; 2],
    map: &[f32],
    lanes: Lanes,
    [rows, columns]: [Range<usize>; 2],
    pitch: usize,
    to: &mut [f32],
) {
    for (row, y) in rows.enumerate() {
        let from = &map[(y * w + columns.start) * c..(y * w + columns.end) * c];
        let to = &mut to[row * pitch * S::LANES..][..columns.len() * S::LANES];
        for (pixel, to) in from.chunks_exact(c).zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(lanes.load(simd, pixel), to);
        }
    }
}
