use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::check::expect_rank;
use super::operator::{NO_WORKSPACE, any_order, reordered};
use super::strided_copy::{self, DataMovement, Span, StridedCopy, own_axes};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Elements added around the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// How many before, for each axis.
    pub before: Vec<usize>,
    /// How many after, for each axis.
    pub after: Vec<usize>,
    /// Which ones.
    pub mode: PadMode,
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after, mode } = self;
        write!(f, "{} {before:?} {after:?}", self.name())?;
        match mode {
            PadMode::Constant(0.0) => Ok(()),
            PadMode::Constant(_) | PadMode::Edge | PadMode::Reflect | PadMode::Wrap => write!(f, " {mode:?}"),
        }
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let Self { before, after, mode } = self;
        let x = &inputs[0].shape;
        expect_rank("padding before", before.len(), x)?;
        expect_rank("padding after", after.len(), x)?;
        let dims: Option<Vec<usize>> = (0..x.len())
            .map(|axis| {
                let (size, most) = (x[axis], before[axis].max(after[axis]));
                let possible = match mode {
                    PadMode::Constant(_) => true,
                    PadMode::Edge => size > 0 || most == 0,
                    PadMode::Reflect => most == 0 || most < size,
                    PadMode::Wrap => most <= size,
                };
                size.checked_add(before[axis])?.checked_add(after[axis]).filter(|_| possible)
            })
            .collect();
        let dims = dims.ok_or_else(|| {
            Error::mismatch("padding is larger than the operand allows")
                .expected(format_args!("{mode:?} padding within {x}"), format_args!("{before:?} and {after:?}"))
        })?;
        Ok((Shape::new(dims)?, inputs[0].dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        NO_WORKSPACE
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        strided_copy::evaluate(self, inputs, output)
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        if rank != order.len() {
            return None;
        }
        let (before, after) = (reordered(&self.before, order), reordered(&self.after, order));
        any_order(Self { before, after, mode: self.mode }, order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn is_identity(&self, _: &[&Value]) -> bool {
        self.before.iter().chain(&self.after).all(|&size| size == 0)
    }

    fn recoded(&self, encode: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        let mode = match self.mode {
            PadMode::Constant(value) => PadMode::Constant(encode(value)?),
            mode @ (PadMode::Edge | PadMode::Reflect | PadMode::Wrap) => mode,
        };
        Some(Self { mode, ..self.clone() }.into())
    }
}

impl DataMovement for Pad {
    /// Along each axis the result is what precedes the operand, the operand, and what follows it; the copies are their
    /// combinations. A constant is not copied: only the middle is.
    fn copies(&self, shapes: &[&Shape], _: Option<&[i64]>, output: &Shape) -> Result<Vec<StridedCopy>> {
        let (x, mut combinations) = (shapes[0], vec![vec![]]);
        for (axis, &size) in x.iter().enumerate() {
            let (before, after) = (self.before[axis], self.after[axis]);
            let end = before + size;
            let middle = Span { to: before, ..Span::whole(size) };
            let edges = match self.mode {
                PadMode::Constant(_) => [None, None],
                PadMode::Edge => [
                    Some(Span { to: 0, size: before, from: 0, step: 0 }),
                    Some(Span { to: end, size: after, from: size.saturating_sub(1), step: 0 }),
                ],
                PadMode::Reflect => [
                    Some(Span { to: 0, size: before, from: before, step: -1 }),
                    Some(Span { to: end, size: after, from: size.saturating_sub(2), step: -1 }),
                ],
                PadMode::Wrap => [
                    Some(Span { to: 0, size: before, from: size - before.min(size), step: 1 }),
                    Some(Span { to: end, size: after, from: 0, step: 1 }),
                ],
            };
            let spans: Vec<Span> = edges.into_iter().flatten().filter(|span| span.size > 0).chain([middle]).collect();
            let longer = |prefix: &Vec<Span>| {
                let prefix = prefix.clone();
                spans.clone().into_iter().map(move |span| [prefix.clone(), vec![span]].concat())
            };
            combinations = combinations.iter().flat_map(longer).collect();
        }
        let axes = own_axes(output.len());
        Ok(combinations.iter().map(|spans| StridedCopy::new(0, x, output, &axes, spans)).collect())
    }

    fn fill(&self) -> Option<f32> {
        match self.mode {
            PadMode::Constant(value) => Some(value),
            PadMode::Edge | PadMode::Reflect | PadMode::Wrap => None,
        }
    }
}

/// The elements that [`Pad`] adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// One value (rounded for integers).
    Constant(f32),
    /// The nearest element.
    Edge,
    /// The operand mirrored at its first and last element, which are not repeated.
    Reflect,
    /// The operand repeated.
    Wrap,
}
