use core::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// What flows through a network of floats.
    F32,
    /// What is computed while importing: shapes, axes, indices. Readers widen every wider integer type to it. Also
    /// the biases of integer layers.
    I64,
    /// Bytes that stand for real numbers; see [`QuantParams`](crate::op::QuantParams).
    U8,
    /// Signed bytes that stand for real numbers.
    I8,
}

impl DType {
    /// Bytes in an element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::I64 => 8,
            Self::U8 | Self::I8 => 1,
        }
    }

    /// Whether elements are the bytes of a quantized tensor.
    pub fn is_int8(self) -> bool {
        matches!(self, Self::U8 | Self::I8)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::I8 => "i8",
        })
    }
}
