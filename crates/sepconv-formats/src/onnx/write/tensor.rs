//! Constants as the file holds them, and axes in another order.

use sepconv_core::op::Transpose;
use sepconv_core::{DType, Data, Op, Result, Shape, Tensor};

use crate::onnx::proto::TensorProto;

/// The number of `TensorProto.DataType`.
pub(super) fn data_type(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::I64 => 7,
    }
}

/// A constant with its elements as they are.
pub(super) fn proto(name: String, tensor: &Tensor) -> TensorProto {
    let raw: Vec<u8> = match tensor.data() {
        Data::F32(data) => data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(data) => data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(data) => data.clone(),
        Data::I8(data) => data.iter().map(|x| x.cast_unsigned()).collect(),
    };
    of_bytes(name, tensor.shape(), data_type(tensor.dtype()), raw)
}

/// Wide integers that fit in 32 bits, as `DequantizeLinear` takes them.
pub(super) fn narrow(name: String, tensor: &Tensor) -> TensorProto {
    let wide = tensor.as_i64().unwrap_or_default();
    of_bytes(name, tensor.shape(), 6, wide.iter().flat_map(|&q| (q as i32).to_le_bytes()).collect())
}

fn of_bytes(name: String, dims: &[usize], data_type: i32, raw: Vec<u8>) -> TensorProto {
    let dims = dims.iter().map(|&size| size as i64).collect();
    TensorProto { name, dims, data_type, raw_data: Some(raw.into()), ..Default::default() }
}

/// The order that changes nothing.
pub(super) fn file_order(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

/// The permutation that undoes `order`.
pub(super) fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
    inverse
}

/// Sizes with as many leading ones as make `rank` of them.
pub(super) fn extended(dims: &[usize], rank: usize) -> Vec<usize> {
    [&vec![1; rank - dims.len()], dims].concat()
}

/// The sizes of a tensor that has axis `i` of `dims` as its axis `order[i]`; leading axes of size 1 are added where
/// `order` is longer.
pub(super) fn turned_dims(dims: &[usize], order: &[usize]) -> Vec<usize> {
    let dims = extended(dims, order.len());
    inverse(order).into_iter().map(|axis| dims[axis]).collect()
}

/// The same for a tensor's elements.
pub(super) fn turned(tensor: &Tensor, order: &[usize]) -> Result<Tensor> {
    let full = tensor.clone().reshape(Shape::new(extended(tensor.shape(), order.len()))?)?;
    let dims = Shape::new(turned_dims(tensor.shape(), order))?;
    Op::Transpose(Transpose { order: inverse(order) }).evaluate(&[&full], &dims)
}
