use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::expect_dtype;
use super::operator::{NO_WORKSPACE, any_order};
use super::{Cost, Op, Operator, QuantParams};
use crate::{DType, Data, Error, Result, Shape, Tensor, Value};

/// The f32 values of 8-bit integers (or of the wide integers of a bias): `(q - zero_point) · scale` (ONNX
/// DequantizeLinear). A constant before it keeps its integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Dequantize(pub QuantParams);

impl Operator for Dequantize {
    fn name(&self) -> &'static str {
        "dequantize"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.0)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        expect_dtype(inputs[0], &[self.0.dtype])?;
        self.0.check(&inputs[0].shape)?;
        if inputs[0].constant.is_none() {
            self.0.check_positive()?;
        }
        Ok((inputs[0].shape.clone(), DType::F32))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let dequantized = |(q, (scale, zero)): (i64, (f32, i32))| q.wrapping_sub(zero.into()) as f32 * scale;
        let params = self.0.of_elements(self.0.inner_len(output), 0);
        let dequantized: Vec<f32> = match inputs[0].data() {
            Data::U8(x) => x.iter().map(|&q| q.into()).zip(params).map(dequantized).collect(),
            Data::I8(x) => x.iter().map(|&q| q.into()).zip(params).map(dequantized).collect(),
            Data::I64(x) => x.iter().copied().zip(params).map(dequantized).collect(),
            Data::F32(_) => {
                return Err(Error::unsupported("operand has the wrong dtype").expected(self.0.dtype, DType::F32));
            }
        };
        Tensor::f32(output.to_vec(), dequantized)
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(Self(self.0.permuted(order)), order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}
