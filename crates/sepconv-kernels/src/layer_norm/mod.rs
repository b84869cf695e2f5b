//! Layer normalization: values by the mean and the variance of all that are normalized together.
//!
//! **Cost.** Three passes over the values, which stay in the nearest cache where they are few.
//!
//! **Numerics.** Mean first, then the squared distances from it. Sums are in single precision in blocks of 256 vectors,
//! in double precision beyond: results are within `2⁻²⁰` of the greatest magnitude among the normalized values, times
//! the scale, of the definition.
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference;

use crate::Isa;

/// `out = (x - mean) / √(variance + epsilon) · scale + shift`, where every `n` values in a row have a mean and a
/// variance, and `scale` and `shift` repeat within them. Panics where lengths do not divide each other.
pub fn layer_norm(isa: Isa, n: usize, epsilon: f32, x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    check(n, x, scale, shift, out);
    isa.run(kernel::LayerNorm { n, epsilon, x, scale, shift, out });
}

fn check(n: usize, x: &[f32], scale: &[f32], shift: &[f32], out: &[f32]) {
    assert!(!scale.is_empty() && scale.len() == shift.len(), "one scale and shift for each channel");
    assert!(n > 0 && n.is_multiple_of(scale.len()), "{n} f32 values are no pixels of {} channels", scale.len());
    assert!(x.len().is_multiple_of(n) && x.len() == out.len(), "x and out are [..,{n}]");
}
