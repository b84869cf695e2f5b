use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::quantized::QuantizedBinary;
use sepconv_kernels::{RequantOperand, Requantize};

use super::broadcast::{broadcast_shape, for_each_pair};
use super::check::expect_same_dtype;
use super::names::LowerCase;
use super::operator::{NO_WORKSPACE, any_order};
use super::qconv2d::check_clamp;
use super::{BinaryFunction, Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Sum, difference or product of u8 operands, broadcast as in NumPy. Sum and difference: `output(a(x) ± b(y))`;
/// product: `output((x - a.zero_point)·(y - b.zero_point) · scale)` with the rounded product of both scales.
#[derive(Clone, Debug, PartialEq)]
pub struct QBinary {
    /// `Add`, `Sub` or `Mul`.
    pub function: BinaryFunction,
    /// Scale and zero point of the first operand.
    pub a: RequantOperand,
    /// Scale and zero point of the second operand.
    pub b: RequantOperand,
    /// How results become u8.
    pub output: Requantize,
}

impl Operator for QBinary {
    fn name(&self) -> &'static str {
        "qbinary"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q{}", LowerCase(&self.function))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::U8])?;
        match self.function {
            BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Mul => {}
            function => {
                return Err(Error::unsupported("function of two int8 operands is not supported")
                    .expected("add, sub or mul", LowerCase(&function)));
            }
        }
        check_clamp(self.output)?;
        Ok((broadcast_shape(&inputs[0].shape, &inputs[1].shape)?, dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let wrong = || Error::unsupported("operand has the wrong dtype").expected("u8", inputs[0].dtype());
        let x = inputs[0].as_u8().zip(inputs[1].as_u8()).ok_or_else(wrong)?;
        let (pair, mut result) = (self.pair(), vec![0; output.elements()]);
        let shapes = [inputs[0].shape(), inputs[1].shape()];
        for_each_pair(shapes, x.into(), output, |i, x, y| result[i] = pair.apply(x, y));
        Tensor::u8(output.to_vec(), result)
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(self.clone(), order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}

impl QBinary {
    /// The kernel's view of this operator.
    pub(crate) fn pair(&self) -> QuantizedBinary {
        QuantizedBinary { function: self.function, a: self.a, b: self.b, output: self.output }
    }
}
