//! The product of two matrices that are both known only at run time. Products with constant weights are the business of
//! the pointwise kernel, which packs them.
//!
//! **Cost.** `m·k·n` multiply-adds; `b` is read once per six rows of `a`.
//!
//! **Numerics.** Each result sums its `k` products in order, in single precision: a bound is `k·2⁻²⁴` times the sum of
//! the absolute products.
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference;

use crate::Isa;

/// `out[m, n] = a[m, k] · b[k, n]`, all row after row.
pub fn matmul(isa: Isa, m: usize, k: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    check([m, k, n], a, b, out);
    isa.run(kernel::MatMul { shape: [m, k, n], a, b, out });
}

fn check([m, k, n]: [usize; 3], a: &[f32], b: &[f32], out: &[f32]) {
    assert_eq!(a.len(), m * k, "f32 values of the left matrix");
    assert_eq!(b.len(), k * n, "f32 values of the right matrix");
    assert_eq!(out.len(), m * n, "f32 values of the product");
}
