//! From exact int32 sums back to u8: the one requantization of every int8 kernel, and what may follow it in the same
//! step.
//!
//! A u8 `q` of scale `s` and zero point `z` stands for `s·(q - z)`. A kernel sums products of such integers in 32-bit
//! integers, which is exact; then, for output channel `o`,
//!
//! 1. `y = clamp(round(acc·scale[o]) + zero_point, low, high)`, where `scale[o]` is the product of the operands' scales
//!    divided by the
//!    result's, and `low..=high` is all that is left of an activation that clips ([`Requantize`]);
//! 2. `y = lut[y]`, any other function between two quantizations ([`Epilogue::lut`](crate::Epilogue::lut));
//! 3. `y = clamp(round(a·(y - za) + b·(r - zb)) + zero_point, low, high)` with the byte `r` of a residual
//!    ([`AddResidual`]).
//!
//! **Numerics.** `acc` becomes the nearest f32; each product and the sum in 3 are rounded by themselves, never fused;
//! `round` takes halves to even. So every instruction set gives the same bits. Scales must be finite and `low <= high`.
//!
//! **Cost.** For 1 four vector instructions, and eight more for four vectors together; six for a vector alone, and
//! ten more for 3. For 2, of a vector of any kind, five with VBMI and 36 with AVX2; elsewhere each byte is looked up by
//! itself.

mod kernel;
#[cfg(test)]
mod tests;

/// How a real number becomes a u8: `clamp(round(x) + zero_point, low, high)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requantize {
    /// The zero point.
    pub zero_point: u8,
    /// The least value: what an activation leaves of 0..=255.
    pub low: u8,
    /// The greatest value.
    pub high: u8,
}

impl Requantize {
    /// The definition, of one sum.
    pub fn apply(self, acc: i32, scale: f32) -> u8 {
        self.round(acc as f32 * scale)
    }

    /// The definition, of a number in units of the result; NaN gives the least value.
    pub fn round(self, x: f32) -> u8 {
        let Self { zero_point, low, high } = self;
        let shifted = f64::from(libm::rintf(x)) + f64::from(zero_point);
        shifted.max(f64::from(low)).min(f64::from(high)) as u8
    }
}

/// An operand of a sum: `scale·(q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequantOperand {
    /// The zero point.
    pub zero_point: u8,
    /// The scale of the operand divided by the scale of the result.
    pub scale: f32,
}

impl RequantOperand {
    /// What a byte contributes, in units of the result.
    pub fn apply(self, q: u8) -> f32 {
        self.scale * (f32::from(q) - f32::from(self.zero_point))
    }
}

/// Adds a residual to u8 values that are already requantized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddResidual {
    /// What is added to.
    pub sum: RequantOperand,
    /// What is added.
    pub residual: RequantOperand,
    /// What the sum becomes.
    pub output: Requantize,
}

impl AddResidual {
    /// The definition, of one byte of each.
    pub fn apply(self, q: u8, residual: u8) -> u8 {
        self.output.round(self.sum.apply(q) + self.residual.apply(residual))
    }
}
