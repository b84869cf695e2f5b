use alloc::vec::Vec;

use super::BLOCK;
use crate::{Shape, op::broadcast_strides};

/// How the operands of a binary function meet.
#[derive(Debug)]
pub(crate) enum Pairing {
    /// Piece by piece.
    Repeat(Repeat),
    /// By strides.
    Strided { dims: Vec<usize>, strides: [Vec<usize>; 2] },
}

/// Each operand has `periods[i]` elements for every `period` of the result, repeated as needed to fill it.
#[derive(Debug)]
pub(crate) struct Repeat {
    pub(crate) period: usize,
    pub(crate) periods: [usize; 2],
}

impl Pairing {
    pub(crate) fn new(shapes: [&Shape; 2], out: &Shape) -> Self {
        let strides = shapes.map(|shape| broadcast_strides(shape, out));
        let dense = out.strides();
        // Leading axes that both operands walk along, then axes that only one does, then axes that both do again: a short operand
        // repeats within each period.
        let runs_along = |operand: usize, axis: usize| out[axis] == 1 || strides[operand][axis] != 0;
        let both = |axis: &usize| runs_along(0, *axis) && runs_along(1, *axis);
        let shared = (0..out.len()).take_while(both).count();
        let elements = |operand: usize| {
            (shared..out.len()).filter(|&axis| runs_along(operand, axis)).map(|axis| out[axis]).product()
        };
        let repeats = |operand: usize| {
            let first = (shared..out.len()).find(|&axis| out[axis] > 1 && runs_along(operand, axis));
            (first.unwrap_or(out.len())..out.len()).all(|axis| runs_along(operand, axis))
        };
        let full = |operand: usize| (shared..out.len()).all(|axis| runs_along(operand, axis));
        let simple = (full(0) && repeats(1)) || (full(1) && repeats(0));
        let period = if shared == 0 { out.elements() } else { dense[shared - 1] };
        match simple {
            true => Self::Repeat(Repeat { period, periods: [elements(0), elements(1)] }),
            false => Self::Strided { dims: out.to_vec(), strides },
        }
    }
}

impl Pairing {
    /// Elements in a unit of a result of `len` elements.
    pub(super) fn unit(&self, len: usize) -> usize {
        match self {
            // The shorter operand begins with each unit.
            Self::Repeat(Repeat { periods: [a, b], .. }) => {
                let short = *a.min(b).max(&1);
                short * BLOCK.div_ceil(short)
            }
            Self::Strided { .. } => len,
        }
    }
}

impl Repeat {
    /// Calls `f` with each piece of the result, the first of which lies `first` elements on, and what meets in it: pieces as long, or
    /// shorter ones that repeat.
    pub(super) fn each<T>(
        &self,
        x: [&[T]; 2],
        first: usize,
        mut out: &mut [T],
        mut f: impl FnMut(&[T], &[T], &mut [T]),
    ) {
        let Self { period, periods } = self;
        // Operands as long as the result run along with it; the others start again with each period.
        let part = |i: usize, from: usize, len: usize| match periods[i] == *period {
            true => &x[i][from..][..len],
            false => &x[i][from / period * periods[i]..][..periods[i]],
        };
        let whole = periods.iter().all(|p| p == period);
        let mut from = first;
        while !out.is_empty() {
            let len = if whole { out.len() } else { out.len().min(period - from % period) };
            let piece = out.split_off_mut(..len).expect("no piece is longer than what is left");
            f(part(0, from, len), part(1, from, len), piece);
            from += len;
        }
    }
}
