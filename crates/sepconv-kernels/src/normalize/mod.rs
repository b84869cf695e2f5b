//! Batch normalization as training computes it, with the activation behind it (Ioffe and Szegedy 2015,
//! arXiv:1502.03167).
//!
//! `z = (x - mean) / √(variance + ε) · γ + β` and `y = f(z)`, where mean and variance are those of the batch. Kernels
//! work on some pixels `[pixels, c]` at a time, such as an image's; sums of several are joined in double precision, in
//! the caller's order, so they do not depend on who computed them:
//!
//! | | forward | backward |
//! |---|---|---|
//! | each part | [`moments`] | [`gradient_sums`] |
//! | joined | [`Moments::join`], a [`Normalization`] | sums |
//! | each part | [`normalize`] | [`input_gradient`] |
//!
//! The activation's derivative is taken at `z`, which backward kernels compute again: nothing but `x` is kept. With a
//! [`Normalization`] that is the identity, they are the kernels of an activation that stands alone.

mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::{input_gradient_reference, moments_reference};

use crate::{Activation, Isa};

/// The mean of a channel and its sum of squared distances from it, over some pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// Pixels.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// The sum of their squared distances from the mean.
    pub squares: f64,
}

impl Moments {
    /// Those of both parts (Chan, Golub and LeVeque 1983, equation 2.1).
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let count = self.count + other.count;
        if other.count == 0.0 {
            return self;
        }
        let distance = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + distance * other.count / count,
            squares: self.squares + other.squares + distance * distance * self.count * other.count / count,
        }
    }

    /// The variance that batch normalization divides by: that of the pixels themselves.
    pub fn variance(self) -> f64 {
        self.squares / self.count
    }

    /// The unbiased estimate, which running averages keep; the variance itself for a single pixel.
    pub fn unbiased(self) -> f64 {
        self.squares / (self.count - 1.0).max(1.0)
    }
}

/// The normalization of each channel: `z = x · scale + shift`, with what its gradient needs.
#[derive(Clone, Copy, Debug)]
pub struct Normalization<'a> {
    /// `γ / √(variance + ε)`
    pub scale: &'a [f32],
    /// `β - mean · scale`
    pub shift: &'a [f32],
    /// The mean.
    pub mean: &'a [f32],
    /// `1 / √(variance + ε)`
    pub inverse_deviation: &'a [f32],
}

impl Normalization<'_> {
    fn check(&self, values: usize) -> usize {
        let c = self.scale.len();
        assert!(c > 0 && values.is_multiple_of(c), "{values} f32 values are no pixels of {c} channels");
        assert!([self.shift.len(), self.mean.len(), self.inverse_deviation.len()] == [c; 3], "values of each channel");
        c
    }
}

/// The mean of each channel of `x` `[pixels, c]` into `mean`, and the sums of squared distances from it into `squares`.
///
/// Both in two passes, in single precision in blocks of 64 pixels: relative errors are at most `(64 + pixels/64)·2⁻²⁴`
/// of the mean magnitude.
pub fn moments(isa: Isa, x: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    assert!(!mean.is_empty() && x.len().is_multiple_of(mean.len()), "x is [pixels, c]");
    assert_eq!(mean.len(), squares.len(), "values of each channel");
    isa.run(kernel::MomentsOf { x, mean, squares });
}

/// `activation(x · scale + shift)` of `x` `[pixels, c]` into `out`.
pub fn normalize(isa: Isa, scale: &[f32], shift: &[f32], activation: Activation, x: &[f32], out: &mut [f32]) {
    assert!(scale.len() == shift.len() && !scale.is_empty(), "values of each channel");
    assert!(x.len().is_multiple_of(scale.len()) && x.len() == out.len(), "x and out are [pixels, c]");
    isa.run(kernel::Normalize { scale, shift, activation, x, out });
}

/// The gradients by shift and scale of some pixels: with `g = dy · f'(z)`, the sums of `g` into `shift` and of
/// `g · (x - mean) / deviation` into `scale`, channel by channel. Precision as that of [`moments`].
pub fn gradient_sums(
    isa: Isa,
    norm: Normalization<'_>,
    activation: Activation,
    [x, dy]: [&[f32]; 2],
    shift: &mut [f32],
    scale: &mut [f32],
) {
    let c = norm.check(x.len());
    assert!(x.len() == dy.len(), "dy is laid out as x");
    assert!(shift.len() == c && scale.len() == c, "values of each channel");
    isa.run(kernel::GradientSums { norm, activation, x, dy, shift, scale });
}

/// The gradient by `x` into `out`: `scale · (g - mean_g - (x - mean) / deviation · mean_gx)`, where `mean_g` and
/// `mean_gx` are the sums of [`gradient_sums`] over the whole batch, divided by its pixels. Zeros there treat mean and
/// variance as constants.
pub fn input_gradient(
    isa: Isa,
    norm: Normalization<'_>,
    activation: Activation,
    [mean_g, mean_gx]: [&[f32]; 2],
    [x, dy]: [&[f32]; 2],
    out: &mut [f32],
) {
    let c = norm.check(x.len());
    assert!(x.len() == dy.len() && x.len() == out.len(), "dy and out are laid out as x");
    assert!(mean_g.len() == c && mean_gx.len() == c, "values of each channel");
    isa.run(kernel::InputGradient { norm, activation, mean_g, mean_gx, x, dy, out });
}

/// The sums over pixels of `a · b`, both `[pixels, c]`, into `out` `[c]`; without `b` those of `a`. Precision as that
/// of [`moments`]. The gradients of a bias and of the gate of squeeze-excite are such sums.
pub fn channel_sums(isa: Isa, a: &[f32], b: Option<&[f32]>, out: &mut [f32]) {
    assert!(!out.is_empty() && a.len().is_multiple_of(out.len()), "a is [pixels, c]");
    assert!(b.is_none_or(|b| b.len() == a.len()), "b is laid out as a");
    isa.run(kernel::ChannelSums { a, b, out });
}
