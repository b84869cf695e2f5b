use sepconv_core::op::QuantParams;
use sepconv_core::{DType, Error, Result};

use super::constant::shape_of;
use super::schema::TensorInfo;
use crate::dims;
use crate::element::ElementType;
use crate::wide::WideQuantization;

/// How the integers of a tensor stand for real numbers; `None` where nothing says so.
///
/// Zero points may be left out, or be one for all scales. Scales of a tensor with one axis belong to that axis,
/// whichever the file names: some name the weights' axis on biases.
pub(super) fn quantization(tensor: &TensorInfo) -> Result<Option<QuantParams>> {
    let (element, stored) = (tensor.element()?, tensor.quantization()?);
    let Some(stored) = stored.filter(|_| element.dtype() != DType::F32 && element != ElementType::Bool) else {
        return Ok(None);
    };
    let shape = shape_of(tensor)?;
    let (scales, zeros) = (stored.scale.len(), stored.zero_point.len());
    // Many tensors may share one long list.
    if scales > shape.elements().max(1) || ![0, 1, scales].contains(&zeros) {
        return Err(Error::malformed("quantization does not fit its tensor").expected(
            format_args!("one scale for {shape} or for each index along an axis, and as many zero points or none"),
            format_args!("{scales} scales and {zeros} zero points"),
        ));
    }
    let given: Result<Vec<i32>> = stored.zero_point.iter().map(zero_point).collect();
    let zero_point = match given?[..] {
        [] => vec![0; scales],
        [zero] => vec![zero; scales],
        ref zeros => zeros.to_vec(),
    };
    let axis = if scales > 1 && shape.len() > 1 { dims::axis(stored.axis.into(), shape.len())? } else { 0 };
    let quantization = QuantParams { dtype: element.dtype(), scale: stored.scale.iter().collect(), zero_point, axis };
    quantization.check(&shape)?;
    Ok(Some(quantization))
}

/// How bytes with one scale stand for real numbers; `None` for every other tensor.
pub(super) fn whole(tensor: &TensorInfo) -> Result<Option<QuantParams>> {
    let one_scale = tensor.quantization()?.is_some_and(|stored| stored.scale.len() == 1);
    if one_scale && tensor.element()?.dtype().is_int8() { quantization(tensor) } else { Ok(None) }
}

/// The same for a tensor that is given or computed, which has to be of such bytes if it is quantized at all.
pub(super) fn activation(tensor: &TensorInfo) -> Result<Option<QuantParams>> {
    if tensor.is_packed()? {
        return Err(Error::unsupported("4-bit activations are not supported").expected("bytes", "4-bit integers"));
    }
    match (tensor.element()?, tensor.quantization()?.map_or(0, |stored| stored.scale.len())) {
        (ElementType::U8 | ElementType::I8 | ElementType::I16, scales @ 2..) => {
            Err(Error::unsupported("activations with several scales are not supported").expected("one scale", scales))
        }
        _ => whole(tensor),
    }
}

/// How wider integers that are given or computed stand for real numbers; `None` for every other tensor.
pub(super) fn wide(tensor: &TensorInfo) -> Result<Option<WideQuantization>> {
    let Some(stored) = tensor.quantization()?.filter(|stored| stored.scale.len() == 1) else { return Ok(None) };
    let element = tensor.element()?;
    // Some files give indices a scale of 0.
    let Some(scale) = stored.scale.get(0).filter(|&scale| element == ElementType::I16 || scale > 0.0) else {
        return Ok(None);
    };
    let zero = stored.zero_point.get(0).map_or(Ok(0), zero_point)?;
    WideQuantization::new(element, scale, zero)
}

fn zero_point(value: i64) -> Result<i32> {
    i32::try_from(value)
        .map_err(|_| Error::malformed("zero point is outside its dtype").expected("at most 32 bits", value))
}
