//! Checks that several operators share.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Display;

use sepconv_kernels::Window;

use crate::{DType, Error, Result, Shape, Tensor, Value};

pub(super) fn expect_dtype(value: &Value, expected: &[DType]) -> Result<()> {
    if expected.contains(&value.dtype) {
        return Ok(());
    }
    let names: Vec<_> = expected.iter().map(DType::to_string).collect();
    Err(Error::mismatch("operand has the wrong dtype")
        .expected(names.join(" or "), format_args!("{} {:?}", value.dtype, value.name)))
}

/// Checks that all operands are f32, which is the dtype of the result then.
pub(super) fn expect_f32(inputs: &[&Value]) -> Result<DType> {
    inputs.iter().try_for_each(|value| expect_dtype(value, &[DType::F32]))?;
    Ok(DType::F32)
}

/// Checks that all operands have the dtype of the first, one of `expected`; the result has it too.
pub(super) fn expect_same_dtype(inputs: &[&Value], expected: &[DType]) -> Result<DType> {
    expect_dtype(inputs[0], expected)?;
    inputs.iter().try_for_each(|value| expect_dtype(value, &[inputs[0].dtype]))?;
    Ok(inputs[0].dtype)
}

/// The elements of f32 operands.
pub(super) fn f32_elements<'a>(inputs: &[&'a Tensor]) -> Result<Vec<&'a [f32]>> {
    let elements = inputs.iter().map(|tensor| {
        let error = || Error::unsupported("operand has the wrong dtype").expected("f32", tensor.dtype());
        tensor.as_f32().ok_or_else(error)
    });
    elements.collect()
}

/// An f32 tensor that `fill` computes; nothing is left to compute where it has no elements.
pub(super) fn f32_tensor(shape: &Shape, fill: impl FnOnce(&mut [f32])) -> Result<Tensor> {
    let mut elements = vec![0.0; shape.elements()];
    if !elements.is_empty() {
        fill(&mut elements);
    }
    Tensor::f32(shape.to_vec(), elements)
}

pub(super) fn expect_shape(name: impl Display, shape: &Shape, expected: &[usize]) -> Result<()> {
    if **shape == *expected {
        return Ok(());
    }
    Err(Error::mismatch(format!("{name} has the wrong shape")).expected(format_args!("{expected:?}"), shape))
}

pub(super) fn expect_axis(axis: usize, shape: &Shape) -> Result<()> {
    if axis < shape.len() {
        return Ok(());
    }
    Err(Error::mismatch("axis is out of range").expected(format_args!("an axis of {shape}"), axis))
}

pub(super) fn expect_rank(name: &str, len: usize, shape: &Shape) -> Result<()> {
    if len == shape.len() {
        return Ok(());
    }
    Err(Error::mismatch(format!("{name} does not match the rank"))
        .expected(format_args!("{} entries for {shape}", shape.len()), len))
}

/// The sizes of a batch of feature maps, none of which is empty.
pub(super) fn nhwc(shape: &Shape) -> Result<[usize; 4]> {
    let sizes: Option<[usize; 4]> = (**shape).try_into().ok();
    sizes.filter(|&[_, h, w, _]| h > 0 && w > 0).ok_or_else(|| {
        Error::mismatch("operand is not a batch of feature maps")
            .expected("4 axes (NHWC), height and width from 1", shape)
    })
}

/// The sizes of a convolution's weights.
pub(super) fn ohwi(shape: &Shape) -> Result<[usize; 4]> {
    (**shape).try_into().map_err(|_| Error::mismatch("weights have the wrong rank").expected("4 axes (OHWI)", shape))
}

/// The sizes `[h, w, c]` of each image of an NHWC batch.
pub(crate) fn image(shape: &Shape) -> [usize; 3] {
    [shape[1], shape[2], shape[3]]
}

pub(super) fn check_groups(groups: usize, channels: usize, filters: usize) -> Result<()> {
    if groups > 0 && channels > 0 && filters > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups) {
        return Ok(());
    }
    Err(Error::mismatch("groups do not divide the channels").expected(
        "a divisor of input and output channels",
        format_args!("{groups} groups for {channels} -> {filters} channels"),
    ))
}

/// The shape `[h, w, c]` of a feature map with the padding of a window.
pub(super) fn padded(window: &Window, x: &Shape) -> Result<Option<Shape>> {
    let [_, h, w, c] = nhwc(x)?;
    let size = |axis: usize, size: usize| size.checked_add(window.before[axis])?.checked_add(window.after[axis]);
    let (rows, columns) = size(0, h).zip(size(1, w)).ok_or_else(|| no_output(window, [h, w]))?;
    Shape::new([rows, columns, c]).map(Some)
}

pub(super) fn no_output(window: &Window, size: [usize; 2]) -> Error {
    Error::mismatch("window does not fit on the padded feature map").expected(
        "kernel, stride and dilation of at least 1 and an extent within the padded feature map",
        format_args!("{window:?} on {}x{}", size[0], size[1]),
    )
}

/// The taps of a window.
pub(super) fn taps(window: &Window) -> u64 {
    (window.kernel[0] as u64).saturating_mul(window.kernel[1] as u64)
}

/// A shape seen from one axis: elements before it, along it, after it.
pub(crate) fn split_at(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}
