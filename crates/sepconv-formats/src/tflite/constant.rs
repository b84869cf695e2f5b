use sepconv_core::{Data, Error, Result, Shape, Tensor};

use super::schema::{Model, Quantization, TensorInfo, is_narrow};
use crate::dims;

/// The shape of a tensor at the time of conversion.
pub(super) fn shape_of(tensor: &TensorInfo) -> Result<Shape> {
    let dims = tensor.shape()?;
    if dims.len() > Shape::MAX_RANK {
        return Err(Error::unsupported("tensor has too many axes")
            .expected(format_args!("at most {}", Shape::MAX_RANK), dims.len()));
    }
    let dims: Result<Vec<usize>> = dims.iter().map(|dim| dims::size(dim.into())).collect();
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
    let element = tensor.element()?;
    let decoded = element.tensor(data, shape_of(tensor)?)?;
    let quantization = if is_narrow(element) { tensor.quantization()? } else { None };
    match (quantization, decoded.data()) {
        (Some(quantization), Data::I64(integers)) => {
            let data = dequantize(integers, decoded.shape(), &quantization)?;
            Tensor::new(decoded.shape().clone(), Data::F32(data)).map(Some)
        }
        _ => Ok(Some(decoded)),
    }
}

/// The real numbers that integers stand for.
fn dequantize(integers: &[i64], shape: &Shape, quantization: &Quantization) -> Result<Vec<f32>> {
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
    let real = |(index, q): (usize, &i64)| {
        let channel = index / inner % count;
        let zero = zeros.get(channel).or(zeros.first()).copied().unwrap_or(0);
        q.wrapping_sub(zero) as f32 * scales[channel]
    };
    Ok(integers.iter().enumerate().map(real).collect())
}
