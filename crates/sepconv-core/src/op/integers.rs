//! Operators for f32 as loops over integers. Where folding fails (overflow, a division by zero) a run has 0.

use super::loops::{Compute, for_each_run};
use super::names::LowerCase;
use super::{Binary, BinaryFunction, Reduce, Reduction, UnaryFunction, binary, pairwise, unary};
use crate::{Error, Result, Shape, TensorView, TensorViewMut};

/// Such an operator.
#[derive(Debug)]
pub(crate) enum OnIntegers {
    Unary(fn(i64) -> Option<i64>),
    Binary(BinaryFunction),
    Reduce(Reduce),
}

impl OnIntegers {
    /// # Errors
    /// For functions without an integer form.
    pub(crate) fn unary(function: UnaryFunction) -> Result<Self> {
        unary::integer_function(function).map(Self::Unary)
    }

    /// # Errors
    /// Where an activation follows.
    pub(crate) fn binary(op: &Binary) -> Result<Self> {
        binary::expect_no_activation(op.activation).map(|()| Self::Binary(op.function))
    }

    /// # Errors
    /// For reductions without an integer form.
    pub(crate) fn reduce(op: &Reduce) -> Result<Self> {
        joined(op.reduction).map(|_| Self::Reduce(op.clone()))
    }
}

impl Compute for OnIntegers {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let x = inputs[0].elements::<i64>();
        match self {
            Self::Unary(function) => {
                let out = output.shape_and_elements::<i64>().1;
                // A step in place has no operand.
                if !x.is_empty() {
                    out.copy_from_slice(x);
                }
                out.iter_mut().for_each(|x| *x = function(*x).unwrap_or(0));
            }
            Self::Binary(function) => {
                pairwise::each(inputs, output, &|a: i64, b: i64| binary::on_integers(*function, a, b).unwrap_or(0))
            }
            Self::Reduce(reduce) => {
                let out = output.shape_and_elements().1;
                let _ = self::reduce(reduce, inputs[0].shape(), x, out);
            }
        }
    }
}

type Join = fn(i64, i64) -> Option<i64>;

/// What a reduction of nothing gives, and how it joins integers.
fn joined(reduction: Reduction) -> Result<(i64, Join)> {
    match reduction {
        Reduction::Sum => Ok((0, i64::checked_add)),
        Reduction::Prod => Ok((1, i64::checked_mul)),
        Reduction::Max => Ok((i64::MIN, |a, b| Some(a.max(b)))),
        Reduction::Min => Ok((i64::MAX, |a, b| Some(a.min(b)))),
        Reduction::Mean
        | Reduction::L1
        | Reduction::L2
        | Reduction::SumSquare
        | Reduction::LogSum
        | Reduction::LogSumExp => Err(Error::unsupported("reduction has no integer form")
            .expected("sum, prod, max or min", LowerCase(&reduction))),
    }
}

/// Reduces integers.
///
/// # Errors
/// When the reduction has no integer form or overflows; the result is 0 there.
pub(super) fn reduce(op: &Reduce, shape: &[usize], x: &[i64], out: &mut [i64]) -> Result<()> {
    let (nothing, join) = joined(op.reduction)?;
    out.fill(nothing);
    let mut kept = [1; Shape::MAX_RANK];
    for (axis, (kept, &size)) in kept.iter_mut().zip(shape).enumerate() {
        *kept = if op.axes.contains(&axis) { 1 } else { size };
    }
    let mut overflows = false;
    for_each_run([&kept[..shape.len()]], shape, &mut |first, len, [(start, step)]| {
        for (i, &x) in x[first..][..len].iter().enumerate() {
            let out = &mut out[start + i * step];
            let joined = join(*out, x);
            overflows |= joined.is_none();
            *out = joined.unwrap_or(0);
        }
    });
    if overflows { Err(unary::integer_error()) } else { Ok(()) }
}
