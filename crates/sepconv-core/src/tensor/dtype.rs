use core::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// Weights and activations of f32 networks.
    F32,
    /// Shapes, axes and indices, most of which are computed while importing, and booleans as 0 and 1; readers convert
    /// every other integer type to it. Also the biases of int8 layers.
    I64,
    /// Quantized, unsigned; see [`QuantParams`](crate::op::QuantParams).
    U8,
    /// Quantized, signed.
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

    /// Returns true for the dtypes of quantized tensors.
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
