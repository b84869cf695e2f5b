use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::broadcast::broadcast_shape;
use super::check::expect_same_dtype;
use super::loops::{Compute, Loops, for_each_run};
use super::names::LowerCase;
use super::operator::any_order;
use crate::{DType, Result, Shape, TensorView, TensorViewMut, Value};

/// A comparison or a division with whole quotient, broadcast as in NumPy. Both operands are f32 or i64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairwise {
    /// 1 where `a = b`, else 0.
    Equal,
    /// 0 where `a = b`, else 1.
    NotEqual,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a ≤ b`, else 0.
    LessOrEqual,
    /// The quotient, rounded down.
    FloorDiv,
    /// What [`FloorDiv`](Self::FloorDiv) leaves: it has the sign of `b`.
    FloorMod,
    /// What division with a quotient that is rounded towards zero leaves: it has the sign of `a`.
    Remainder,
}

impl Pairwise {
    fn is_comparison(self) -> bool {
        match self {
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual => true,
            Self::FloorDiv | Self::FloorMod | Self::Remainder => false,
        }
    }

    fn compare<T: PartialOrd>(self, a: T, b: T) -> i64 {
        i64::from(match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::FloorDiv | Self::FloorMod | Self::Remainder => false,
        })
    }

    fn divide_f32(self, a: f32, b: f32) -> f32 {
        let rest = libm::fmodf(a, b);
        let moves = rest != 0.0 && (rest < 0.0) != (b < 0.0);
        match self {
            Self::FloorDiv => libm::floorf(a / b),
            Self::FloorMod if moves => rest + b,
            Self::FloorMod | Self::Remainder => rest,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual => 0.0,
        }
    }

    /// A division by zero gives zero: a run cannot fail.
    fn divide_i64(self, a: i64, b: i64) -> i64 {
        let rest = a.checked_rem(b).unwrap_or(0);
        let moves = rest != 0 && (rest < 0) != (b < 0);
        match self {
            Self::FloorDiv => a.checked_div(b).unwrap_or(0) - i64::from(moves),
            Self::FloorMod if moves => rest + b,
            Self::FloorMod | Self::Remainder => rest,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual => 0,
        }
    }
}

impl Loops for Pairwise {
    fn name(&self) -> &'static str {
        "pairwise"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", LowerCase(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::F32, DType::I64])?;
        let shape = broadcast_shape(&inputs[0].shape, &inputs[1].shape)?;
        Ok((shape, if self.is_comparison() { DType::I64 } else { dtype }))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        any_order(*self, order, rank)
    }
}

impl Compute for Pairwise {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let is_f32 = inputs[0].dtype() == DType::F32;
        match (self.is_comparison(), is_f32) {
            (true, true) => each(inputs, output, &|a: f32, b| self.compare(a, b)),
            (true, false) => each(inputs, output, &|a: i64, b| self.compare(a, b)),
            (false, true) => each(inputs, output, &|a, b| self.divide_f32(a, b)),
            (false, false) => each(inputs, output, &|a, b| self.divide_i64(a, b)),
        }
    }
}

/// A function of each pair of elements.
pub(super) fn each<T: bytemuck::Pod, R: bytemuck::Pod>(
    inputs: &[TensorView<'_>],
    output: &mut TensorViewMut<'_>,
    function: &impl Fn(T, T) -> R,
) {
    let [a, b] = [0, 1].map(|i| inputs[i].elements::<T>());
    let (shape, out) = output.shape_and_elements::<R>();
    for_each_run([inputs[0].shape(), inputs[1].shape()], shape, &mut |first, len, [from_a, from_b]| {
        for (i, out) in out[first..][..len].iter_mut().enumerate() {
            *out = function(a[from_a.0 + i * from_a.1], b[from_b.0 + i * from_b.1]);
        }
    });
}
