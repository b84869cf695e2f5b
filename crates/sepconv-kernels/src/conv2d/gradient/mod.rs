//! Gradients of convolution: pointwise, standard and grouped.
//!
//! That by the weights is a product of matrices, `dYᵀ · X` over all output pixels, in a register tile of its own whose
//! operands are both packed: see [`weight_gradient`]. That by the input is the transposed convolution (pointwise: the
//! product) with the weights that [`transpose_weights`] re-orders, so it runs in the kernels of
//! [`conv_transpose`](crate::conv_transpose) and [`pointwise`](crate::pointwise).

mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::{input_gradient_reference, weight_gradient_reference};

use crate::geometry::ConvGeometry;
use crate::simd::Isa;

/// The scratch length of [`weight_gradient`].
pub fn weight_gradient_scratch_len(isa: Isa, conv: &ConvGeometry) -> usize {
    kernel::scratch_len(isa.lanes(), conv)
}

/// Adds the gradient by the weights to `out`, laid out as the weights are: `[o, kh, kw, c / groups]`.
///
/// `x` `[images, h, w, c]` is the input and `dy` `[images, oh, ow, o]` the gradient by the output. `scratch` has the
/// length [`weight_gradient_scratch_len`]. Pixels are summed in single precision in blocks of 128, and blocks in order:
/// a bound is `(128 + pixels / 128)·2⁻²⁴` times the sum of the absolute products.
///
/// Cost: `images·oh·ow·o·kh·kw·c / groups` multiply-adds. Panics when sizes contradict each other.
pub fn weight_gradient(isa: Isa, conv: &ConvGeometry, x: &[f32], dy: &[f32], scratch: &mut [f32], out: &mut [f32]) {
    conv.check();
    check_images(conv, x.len(), dy.len());
    assert_eq!(scratch.len(), weight_gradient_scratch_len(isa, conv), "scratch of the stated length");
    assert_eq!(out.len(), conv.output[2] * conv.depth(), "weights are [o, kh, kw, c / groups]");
    isa.run(kernel::WeightGradient { conv, x, dy, scratch, out });
}

/// Re-orders weights `[o, kh, kw, c / groups]` to `[c, kh, kw, o / groups]`: those of the transposed convolution that
/// is the gradient by the input.
///
/// Its [geometry](ConvGeometry) is this one with input and output exchanged.
pub fn transpose_weights(conv: &ConvGeometry, weights: &[f32], out: &mut [f32]) {
    let ([group_in, group_out], taps) = (conv.group_channels(), conv.taps());
    assert_eq!(weights.len(), conv.output[2] * conv.depth(), "weights are [o, kh, kw, c / groups]");
    assert_eq!(out.len(), weights.len(), "as many weights");
    let size = group_in * group_out * taps;
    for (weights, out) in weights.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
        for (o, filter) in weights.chunks_exact(taps * group_in).enumerate() {
            for (tap, inputs) in filter.chunks_exact(group_in).enumerate() {
                for (i, &weight) in inputs.iter().enumerate() {
                    out[(i * taps + tap) * group_out + o] = weight;
                }
            }
        }
    }
}

fn check_images(conv: &ConvGeometry, x: usize, dy: usize) {
    let size = |[h, w, c]: [usize; 3]| h * w * c;
    let images = x / size(conv.input);
    assert_eq!(x, images * size(conv.input), "x is [images, h, w, c]");
    assert_eq!(dy, images * size(conv.output), "dy is [images, oh, ow, o]");
}
