use std::fmt;

use half::{bf16, f16};
use sepconv_core::{DType, Data, Error, Result, Shape, Tensor, probe_memory};

/// The type of a tensor's elements in a file. Tensors in memory have fewer: every float is widened to f32, 8-bit
/// integers stay as they are, every other integer and boolean is widened to i64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ElementType {
    F16,
    BF16,
    F32,
    F64,
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
}

impl From<DType> for ElementType {
    /// The type that files have for elements as they are in memory.
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self::F32,
            DType::I64 => Self::I64,
            DType::U8 => Self::U8,
            DType::I8 => Self::I8,
        }
    }
}

impl ElementType {
    /// The error for a type that is none of these.
    pub(crate) fn unknown(got: impl fmt::Display) -> Error {
        Error::unsupported("element type is not supported")
            .expected("floats of 16 to 64 bits, integers of 8 to 64 bits or booleans", got)
    }

    /// The type in memory.
    pub fn dtype(self) -> DType {
        match self {
            Self::F16 | Self::BF16 | Self::F32 | Self::F64 => DType::F32,
            Self::U8 => DType::U8,
            Self::I8 => DType::I8,
            _ => DType::I64,
        }
    }

    /// Bytes that an element takes in a file.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// `value` as this type would hold it, where it is an integer type: too wide ones wrap, as in C.
    pub(crate) fn wrap(self, value: i64) -> i64 {
        match self {
            Self::Bool => i64::from(value != 0),
            Self::I8 => i64::from(value as i8),
            Self::U8 => i64::from(value as u8),
            Self::I16 => i64::from(value as i16),
            Self::U16 => i64::from(value as u16),
            Self::I32 => i64::from(value as i32),
            Self::U32 => i64::from(value as u32),
            _ => value,
        }
    }

    /// The numbers of a tensor in this type. Floats lose their fraction in integers; what these cannot hold wraps, as
    /// in C.
    pub(crate) fn convert(self, tensor: &Tensor) -> Result<Tensor> {
        let data = match tensor.data() {
            Data::F32(values) if self.dtype() == DType::F32 => Data::F32(values.clone()),
            Data::F32(values) if self == Self::Bool => Data::I64(values.iter().map(|&x| (x != 0.0).into()).collect()),
            Data::F32(values) => self.of_integers(values.iter().map(|&x| x as i64)),
            Data::I64(values) => self.of_integers(values.iter().copied()),
            Data::U8(values) => self.of_integers(values.iter().map(|&x| x.into())),
            Data::I8(values) => self.of_integers(values.iter().map(|&x| x.into())),
        };
        Tensor::new(tensor.shape().clone(), data)
    }

    fn of_integers(self, values: impl Iterator<Item = i64>) -> Data {
        match self.dtype() {
            DType::F32 => Data::F32(values.map(|x| x as f32).collect()),
            DType::U8 => Data::U8(values.map(|x| x as u8).collect()),
            DType::I8 => Data::I8(values.map(|x| x as i8).collect()),
            DType::I64 => Data::I64(values.map(|x| self.wrap(x)).collect()),
        }
    }

    /// The elements of a tensor in this type, little-endian. Floats are rounded to the nearest; integers that are too
    /// wide wrap, as in C. A tensor of another type in memory is written as it is there; the type that was written
    /// comes along.
    pub fn encode(self, tensor: &Tensor) -> (Self, Vec<u8>) {
        fn bytes<T, const N: usize>(values: &[T], encode: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
            values.iter().flat_map(encode).collect()
        }
        let own = Self::from(tensor.dtype());
        let bytes = match (tensor.data(), self) {
            (Data::F32(values), Self::F16) => bytes(values, |&x| f16::from_f32(x).to_le_bytes()),
            (Data::F32(values), Self::BF16) => bytes(values, |&x| bf16::from_f32(x).to_le_bytes()),
            (Data::F32(values), Self::F64) => bytes(values, |&x| f64::from(x).to_le_bytes()),
            (Data::I64(values), Self::Bool) => bytes(values, |&x| [u8::from(x != 0)]),
            (Data::I64(values), Self::I16 | Self::U16) => bytes(values, |&x| (x as i16).to_le_bytes()),
            (Data::I64(values), Self::I32 | Self::U32) => bytes(values, |&x| (x as i32).to_le_bytes()),
            (Data::I64(values), Self::U64) => bytes(values, |x| x.to_le_bytes()),
            (Data::F32(values), _) => return (own, bytes(values, |x| x.to_le_bytes())),
            (Data::I64(values), _) => return (own, bytes(values, |x| x.to_le_bytes())),
            (Data::U8(values), _) => return (own, values.clone()),
            (Data::I8(values), _) => return (own, bytes(values, |x| x.to_le_bytes())),
        };
        (self, bytes)
    }

