/// How exact sums become bytes: `clamp(round(sum · scale) + zero_point, low, high)`, halves to even.
///
/// The sum is rounded to f32 first, then the product; nothing is fused, so that every instruction set gives the same bits. A
/// rectified activation is part of the range: ReLU has `low = zero_point`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantize {
    /// The byte that stands for zero.
    pub zero_point: u8,
    /// The least result.
    pub low: u8,
    /// The greatest result.
    pub high: u8,
}

impl Requantize {
    /// All bytes, around a zero point.
    pub fn full(zero_point: u8) -> Self {
        Self { zero_point, low: 0, high: u8::MAX }
    }

    /// The byte for `x`, a number in units of the result.
    pub fn apply(self, x: f32) -> u8 {
        let zero = f32::from(self.zero_point);
        let (low, high) = (f32::from(self.low) - zero, f32::from(self.high) - zero);
        let x = if x > low { x } else { low };
        let x = if x < high { x } else { high };
        (libm::rintf(x) + zero) as u8
    }
}

/// An operand of a sum of bytes: what stands for zero, and its scale divided by that of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// The byte that stands for zero.
    pub zero_point: u8,
    /// Units of the result in a unit of the operand.
    pub scale: f32,
}

impl Term {
    /// What `byte` contributes, in units of the result.
    pub fn apply(self, byte: u8) -> f32 {
        (i32::from(byte) - i32::from(self.zero_point)) as f32 * self.scale
    }
}

/// A residual sum after a convolution: `output(sum(y) + residual(r))`, both products rounded before they are added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddResidual {
    /// How the byte of the convolution counts.
    pub sum: Term,
    /// How the byte of the residual counts.
    pub residual: Term,
    /// How the sum becomes a byte.
    pub output: Requantize,
}

impl AddResidual {
    /// The sum of a convolution's byte and a residual's.
    pub fn apply(self, y: u8, residual: u8) -> u8 {
        self.output.apply(self.sum.apply(y) + self.residual.apply(residual))
    }
}

/// What becomes of the sums of an int8 layer before they are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue<'a> {
    /// First, the sums become bytes.
    pub output: Requantize,
    /// Then a function of each byte, where there is one.
    pub table: Option<&'a [u8; 256]>,
    /// Last a residual is added, where there is one.
    pub residual: Option<AddResidual>,
}
