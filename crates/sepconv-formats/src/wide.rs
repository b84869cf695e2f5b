//! Quantized integers of more than 8 bits: the activations of int16x8 networks, and 32-bit results.
//!
//! No kernel computes with them. Operators run in f32, whose 24 bits hold a 16-bit integer times its scale, and results
//! are rounded to the integers that the file asks for.

use sepconv_core::op::{BinaryFunction, Cast, UnaryFunction};
use sepconv_core::{Builder, DType, Error, Result, Tensor, ValueId};
use sepconv_kernels::Activation;

use crate::element::ElementType;

/// Integers `q` that stand for the real numbers `scale · (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WideQuantization {
    scale: f32,
    zero_point: f32,
    /// The smallest and the largest integer.
    range: (f32, f32),
}

impl WideQuantization {
    /// Fails unless the scale is a positive number. `None` where the type is no integer of 16 bits or 32 signed ones.
    pub(crate) fn new(element: ElementType, scale: f32, zero_point: i32) -> Result<Option<Self>> {
        let range = match element {
            ElementType::I16 => (-32768.0, 32767.0),
            ElementType::U16 => (0.0, 65535.0),
            // The largest f32 that an i32 holds.
            ElementType::I32 => (-2147483648.0, 2147483520.0),
            ElementType::F16
            | ElementType::BF16
            | ElementType::F32
            | ElementType::F64
            | ElementType::Bool
            | ElementType::I8
            | ElementType::U8
            | ElementType::U32
            | ElementType::I64
            | ElementType::U64 => return Ok(None),
        };
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::malformed("scale of a quantization is not valid").expected("a positive number", scale));
        }
        Ok(Some(Self { scale, zero_point: zero_point as f32, range }))
    }

    /// The integers of real numbers: `clamp(round(x / scale) + zero_point)`, halves to even.
    pub(crate) fn quantize(&self, builder: &mut Builder, name: &str, x: ValueId) -> Result<ValueId> {
        let steps = self.steps(builder, name, x)?;
        let integers = with(builder, name, BinaryFunction::Add, steps, self.zero_point, 0.0)?;
        builder.apply(name, Cast { to: DType::I64 }, &[integers])
    }

    /// The real numbers of integers.
    pub(crate) fn dequantize(&self, builder: &mut Builder, name: &str, integers: ValueId) -> Result<ValueId> {
        let integers = builder.apply(name, Cast { to: DType::F32 }, &[integers])?;
        let steps = with(builder, name, BinaryFunction::Sub, integers, self.zero_point, 0.0)?;
        with(builder, name, BinaryFunction::Mul, steps, self.scale, 1.0)
    }

    /// The real numbers that are left of `x` after quantizing and dequantizing.
    pub(crate) fn round(&self, builder: &mut Builder, name: &str, x: ValueId) -> Result<ValueId> {
        let steps = self.steps(builder, name, x)?;
        with(builder, name, BinaryFunction::Mul, steps, self.scale, 1.0)
    }

    /// Whole steps of `scale` from the zero point.
    fn steps(&self, builder: &mut Builder, name: &str, x: ValueId) -> Result<ValueId> {
        let steps = with(builder, name, BinaryFunction::Div, x, self.scale, 1.0)?;
        let steps = builder.apply(name, UnaryFunction::Round, &[steps])?;
        let [low, high] = [self.range.0, self.range.1].map(|end| end - self.zero_point);
        builder.apply(name, Activation::Clip { low, high }, &[steps])
    }
}

/// `x` and a number, unless the number is `neutral`.
fn with(
    builder: &mut Builder,
    name: &str,
    function: BinaryFunction,
    x: ValueId,
    number: f32,
    neutral: f32,
) -> Result<ValueId> {
    if number == neutral {
        return Ok(x);
    }
    let number = builder.constant(name, Tensor::f32([], [number])?)?;
    builder.apply(name, function, &[x, number])
}
