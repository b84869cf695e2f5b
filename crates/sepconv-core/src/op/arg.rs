use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use bytemuck::{Pod, cast_slice};

use super::check::{expect_axis, split_at};
use super::loops::{Compute, Loops, order_key};
use super::{Op, Reduce, Reduction};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// The index of the greatest or smallest element along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgExtreme {
    /// The axis.
    pub axis: usize,
    /// Whether the axis stays, with size 1.
    pub keep_dims: bool,
    /// Whether the greatest is wanted.
    pub largest: bool,
    /// Which index it is where several elements are equal.
    pub last: bool,
}

impl ArgExtreme {
    /// The reduction that treats axes as this does.
    fn as_reduce(self) -> Reduce {
        Reduce { reduction: Reduction::Max, axes: [self.axis].into(), keep_dims: self.keep_dims }
    }

    /// Whether an element takes the place of the best one so far, for each that is before or equal.
    fn of_row<T: Copy + PartialOrd>(self, row: &[T]) -> usize {
        match (self.largest, self.last) {
            (true, false) => best(row, |x, best| x > best),
            (true, true) => best(row, |x, best| x >= best),
            (false, false) => best(row, |x, best| x < best),
            (false, true) => best(row, |x, best| x <= best),
        }
    }

    fn of_rows<T: Pod + PartialOrd>(self, x: &[T], size: usize, out: &mut [i64]) {
        for (row, out) in x.chunks_exact(size).zip(out) {
            *out = self.of_row(row) as i64;
        }
    }
}

fn best<T: Copy>(row: &[T], is_better: impl Fn(T, T) -> bool) -> usize {
    let (mut place, mut best) = (0, row[0]);
    for (i, &x) in row.iter().enumerate().skip(1) {
        let better = is_better(x, best);
        best = if better { x } else { best };
        place = if better { i } else { place };
    }
    place
}

impl Loops for ArgExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "argmax" } else { "argmin" }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", Loops::name(self), self.axis)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let x = &inputs[0].shape;
        expect_axis(self.axis, x)?;
        if x[self.axis] == 0 {
            return Err(Error::mismatch("nothing to choose from").expected("an axis of at least 1", x));
        }
        let mut dims = x.to_vec();
        dims[self.axis] = 1;
        if !self.keep_dims {
            dims.remove(self.axis);
        }
        Ok((Shape::new(dims)?, DType::I64))
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        let (_, result) = super::Operator::permuted(&self.as_reduce(), order, rank)?;
        Some((Self { axis: order[self.axis], ..*self }.into(), result))
    }

    /// Encodings keep the order of elements.
    fn recoded(&self) -> Option<Op> {
        Some((*self).into())
    }
}

impl Compute for ArgExtreme {
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, _: &mut [u64]) {
        let x = &inputs[0];
        let [_, size, inner] = split_at(x.shape(), self.axis);
        let out = output.shape_and_elements::<i64>().1;
        match (x.dtype(), inner) {
            (DType::F32, 1) => return self.of_rows(x.elements::<f32>(), size, out),
            (DType::U8, 1) => return self.of_rows(x.bytes(), size, out),
            (DType::I8, 1) => return self.of_rows(cast_slice::<_, i8>(x.bytes()), size, out),
            (DType::F32 | DType::U8 | DType::I8 | DType::I64, _) => {}
        }
        for (i, out) in out.iter_mut().enumerate() {
            let first = i / inner * size * inner + i % inner;
            let key = |place: usize| order_key(x, first + place * inner);
            let (mut place, mut extreme) = (0, key(0));
            for candidate in 1..size {
                let found = key(candidate);
                let is_better = if self.largest { found > extreme } else { found < extreme };
                if is_better || (self.last && found == extreme) {
                    (place, extreme) = (candidate, found);
                }
            }
            *out = place as i64;
        }
    }
}
