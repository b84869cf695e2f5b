use half::f16;
use half::slice::HalfFloatSliceExt as _;
use sepconv_core::{Data, Error, Result, Shape, Tensor};

use super::schema::{Model, Quantization, TensorInfo, TensorKind};

/// The shape of a tensor at the time of conversion.
pub(super) fn shape_of(tensor: &TensorInfo) -> Result<Shape> {
    let dims = tensor.shape()?;
    if dims.len() > Shape::MAX_RANK {
        return Err(Error::unsupported("tensor has too many axes")
            .expected(format_args!("at most {}", Shape::MAX_RANK), dims.len()));
    }
    let dims: Result<Vec<usize>> = dims
        .iter()
        .map(|dim| {
            usize::try_from(dim)
                .map_err(|_| Error::malformed("tensor has a negative size").expected("a size of at least 0", dim))
        })
        .collect();
    Shape::new(dims?)
}

/// The elements of a tensor, if the file holds them. Halves become floats, narrow integers with a scale the real numbers that they
/// stand for, other integers `i64`.
pub(super) fn constant(model: &Model, tensor: &TensorInfo) -> Result<Option<Tensor>> {
    let data = model.buffer(tensor.buffer()?)?;
    if data.is_empty() && tensor.shape()?.iter().all(|dim| dim != 0) {
        return Ok(None);
    }
    if tensor.is_sparse()? {
        return Err(Error::unsupported("tensor is stored sparsely").help("convert the model without sparsity"));
    }
    let (shape, kind) = (shape_of(tensor)?, tensor.kind()?);
    let expected = shape.elements() * kind.width();
    if data.len() != expected {
        return Err(Error::malformed("buffer does not fill its tensor")
            .expected(format_args!("{expected} bytes for {shape}"), data.len()));
    }
    let quantization = if kind.is_narrow() { tensor.quantization()? } else { None };
    let data = match quantization {
        Some(quantization) => Data::F32(dequantize(data, kind, &shape, &quantization)?),
        None => decode(data, kind),
    };
    Tensor::new(shape, data).map(Some)
}

fn decode(data: &[u8], kind: TensorKind) -> Data {
    match kind {
        TensorKind::F32 => Data::F32(numbers(data).map(f32::from_le_bytes).collect()),
        TensorKind::F64 => Data::F32(numbers(data).map(|bytes| f64::from_le_bytes(bytes) as f32).collect()),
        TensorKind::F16 => {
            let halves: Vec<f16> = numbers(data).map(f16::from_le_bytes).collect();
            let mut floats = vec![0.0; halves.len()];
            halves.convert_to_f32_slice(&mut floats);
            Data::F32(floats)
        }
        TensorKind::I64 => Data::I64(numbers(data).map(i64::from_le_bytes).collect()),
        TensorKind::I32 => Data::I64(numbers(data).map(|bytes| i32::from_le_bytes(bytes).into()).collect()),
        TensorKind::Bool | TensorKind::I8 | TensorKind::U8 | TensorKind::I16 => {
            Data::I64(narrow(data, kind).map(i64::from).collect())
        }
    }
}

/// Elements of `N` bytes.
fn numbers<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.as_chunks().0.iter().copied()
}

/// Elements of one or two bytes.
fn narrow(data: &[u8], kind: TensorKind) -> impl Iterator<Item = i32> {
    data.chunks_exact(kind.width()).map(move |bytes| match (kind, bytes) {
        (TensorKind::I8, &[byte]) => byte.cast_signed().into(),
        (_, &[byte]) => byte.into(),
        (_, bytes) => i16::from_le_bytes([bytes[0], bytes[1]]).into(),
    })
}

/// The real numbers that integers stand for.
fn dequantize(data: &[u8], kind: TensorKind, shape: &Shape, quantization: &Quantization) -> Result<Vec<f32>> {
    let count = quantization.scale.len();
    let axis = usize::try_from(quantization.axis).ok().filter(|&axis| axis < shape.len());
    let fits = count == 1 || axis.is_some_and(|axis| shape[axis] == count);
    if !fits || ![0, 1, count].contains(&quantization.zero_point.len()) {
        return Err(Error::malformed("quantisation does not fit its tensor").expected(
            format_args!("one scale, or one for each index along an axis of {shape}"),
            format_args!("{count} scales along axis {}", quantization.axis),
        ));
    }
    let scales: Vec<f32> = quantization.scale.iter().collect();
    let zeros: Vec<i64> = quantization.zero_point.iter().collect();
    // How many neighbours share a scale.
    let inner = if count == 1 { 1 } else { axis.map_or(1, |axis| shape[axis + 1..].iter().product()) };
    let real = |(index, q): (usize, i32)| {
        let channel = index / inner % count;
        let zero = zeros.get(channel).or(zeros.first()).copied().unwrap_or(0);
        (i64::from(q).wrapping_sub(zero)) as f32 * scales[channel]
    };
    Ok(narrow(data, kind).enumerate().map(real).collect())
}
