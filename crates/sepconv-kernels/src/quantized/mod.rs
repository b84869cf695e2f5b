//! Elementwise int8: quantize, dequantize, lookup tables, binary operators.
//!
//! **Cost.** One pass over the operands, a vector at a time.
//!
//! **Numerics.** As [`requantize`](crate::requantize) says: every operation rounds by itself, so that all instruction
//! sets give the same bytes.
mod kernel;
#[cfg(test)]
mod tests;

use crate::{
    Isa,
    elementwise::Binary,
    requantize::{RequantOperand, Requantize},
    simd::Int8,
};

/// `out = clamp(round(x / scale) + zero_point)`, halves to even; NaN gives 0.
///
/// Panics when `x` and `out` differ in length.
pub fn quantize(isa: Isa, scale: f32, zero_point: u8, x: &[f32], out: &mut [u8]) {
    assert_eq!(x.len(), out.len(), "f32 values to quantize");
    isa.run_int8(kernel::Quantize { scale, output: Requantize { zero_point, low: 0, high: u8::MAX }, x, out });
}

/// As [`quantize`], on a token that is known when compiling: no other instruction set is linked. Panics where an index
/// is out of bounds.
pub fn quantize_on<S: Int8>(simd: S, scale: f32, zero_point: u8, x: &[f32], out: &mut [u8]) {
    simd.vectorize(kernel::Quantize { scale, output: Requantize { zero_point, low: 0, high: u8::MAX }, x, out });
}

/// `out = (x - zero_point) · scale`
///
/// Panics when `x` and `out` differ in length.
pub fn dequantize(isa: Isa, scale: f32, zero_point: u8, x: &[u8], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "u8 values to dequantize");
    isa.run_int8(kernel::Dequantize { term: RequantOperand { zero_point, scale }, x, out });
}

/// As [`dequantize`], on a token that is known when compiling: no other instruction set is linked. Panics where an
/// index is out of bounds.
pub fn dequantize_on<S: Int8>(simd: S, scale: f32, zero_point: u8, x: &[u8], out: &mut [f32]) {
    simd.vectorize(kernel::Dequantize { term: RequantOperand { zero_point, scale }, x, out });
}

/// `x = lut[x]` for every byte.
pub fn lut_in_place(isa: Isa, lut: &[u8; 256], x: &mut [u8]) {
    isa.run_int8(kernel::Lut { lut, x });
}

/// `out = lut[x]` for every byte, without vectors.
///
/// Panics when `x` and `out` differ in length.
pub fn look_up(lut: &[u8; 256], x: &[u8], out: &mut [u8]) {
    assert_eq!(x.len(), out.len(), "bytes to look up");
    for (x, out) in x.iter().zip(out) {
        *out = lut[usize::from(*x)];
    }
}

/// `out = x ^ 0x80` for every byte: an i8 as the u8 that is 128 higher, and back.
///
/// Panics when `x` and `out` differ in length.
pub fn flip_signs(x: &[u8], out: &mut [u8]) {
    assert_eq!(x.len(), out.len(), "bytes to flip");
    let ((x, x_rest), (out, out_rest)) = (x.as_chunks(), out.as_chunks_mut());
    for (x, out) in x.iter().zip(out) {
        *out = (u64::from_ne_bytes(*x) ^ 0x8080_8080_8080_8080).to_ne_bytes();
    }
    for (x, out) in x_rest.iter().zip(out_rest) {
        *out = x ^ 0x80;
    }
}

/// A quantized sum, difference or product. See [`apply`](Self::apply).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedBinary {
    /// `Add`, `Sub` or `Mul`.
    pub function: Binary,
    /// Dequantization of the first operand.
    pub a: RequantOperand,
    /// Dequantization of the second operand.
    pub b: RequantOperand,
    /// How the result becomes a u8.
    pub output: Requantize,
}

impl QuantizedBinary {
    /// The definition: `output(a(x) ± b(y))`, or `output((x - za)·(y - zb) · (sa·sb))` with the exact product of the
    /// bytes and the rounded one of the scales.
    pub fn apply(&self, x: u8, y: u8) -> u8 {
        let centered = |byte: u8, term: RequantOperand| i32::from(byte) - i32::from(term.zero_point);
        self.output.round(match self.function {
            Binary::Sub => self.a.apply(x) - self.b.apply(y),
            Binary::Mul => (centered(x, self.a) * centered(y, self.b)) as f32 * (self.a.scale * self.b.scale),
            _ => self.a.apply(x) + self.b.apply(y),
        })
    }
}

/// `out = op(a, b)`, where an operand that is shorter than `out` repeats with its own period: of 1 it is a scalar, of
/// `c` one byte for each channel.
///
/// Panics when neither operand has the length of `out`, when a length does not divide it, and for other functions than
/// the three.
pub fn binary(isa: Isa, op: &QuantizedBinary, a: &[u8], b: &[u8], out: &mut [u8]) {
    let n = out.len();
    if n == 0 {
        return;
    }
    assert!(matches!(op.function, Binary::Add | Binary::Sub | Binary::Mul), "no int8 {:?}", op.function);
    assert!(a.len() == n || b.len() == n, "{} and {} bytes give {n}", a.len(), b.len());
    for period in [a.len(), b.len()] {
        assert!(period > 0 && n.is_multiple_of(period), "an operand of {period} bytes does not repeat to {n}");
    }
    isa.run_int8(kernel::QuantizedBinaryTask { op, a, b, out });
}

/// As [`binary`], on a token that is known when compiling: no other instruction set is linked. Panics where an index is
/// out of bounds.
pub fn binary_on<S: Int8>(simd: S, op: &QuantizedBinary, a: &[u8], b: &[u8], out: &mut [u8]) {
    simd.vectorize(kernel::QuantizedBinaryTask { op, a, b, out });
}
