use sepconv_core::{Error, Result, Shape, Tensor};

use super::schema::{Model, TensorInfo};
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
    if tensor.is_sparse()? {
        return Err(Error::unsupported("tensor is stored sparsely").help("convert the model without sparsity"));
    }
    tensor.element()?.tensor(data, shape_of(tensor)?).map(Some)
}
