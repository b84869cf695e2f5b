use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::expect_dtype;
use super::operator::{NO_WORKSPACE, any_order};
use super::{Cost, Op, Operator};
use crate::{DType, Data, Error, Result, Shape, Tensor, Value};

/// A function of each 8-bit integer, as a lookup table.
#[derive(Clone, PartialEq)]
pub struct Lut {
    /// The result for each operand; signed integers are indexed and returned by their bits.
    pub table: Arc<[u8; 256]>,
    /// `U8` or `I8`.
    pub output: DType,
}

impl Operator for Lut {
    fn name(&self) -> &'static str {
        "lut"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        expect_dtype(inputs[0], &[DType::U8, DType::I8])?;
        Ok((inputs[0].shape.clone(), self.output))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let result: Vec<u8> = match inputs[0].data() {
            Data::U8(x) => x.iter().map(|&q| self.get(q)).collect(),
            Data::I8(x) => x.iter().map(|&q| self.get(q as u8)).collect(),
            Data::F32(_) | Data::I64(_) => {
                return Err(Error::unsupported("operand has the wrong dtype").expected("u8 or i8", inputs[0].dtype()));
            }
        };
        match self.output {
            DType::U8 => Tensor::u8(output.to_vec(), result),
            DType::I8 => Tensor::i8(output.to_vec(), result.into_iter().map(|q| q as i8).collect::<Vec<_>>()),
            DType::F32 | DType::I64 => {
                Err(Error::unsupported("table has the wrong dtype").expected("u8 or i8", self.output))
            }
        }
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(self.clone(), order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}

impl Lut {
    /// The table of a function.
    pub fn new(output: DType, function: impl Fn(u8) -> u8) -> Self {
        Self { table: Arc::new(core::array::from_fn(|q| function(q as u8))), output }
    }

    /// The result for `q`.
    pub fn get(&self, q: u8) -> u8 {
        self.table[usize::from(q)]
    }

    /// Whether this is the table of a function.
    pub(crate) fn is(&self, function: impl Fn(u8) -> u8) -> bool {
        (0..=u8::MAX).all(|q| self.get(q) == function(q))
    }
}

impl fmt::Debug for Lut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lut").field("output", &self.output).finish_non_exhaustive()
    }
}
