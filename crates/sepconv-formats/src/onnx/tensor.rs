use bytes::Bytes;
use sepconv_core::{DType, Data, Error, Result, Shape, Tensor};

use super::external::External;
use super::proto::TensorProto;

/// The element types that are read, as `TensorProto.DataType` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    Bool,
    F16,
    F64,
    U32,
    U64,
    BF16,
}

impl Element {
    pub(super) fn new(data_type: i32) -> Result<Self> {
        Ok(match data_type {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::BF16,
            other => {
                return Err(Error::unsupported("element type is not supported").expected(
                    "float, double, float16, bfloat16, bool or an integer of 8 to 64 bits",
                    format_args!("TensorProto.DataType {other}{}", name_of(other)),
                ));
            }
        })
    }

    /// What it is widened to.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::F16 | Self::F64 | Self::BF16 => DType::F32,
            _ => DType::I64,
        }
    }

    /// Bytes that an element takes in a file.
    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I64 | Self::F64 | Self::U64 => 8,
        }
    }

    /// `value` as this type would hold it, where it is an integer type: too wide ones wrap, as in C.
    pub(super) fn wrap(self, value: i64) -> i64 {
        match self {
            Self::U8 => i64::from(value as u8),
            Self::I8 => i64::from(value as i8),
            Self::U16 => i64::from(value as u16),
            Self::I16 => i64::from(value as i16),
            Self::I32 => i64::from(value as i32),
            Self::U32 => i64::from(value as u32),
            Self::Bool => i64::from(value != 0),
            _ => value,
        }
    }
}

fn name_of(data_type: i32) -> &'static str {
    match data_type {
        8 => " (string)",
        14 | 15 => " (complex)",
        17..=20 | 24 => " (8-bit float)",
        21 | 22 => " (4-bit integer)",
        23 => " (4-bit float)",
        25 | 26 => " (2-bit integer)",
        _ => "",
    }
}

/// The tensor with its elements widened: every float to f32, every integer and bool to i64.
pub(super) fn tensor(proto: &TensorProto, external: External<'_>) -> Result<Tensor> {
    read(proto, external).map_err(|error| error.at(format!("tensor {:?}", proto.name)))
}

fn read(proto: &TensorProto, external: External<'_>) -> Result<Tensor> {
    let element = Element::new(proto.data_type)?;
    let shape = Shape::new(sizes(&proto.dims)?)?;
    let data = if proto.data_location == 1 {
        from_bytes(element, &external.read(proto, shape.elements().saturating_mul(element.size()))?)?
    } else if let Some(raw) = &proto.raw_data {
        from_raw(element, raw, &shape)?
    } else {
        from_fields(element, proto)?
    };
    Tensor::new(shape, data).map_err(|_| {
        Error::malformed("tensor data does not fill its shape")
            .expected(format_args!("the elements of {:?}", proto.dims), "another number of them")
    })
}

/// Sizes from a file, where none may be negative.
pub(super) fn sizes(dims: &[i64]) -> Result<Vec<usize>> {
    let sizes: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    sizes.ok_or_else(|| {
        Error::malformed("tensor has a negative size").expected("sizes from 0", format_args!("{dims:?}"))
    })
}

fn from_raw(element: Element, raw: &Bytes, shape: &Shape) -> Result<Data> {
    if raw.len() != shape.elements().saturating_mul(element.size()) {
        return Err(Error::malformed("tensor data does not fill its shape").expected(
            format_args!("{} elements of {} bytes for {shape}", shape.elements(), element.size()),
            format_args!("{} bytes", raw.len()),
        ));
    }
    from_bytes(element, raw)
}

fn from_bytes(element: Element, raw: &[u8]) -> Result<Data> {
    Ok(match element {
        Element::F32 => floats(raw, f32::from_le_bytes),
        Element::F64 => floats(raw, |bytes| f64::from_le_bytes(bytes) as f32),
        Element::F16 => floats(raw, |bytes| f16_to_f32(u16::from_le_bytes(bytes))),
        Element::BF16 => floats(raw, |bytes| bf16_to_f32(u16::from_le_bytes(bytes))),
        Element::U8 => integers(raw, |[byte]: [u8; 1]| byte),
        Element::Bool => integers(raw, |[byte]: [u8; 1]| byte != 0),
        Element::I8 => integers(raw, i8::from_le_bytes),
        Element::U16 => integers(raw, u16::from_le_bytes),
        Element::I16 => integers(raw, i16::from_le_bytes),
        Element::U32 => integers(raw, u32::from_le_bytes),
        Element::I32 => integers(raw, i32::from_le_bytes),
        Element::I64 => integers(raw, i64::from_le_bytes),
        Element::U64 => unsigned(chunks(raw).map(u64::from_le_bytes))?,
    })
}

/// The typed fields of `TensorProto`; each holds several types.
fn from_fields(element: Element, proto: &TensorProto) -> Result<Data> {
    // Half-precision bits are kept in the low half of 32-bit integers.
    let bits = |widen: fn(u16) -> f32| Data::F32(proto.int32_data.iter().map(|&bits| widen(bits as u16)).collect());
    Ok(match element {
        Element::F32 => Data::F32(proto.float_data.clone()),
        Element::F64 => Data::F32(proto.double_data.iter().map(|&x| x as f32).collect()),
        Element::F16 => bits(f16_to_f32),
        Element::BF16 => bits(bf16_to_f32),
        Element::I64 => Data::I64(proto.int64_data.clone()),
        Element::U32 | Element::U64 => unsigned(proto.uint64_data.iter().copied())?,
        _ => Data::I64(proto.int32_data.iter().map(|&x| element.wrap(i64::from(x))).collect()),
    })
}

fn chunks<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> {
    raw.as_chunks().0.iter().copied()
}

fn floats<const N: usize>(raw: &[u8], widen: impl Fn([u8; N]) -> f32) -> Data {
    Data::F32(chunks(raw).map(widen).collect())
}

fn integers<const N: usize, T: Into<i64>>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Data {
    Data::I64(chunks(raw).map(|bytes| read(bytes).into()).collect())
}

fn unsigned(values: impl Iterator<Item = u64>) -> Result<Data> {
    let values: std::result::Result<Vec<i64>, _> = values.map(i64::try_from).collect();
    values.map(Data::I64).map_err(|_| Error::unsupported("integer above 2^63 - 1 is not supported"))
}

fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// IEEE 754 binary16; every value is also one of binary32.
fn f16_to_f32(bits: u16) -> f32 {
    let (exponent, fraction) = (bits >> 10 & 0x1f, u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        0x1f => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((u32::from(exponent) + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
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
            assert_eq!(f16_to_f32(bits), value, "{bits:#06x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
        assert!(f16_to_f32(0x8000).is_sign_negative());
        assert_eq!(bf16_to_f32(0xc049), -3.140_625);
    }
}
