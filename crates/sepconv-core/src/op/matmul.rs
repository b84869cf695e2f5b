use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::broadcast::{broadcast_shape, broadcast_strides};
use super::check::{expect_f32, f32_elements, f32_tensor};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Matrix product of `a[..,m,k]` and `b[..,k,n]`, leading axes broadcast as in NumPy.
#[derive(Clone, Debug, PartialEq)]
pub struct MatMul;

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        let shape = product_shape(a, b).ok_or_else(|| {
            Error::mismatch("matrices do not match").expected("[..,m,k] and [..,k,n]", format_args!("{a} and {b}"))
        })?;
        Ok((shape, dtype))
    }

    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost {
        Cost { macs: (output.elements() as u64).saturating_mul(inputs[0].shape.last() as u64), ..Cost::ONE_PASS }
    }

    fn workspace(&self, _: &[&Value], output: &Shape) -> Result<Option<Shape>> {
        /// Where two matrices start.
        const OFFSETS: usize = 2;
        Shape::new([&output[..output.len() - 2], &[OFFSETS]].concat()).map(Some)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        f32_tensor(output, |result| {
            let [m, n] = [output[output.len() - 2], output.last()];
            let k = inputs[0].shape().last();
            for (batch, result) in result.chunks_exact_mut(m * n).enumerate() {
                let [a, b] = [0, 1].map(|i| batch_offset(inputs[i].shape(), output, batch));
                for (i, result) in result.iter_mut().enumerate() {
                    let product = |p: usize| f64::from(x[0][a + i / n * k + p]) * f64::from(x[1][b + p * n + i % n]);
                    *result = (0..k).map(product).sum::<f64>() as f32;
                }
            }
        })
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        true
    }
}

fn product_shape(a: &Shape, b: &Shape) -> Option<Shape> {
    let ([batch_a @ .., m, k], [batch_b @ .., k2, n]) = (&**a, &**b) else { return None };
    let batch = broadcast_shape(&Shape::new(batch_a).ok()?, &Shape::new(batch_b).ok()?).ok()?;
    (k == k2).then(|| Shape::new([&batch[..], &[*m, *n]].concat()).ok())?
}

/// Where an operand's matrix for matrix `batch` of the result starts: leading axes broadcast.
pub(crate) fn batch_offset(x: &Shape, output: &Shape, batch: usize) -> usize {
    let lead = |shape: &Shape| Shape::new(&shape[..shape.len() - 2]).expect("part of a valid shape");
    let (x_lead, output_lead) = (lead(x), lead(output));
    let (strides, output_strides) = (broadcast_strides(&x_lead, &output_lead), output_lead.strides());
    let matrix = x[x.len() - 2] * x.last();
    let offset = |axis: usize| batch / output_strides[axis] % output_lead[axis] * strides[axis];
    (0..output_lead.len()).map(offset).sum::<usize>() * matrix
}
