use core::ops::Range;

use super::{Simd, opaque};
use crate::unroll::unrolled_array;

/// Places that lie a fixed pitch apart along a row of numbers: some channels of neighboring pixels.
///
/// The pattern is checked once, for every row of a given length; reading or writing a place then costs no more than the
/// access.
#[derive(Clone, Debug)]
pub struct Columns {
    length: usize,
    first: usize,
    pitch: usize,
    lanes: usize,
    inside: Range<usize>,
}

impl Columns {
    /// In a row of `length` numbers, column `j` of `count` is the `lanes` numbers at `first + j·pitch`. Panics when the
    /// row is too short for that.
    #[inline(always)]
    pub fn new(length: usize, first: usize, pitch: usize, lanes: usize, count: usize) -> Self {
        let end = |last: usize| last.checked_mul(pitch)?.checked_add(first)?.checked_add(lanes);
        assert!(count == 0 || end(count - 1).is_some_and(|end| end <= length), "columns beyond their row");
        Self { length, first, pitch, lanes, inside: 0..count }
    }

    /// The columns numbered anew: column `j` of the result is `j + origin - before` of these, and those `inside` exist.
    /// Panics when one of them does not.
    #[inline(always)]
    pub fn renumbered(&self, origin: usize, before: usize, inside: Range<usize>) -> Self {
        // What comes before column 0 wraps; `inside` ensures that no place there is ever used.
        let shift = origin.wrapping_sub(before);
        let (start, end) = (inside.start.wrapping_add(shift), inside.end.wrapping_add(shift));
        let exist = self.inside.start <= start && start <= end && end <= self.inside.end;
        assert!(exist && inside.start <= inside.end, "columns beyond their row");
        Self { first: self.first.wrapping_add(shift.wrapping_mul(self.pitch)), inside, ..*self }
    }

    /// The `lanes` numbers from `first` on of each column. Panics when columns have fewer.
    #[inline(always)]
    pub fn channels(&self, first: usize, lanes: usize) -> Self {
        assert!(first <= self.lanes && lanes <= self.lanes - first, "channels beyond their column");
        Self { first: self.first.wrapping_add(first), lanes, inside: self.inside.clone(), ..*self }
    }

    /// Where column `j` begins: with `lanes` numbers from there it lies in `row`, as `new` found for the last column
    /// and `renumbered` maintains.
    #[inline(always)]
    fn place<T>(&self, row: &[T], j: usize) -> usize {
        assert!(self.inside.start <= j && j < self.inside.end && self.length <= row.len(), "a column beyond its row");
        self.first.wrapping_add(j.wrapping_mul(self.pitch))
    }

    /// Column `j` of `row`. Panics when there is none, or the row is shorter than the pattern's.
    #[inline(always)]
    pub fn of<'a, T>(&self, row: &'a [T], j: usize) -> &'a [T] {
        let place = self.place(row, j);
        // SAFETY: see `place`.
        unsafe { row.get_unchecked(place..place + self.lanes) }
    }

    /// The `N` columns of `row` from `j`. Panics as [`of`](Self::of).
    #[inline(always)]
    pub fn run<'a, T, const N: usize>(&self, row: &'a [T], j: usize) -> [&'a [T]; N] {
        let first = self.place(row, j);
        self.place(row, j.saturating_add(N - 1));
        let mut columns = [&row[..0]; N];
        for (i, column) in columns.iter_mut().enumerate() {
            let place = first.wrapping_add(i * self.pitch);
            // SAFETY: see `place`: the last column lies in `row`, and so do those before it.
            *column = unsafe { row.get_unchecked(place..place + self.lanes) };
        }
        columns
    }

    /// Calls `f` with the first number of each of some columns of all rows. Panics as [`of`](Self::of).
    #[inline(always)]
    pub fn each<T: Copy, const K: usize>(&self, rows: [&[T]; K], columns: Range<usize>, mut f: impl FnMut([T; K])) {
        let Some(last) = columns.len().checked_sub(1) else { return };
        let mut places = [0; K];
        for (row, place) in rows.into_iter().zip(&mut places) {
            self.place(row, columns.start + last);
            *place = self.place(row, columns.start);
        }
        assert!(self.lanes > 0);
        let mut place = places[0];
        for _ in columns {
            // SAFETY: see `place`: the first and the last column lie in every row, and so do those between them.
            f(unrolled_array(|t| unsafe { *rows[t].get_unchecked(place) }));
            place = place.wrapping_add(self.pitch);
        }
    }

    /// From one column to the next.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    /// From the first number of the first of some columns of `row` to that of the last, to be written. Panics as
    /// [`of`](Self::of).
    #[inline(always)]
    pub fn run_of_mut<'a, T>(&self, row: &'a mut [T], columns: Range<usize>) -> &'a mut [T] {
        let [first, last] = [columns.start, columns.end - 1].map(|j| self.place(row, j));
        &mut row[first..last + 1]
    }

    /// The `N` columns of `row` from `j`, each `step` after the one before it. Panics as [`of`](Self::of).
    #[inline(always)]
    pub fn strided<'a, T, const N: usize>(&self, row: &'a [T], j: usize, step: usize) -> [&'a [T]; N] {
        let first = self.place(row, j);
        self.place(row, step.saturating_mul(N - 1).saturating_add(j));
        let step = opaque(step.wrapping_mul(self.pitch));
        unrolled_array(|i| {
            let place = first.wrapping_add(step.wrapping_mul(i));
            // SAFETY: see `place`: the first and the last column lie in `row`, and so do those between them.
            unsafe { row.get_unchecked(place..place + self.lanes) }
        })
    }

    /// Column `j` of `row`, to be written. Panics when there is none, or the row is shorter than the pattern's.
    #[inline(always)]
    pub fn of_mut<'a, T>(&self, row: &'a mut [T], j: usize) -> &'a mut [T] {
        let place = self.place(row, j);
        // SAFETY: see `place`.
        unsafe { row.get_unchecked_mut(place..place + self.lanes) }
    }

    /// Column `j` of `row`, missing lanes zero. Panics as [`of`](Self::of).
    #[inline(always)]
    pub fn load<S: Simd>(&self, simd: S, row: &[f32], j: usize) -> S::F32 {
        simd.load_part(self.of(row, j))
    }

    /// Writes column `j` of `row`. Panics as [`of`](Self::of).
    #[inline(always)]
    pub fn store<S: Simd>(&self, simd: S, x: S::F32, row: &mut [f32], j: usize) {
        simd.store_part(x, self.of_mut(row, j));
    }
}
