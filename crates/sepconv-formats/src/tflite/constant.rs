use sepconv_core::{Error, Result, Shape, Tensor};

use super::schema::{Model, TensorInfo};
use super::sparse::dense;
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

/// The elements of a tensor, if the file holds them. Halves become floats and bytes stay; what they stand for is told
/// elsewhere.
pub(super) fn constant(model: &Model, tensor: &TensorInfo) -> Result<Option<Tensor>> {
    let data = model.buffer(tensor.buffer()?)?;
    if data.is_empty() && tensor.shape()?.iter().all(|dim| dim != 0) {
        return Ok(None);
    }
    let (element, shape) = (tensor.element()?, shape_of(tensor)?);
    let elements = match (tensor.sparsity()?, tensor.is_packed()?) {
        (None, false) => return element.tensor(data, shape).map(Some),
        (None, true) => unpacked(data, shape.elements())?,
        (Some(sparsity), false) => dense(&sparsity, data, &shape, element.size())?,
        (Some(_), true) => return Err(Error::unsupported("sparse tensor of 4-bit integers is not supported")),
    };
    element.tensor(&elements, shape).map(Some)
}

/// Signed integers of 4 bits as bytes; the first is the lower half of a byte.
fn unpacked(data: &[u8], count: usize) -> Result<Vec<u8>> {
    if data.len() != count.div_ceil(2) {
        return Err(Error::malformed("tensor data does not fill its shape")
            .expected(format_args!("{} bytes", count.div_ceil(2)), data.len()));
    }
    let halves = data.iter().flat_map(|byte| [byte << 4, *byte]);
    Ok(halves.take(count).map(|high| (high.cast_signed() >> 4).cast_unsigned()).collect())
}
