//! Softmax along one axis.
//!
//! **Cost.** Per value two exponentials' worth of arithmetic at most, and three reads: greatest, sum, result.
//!
//! **Numerics.** The greatest is subtracted first, so nothing overflows. Results are within a relative `1e-6 + d·2⁻²⁴`
//! of the definition, `d` being the distance of the value from the greatest, wherever they are not denormal; logarithms
//! within 1e-6 times the greatest magnitude involved. An axis holding a NaN or `+∞` gives NaN.
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference;

use crate::Isa;
use crate::simd::Simd;

/// `out = exp(x) / Σ exp(x)` along the middle axis of `[outer, n, inner]`; the logarithm of that when `log`.
pub fn softmax(isa: Isa, [outer, n, inner]: [usize; 3], log: bool, x: &[f32], out: &mut [f32]) {
    check([outer, n, inner], x, out);
    if !x.is_empty() {
        isa.run(kernel::Softmax { n, inner, log, x, out });
    }
}

/// As [`softmax`], on a token that is known when compiling: no other instruction set is linked. Panics where an index
/// is out of bounds.
pub fn softmax_on<S: Simd>(simd: S, [n, inner]: [usize; 2], log: bool, x: &[f32], out: &mut [f32]) {
    simd.vectorize(kernel::Softmax { n, inner, log, x, out });
}

/// The most values in a row of [`softmax_short_on`].
pub const SHORT: usize = kernel::FEW;

/// As [`softmax_on`], of rows of `n` values, at most [`SHORT`]: a program links less.
pub fn softmax_short_on<S: Simd>(simd: S, n: usize, x: &[f32], out: &mut [f32]) {
    simd.vectorize(kernel::ShortRows { n, x, out });
}

fn check([outer, n, inner]: [usize; 3], x: &[f32], out: &[f32]) {
    assert_eq!(x.len(), outer * n * inner, "f32 values of softmax input");
    assert_eq!(out.len(), x.len(), "f32 values of softmax output");
}
