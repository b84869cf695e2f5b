//! Functions of single numbers and of pairs.
//!
//! **Cost.** One pass over the operands. Activations, the exponential, the root, sign changes, the error function, GELU,
//! and the arithmetic pairs run on vectors; the other functions call their definition value by value.
//!
//! **Numerics.** `apply` defines every function. Vectors differ from it as [`Activation`] says; the exponential by at
//! most two units in the last place, and it is zero below -87.7 and infinite above 88.4; the error function and GELU by
//! at most 4e-7 or four units in the last place, whichever is more; arithmetic pairs not at all.
mod binary;
mod kernel;
#[cfg(test)]
mod tests;
mod unary;

pub use binary::Binary;
pub use unary::Unary;

use crate::{Activation, Isa};

/// The most dimensions that [`binary_strided`] takes.
pub const MAX_RANK: usize = 8;

/// `out = op(x)`, value by value; lengths equal.
pub fn unary(isa: Isa, op: Unary, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "f32 values of unary operands");
    // Parts that stay in the nearest cache between the copy and the function.
    for (x, out) in x.chunks(kernel::BLOCK).zip(out.chunks_mut(kernel::BLOCK)) {
        out.copy_from_slice(x);
        unary_in_place(isa, op, out);
    }
}

/// `x = op(x)`, value by value.
pub fn unary_in_place(isa: Isa, op: Unary, x: &mut [f32]) {
    isa.run(kernel::Unary { op, x });
}

/// `out = activation(op(a, b))`, where an operand that is shorter than `out` repeats with its own period.
///
/// A period of 1 is a scalar, of `c` one value per channel. Panics when neither operand has the length of `out`, or
/// when a length does not divide it.
pub fn binary(isa: Isa, op: Binary, a: &[f32], b: &[f32], activation: Activation, out: &mut [f32]) {
    let n = out.len();
    if n == 0 {
        return;
    }
    assert!(a.len() == n || b.len() == n, "{} and {} f32 values give {n}", a.len(), b.len());
    for period in [a.len(), b.len()] {
        assert!(period > 0 && n.is_multiple_of(period), "an operand of {period} f32 values does not repeat to {n}");
    }
    isa.run(kernel::Binary { op, a, b, activation, out });
}

/// `out = op(a, b)` over any broadcast: index `i` of `dims` reads `a[Σ i·a_strides]` and `b[Σ i·b_strides]`, and writes
/// `out` in row-major order. A stride of 0 repeats. Panics above [`MAX_RANK`] dimensions and where an index leaves its
/// operand.
pub fn binary_strided(
    op: Binary,
    dims: &[usize],
    a: &[f32],
    a_strides: &[usize],
    b: &[f32],
    b_strides: &[usize],
    out: &mut [f32],
) {
    let rank = dims.len();
    assert!(rank <= MAX_RANK && a_strides.len() == rank && b_strides.len() == rank, "a broadcast of rank {rank}");
    assert_eq!(out.len(), dims.iter().product(), "f32 values of a broadcast to {dims:?}");
    let (inner, outer) = dims.split_last().map_or((1, dims), |(inner, outer)| (*inner, outer));
    if out.is_empty() {
        return;
    }
    let steps = [a_strides.last().copied().unwrap_or(0), b_strides.last().copied().unwrap_or(0)];
    let mut index = [0; MAX_RANK];
    for out in out.chunks_exact_mut(inner) {
        let at = |strides: &[usize]| index.iter().zip(strides).take(outer.len()).map(|(i, stride)| i * stride).sum();
        let (a_start, b_start): (usize, usize) = (at(a_strides), at(b_strides));
        for (i, out) in out.iter_mut().enumerate() {
            *out = op.apply(a[a_start + i * steps[0]], b[b_start + i * steps[1]]);
        }
        for (index, size) in index.iter_mut().zip(outer).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
}
