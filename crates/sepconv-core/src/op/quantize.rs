use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::expect_dtype;
use super::operator::{NO_WORKSPACE, any_order};
use super::{Cost, Op, Operator, QuantParams};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// f32 to 8-bit integers: `clamp(round(x / scale) + zero_point)`, halves to even (ONNX QuantizeLinear).
#[derive(Clone, Debug, PartialEq)]
pub struct Quantize(pub QuantParams);

impl Operator for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.0)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        expect_dtype(inputs[0], &[DType::F32])?;
        if !self.0.dtype.is_int8() {
            return Err(
                Error::unsupported("result of a quantization has the wrong dtype").expected("u8 or i8", self.0.dtype)
            );
        }
        self.0.check(&inputs[0].shape)?;
        self.0.check_positive()?;
        Ok((inputs[0].shape.clone(), self.0.dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = super::check::f32_elements(inputs)?[0];
        let params = self.0.of_elements(self.0.inner_len(output), 0);
        let integers = x.iter().zip(params).map(|(&x, (scale, zero))| self.0.quantize(x, scale, zero));
        match self.0.dtype {
            DType::U8 => Tensor::u8(output.to_vec(), integers.map(|q| q as u8).collect::<Vec<_>>()),
            DType::I8 => Tensor::i8(output.to_vec(), integers.map(|q| q as i8).collect::<Vec<_>>()),
            DType::F32 | DType::I64 => {
                Err(Error::unsupported("result of a quantization has the wrong dtype")
                    .expected("u8 or i8", self.0.dtype))
            }
        }
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(Self(self.0.permuted(order)), order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}
