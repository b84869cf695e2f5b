use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::check::expect_axis;
use crate::{DType, Error, Result, Shape};

/// How integers represent real numbers: `(q - zero_point) · scale`, for the whole tensor or for each index along an
/// axis (TensorFlow Lite's quantization specification, ONNX QuantizeLinear).
#[derive(Clone, Debug, PartialEq)]
pub struct QuantParams {
    /// The dtype of the integers: `U8` or `I8`; `I64` for the wide ones of a bias.
    pub dtype: DType,
    /// One scale, or one for each index along `axis`.
    pub scale: Vec<f32>,
    /// As many integers that represent zero.
    pub zero_point: Vec<i32>,
    /// The axis of several scales.
    pub axis: usize,
}

impl QuantParams {
    /// One scale and zero point for a whole tensor.
    pub fn per_tensor(dtype: DType, scale: f32, zero_point: i32) -> Self {
        Self { dtype, scale: vec![scale], zero_point: vec![zero_point], axis: 0 }
    }

    /// The scale and zero point of the whole tensor, where there is only one.
    pub fn as_per_tensor(&self) -> Option<(f32, i32)> {
        let (&[scale], &[zero_point]) = (&self.scale[..], &self.zero_point[..]) else { return None };
        Some((scale, zero_point))
    }

    /// The scale and zero point of a whole u8 tensor, where there is only one.
    pub(crate) fn as_per_tensor_u8(&self) -> Option<(f32, u8)> {
        let (scale, zero_point) = self.as_per_tensor().filter(|_| self.dtype == DType::U8)?;
        Some((scale, u8::try_from(zero_point).ok()?))
    }

    /// The least and the greatest integer; those of i32 for wider dtypes.
    pub fn range(&self) -> (i32, i32) {
        match self.dtype {
            DType::U8 => (u8::MIN.into(), u8::MAX.into()),
            DType::I8 => (i8::MIN.into(), i8::MAX.into()),
            DType::I64 | DType::F32 => (i32::MIN, i32::MAX),
        }
    }

    /// Checks that scales are finite and not zero, zero points within the dtype, and that their number fits a tensor.
    /// Weights may have negative scales: batch normalization that was folded into them leaves some.
    ///
    /// # Errors
    /// Malformed for numbers that are outside these ranges or do not fit, a mismatch for an axis that the tensor has
    /// not.
    pub fn check(&self, shape: &Shape) -> Result<()> {
        if self.dtype == DType::F32 {
            return Err(
                Error::mismatch("quantized dtype must be an integer type").expected("u8, i8 or i64", self.dtype)
            );
        }
        self.check_scales(|scale| scale != 0.0 && scale.is_finite(), "a finite number other than zero")?;
        let (low, high) = self.range();
        if let Some(zero) = self.zero_point.iter().find(|zero| !(low..=high).contains(zero)) {
            return Err(Error::malformed("zero point is outside its dtype")
                .expected(format_args!("{low} to {high} ({})", self.dtype), zero));
        }
        let count = self.scale.len();
        if count == 1 && self.zero_point.len() == 1 {
            return Ok(());
        }
        expect_axis(self.axis, shape)?;
        if count != shape[self.axis] || self.zero_point.len() != count {
            return Err(Error::malformed("quantization does not fit its tensor").expected(
                format_args!(
                    "one scale and zero point, or {} of each for axis {} of {shape}",
                    shape[self.axis], self.axis
                ),
                format_args!("{count} scales and {} zero points", self.zero_point.len()),
            ));
        }
        Ok(())
    }

    /// Checks that scales are positive, so that integers are ordered as the real numbers are. Computed values must have
    /// such scales.
    pub(super) fn check_positive(&self) -> Result<()> {
        self.check_scales(|scale| scale > 0.0, "a positive number")
    }

    fn check_scales(&self, valid: impl Fn(f32) -> bool, expected: &str) -> Result<()> {
        match self.scale.iter().find(|&&scale| !valid(scale)) {
            Some(scale) => Err(Error::malformed("scale of a quantization is not valid").expected(expected, scale)),
            None => Ok(()),
        }
    }

    /// The same parameters of a tensor whose axis `i` is stored as axis `order[i]`.
    pub(super) fn permuted(&self, order: &[usize]) -> Self {
        Self { axis: order.get(self.axis).copied().unwrap_or_default(), ..self.clone() }
    }

    /// How many neighbors in a tensor of this shape share a scale.
    pub(crate) fn inner_len(&self, shape: &Shape) -> usize {
        if self.scale.len() == 1 { 1 } else { shape[self.axis + 1..].iter().product::<usize>().max(1) }
    }

    /// The scale and zero point of each element from `first` on, where `inner` neighbors share them; without end.
    pub(crate) fn of_elements(&self, inner: usize, first: usize) -> impl Iterator<Item = (f32, i32)> {
        (first..).map(move |i| {
            let channel = i / inner % self.scale.len();
            (self.scale[channel], self.zero_point[channel])
        })
    }

    /// The integer for `x`: `clamp(round(x / scale) + zero_point)`, halves to even; NaN gives the least.
    pub fn quantize(&self, x: f32, scale: f32, zero_point: i32) -> i32 {
        let (low, high) = self.range();
        let x = x / scale;
        let (low, high) = (low.saturating_sub(zero_point) as f32, high.saturating_sub(zero_point) as f32);
        let x = if x > low { x } else { low };
        (libm::rintf(if x < high { x } else { high }) as i32).saturating_add(zero_point)
    }
}

impl fmt::Display for QuantParams {
    /// `u8 0.0235 zero 128`, `i8 x32`: the dtype, then the scale and zero point or how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_per_tensor() {
            Some((scale, zero_point)) => write!(f, "{} {scale} zero {zero_point}", self.dtype),
            None => write!(f, "{} x{}", self.dtype, self.scale.len()),
        }
    }
}