    /// A half-precision float from its bits.
    pub(crate) fn widen(self, bits: u16) -> f32 {
        if self == Self::BF16 { bf16::from_bits(bits).to_f32() } else { f16::from_bits(bits).to_f32() }
    }

    /// The tensor whose elements are little-endian bytes of this type. Nothing is allocated before they are known to
    /// fill `shape`.
    ///
    /// # Errors
    /// If they do not fill it, memory is not there, or an unsigned integer is above what i64 holds.
    pub fn tensor(self, bytes: &[u8], shape: Shape) -> Result<Tensor> {
        if shape.elements().checked_mul(self.size()) != Some(bytes.len()) {
            return Err(Error::malformed("tensor data does not fill its shape").expected(
                format_args!("{} elements of {} bytes for {shape}", shape.elements(), self.size()),
                format_args!("{} bytes", bytes.len()),
            ));
        }
        probe_memory(shape.elements() * self.dtype().size())?;
        Tensor::new(shape, self.decode(bytes)?)
    }

    fn decode(self, bytes: &[u8]) -> Result<Data> {
        Ok(match self {
            Self::F16 | Self::BF16 => floats(bytes, |half| self.widen(u16::from_le_bytes(half))),
            Self::F32 => floats(bytes, f32::from_le_bytes),
            Self::F64 => floats(bytes, |wide| f64::from_le_bytes(wide) as f32),
            Self::Bool => integers(bytes, |[byte]: [u8; 1]| byte != 0),
            Self::I8 => Data::I8(chunks(bytes).map(i8::from_le_bytes).collect()),
            Self::U8 => Data::U8(bytes.to_vec()),
            Self::I16 => integers(bytes, i16::from_le_bytes),
            Self::U16 => integers(bytes, u16::from_le_bytes),
            Self::I32 => integers(bytes, i32::from_le_bytes),
            Self::U32 => integers(bytes, u32::from_le_bytes),
            Self::I64 => integers(bytes, i64::from_le_bytes),
            Self::U64 => unsigned(chunks(bytes).map(u64::from_le_bytes))?,
        })
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

fn floats<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Data {
    Data::F32(chunks(bytes).map(read).collect())
}

fn integers<const N: usize, T: Into<i64>>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Data {
    Data::I64(chunks(bytes).map(|element| read(element).into()).collect())
}

/// Unsigned integers that i64 holds.
pub(crate) fn unsigned(values: impl Iterator<Item = u64>) -> Result<Data> {
    let values: std::result::Result<Vec<i64>, _> = values.map(i64::try_from).collect();
    values.map(Data::I64).map_err(|_| Error::unsupported("integer above 2^63 - 1 is not supported"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_widened_exactly() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(ElementType::F16.widen(bits), value, "{bits:#06x}");
        }
        assert!(ElementType::F16.widen(0x7e00).is_nan());
        assert!(ElementType::F16.widen(0x8000).is_sign_negative());
        assert_eq!(ElementType::BF16.widen(0xc049), -3.140_625);
    }

    #[test]
    fn integers_are_widened_with_their_sign() {
        let first = |element: ElementType| {
            let shape = Shape::new([1]).expect("a small shape");
            element.tensor(&[0xfe; 8][..element.size()], shape).map(|tensor| tensor.as_i64().map(|list| list[0]))
        };
        let cases = [
            (ElementType::Bool, 1),
            (ElementType::I16, -0x102),
            (ElementType::U16, 0xfefe),
            (ElementType::I32, -0x101_0102),
            (ElementType::U32, 0xfefe_fefe),
            (ElementType::I64, -0x101_0101_0101_0102),
        ];
        for (element, value) in cases {
            assert_eq!(first(element), Ok(Some(value)), "{element:?}");
        }
        assert!(first(ElementType::U64).is_err(), "beyond i64");
    }

    #[test]
    fn bytes_stay_as_they_are() {
        let shape = || Shape::new([2]).expect("a small shape");
        let read = |element: ElementType| element.tensor(&[0xfe, 1], shape()).expect("two bytes");
        assert_eq!(read(ElementType::U8).as_u8(), Some(&[0xfe, 1][..]));
        assert_eq!(read(ElementType::I8).as_i8(), Some(&[-2, 1][..]));
    }

    #[test]
    fn bytes_must_fill_the_shape() {
        for len in [0, 7, 9] {
            let shape = Shape::new([2, 1]).expect("a small shape");
            let error = ElementType::F32.tensor(&[0; 9][..len], shape).expect_err("another number of bytes");
            assert!(error.to_string().contains("2 elements of 4 bytes for [2,1]"), "{error}");
        }
    }
}
