use sepconv_core::{Data, Error, Result, Shape, Tensor, probe_memory};

use super::external::{EXTERNAL, External};
use super::proto::TensorProto;
use crate::dims::sizes;
use crate::element::{ElementType, unsigned};

/// The type that `TensorProto.DataType` numbers so.
pub(super) fn element(data_type: i32) -> Result<ElementType> {
    Ok(match data_type {
        1 => ElementType::F32,
        2 => ElementType::U8,
        3 => ElementType::I8,
        4 => ElementType::U16,
        5 => ElementType::I16,
        6 => ElementType::I32,
        7 => ElementType::I64,
        9 => ElementType::Bool,
        10 => ElementType::F16,
        11 => ElementType::F64,
        12 => ElementType::U32,
        13 => ElementType::U64,
        16 => ElementType::BF16,
        other => return Err(ElementType::unknown(format_args!("TensorProto.DataType {other}{}", name_of(other)))),
    })
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

/// The tensor with its elements as [`ElementType::dtype`] says.
pub(super) fn tensor(proto: &TensorProto, external: External<'_>) -> Result<Tensor> {
    read(proto, external).map_err(|error| error.at(format!("tensor {:?}", proto.name)))
}

fn read(proto: &TensorProto, external: External<'_>) -> Result<Tensor> {
    let element = element(proto.data_type)?;
    let shape = Shape::new(sizes(&proto.dims)?)?;
    if proto.data_location == EXTERNAL {
        let bytes = external.read(proto, shape.elements().saturating_mul(element.size()))?;
        return element.tensor(&bytes, shape);
    }
    if let Some(raw) = &proto.raw_data {
        return element.tensor(raw, shape);
    }
    probe_memory(shape.elements() * element.dtype().size())?;
    Tensor::new(shape, from_fields(element, proto)?).map_err(|_| {
        Error::malformed("tensor data does not fill its shape")
            .expected(format_args!("the elements of {:?}", proto.dims), "another number of them")
    })
}

/// The typed fields of `TensorProto`; each holds several types.
fn from_fields(element: ElementType, proto: &TensorProto) -> Result<Data> {
    Ok(match element {
        ElementType::F32 => Data::F32(proto.float_data.clone()),
        ElementType::F64 => Data::F32(proto.double_data.iter().map(|&x| x as f32).collect()),
        // The bits are the low half of a 32-bit integer.
        ElementType::F16 | ElementType::BF16 => {
            Data::F32(proto.int32_data.iter().map(|&bits| element.widen(bits as u16)).collect())
        }
        ElementType::I64 => Data::I64(proto.int64_data.clone()),
        ElementType::U32 | ElementType::U64 => unsigned(proto.uint64_data.iter().copied())?,
        ElementType::U8 => Data::U8(proto.int32_data.iter().map(|&x| x as u8).collect()),
        ElementType::I8 => Data::I8(proto.int32_data.iter().map(|&x| x as i8).collect()),
        _ => Data::I64(proto.int32_data.iter().map(|&x| element.wrap(i64::from(x))).collect()),
    })
}
