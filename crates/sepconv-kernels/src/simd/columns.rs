use core::ops::Range;

use super::Simd;

/// Vectors that lie a fixed pitch apart along a row of floats, some of which may fall outside it.
///
/// The pattern is checked once, for every row of a given length; reading or writing a vector then costs no more than the
/// access. A kernel that slides a window along rows of pixels goes through this view: a column outside the plane reads as
/// `None`, and where the compiler knows a column to be inside, that test disappears.
#[derive(Clone, Debug)]
pub struct Columns {
    length: usize,
    first: isize,
    pitch: usize,
    lanes: usize,
    inside: Range<usize>,
}

impl Columns {
    /// In a row of `length` floats, column `j` is the `lanes` floats at `first + j·pitch`; those in `inside` exist. Panics when
    /// one of them does not.
    #[inline(always)]
    pub fn new(length: usize, first: isize, pitch: usize, lanes: usize, inside: Range<usize>) -> Self {
        if inside.start < inside.end {
            let at = |j: usize| first.checked_add_unsigned(j.checked_mul(pitch)?);
            let ends = (at(inside.start), at(inside.end - 1));
            let (Some(start), Some(end)) = ends else { panic!("columns beyond all memory") };
            assert!(start >= 0 && end >= start, "columns before the row");
            assert!(length >= lanes && end as usize <= length - lanes, "columns beyond the row");
        }
        Self { length, first, pitch, lanes, inside }
    }

    /// Where column `j` begins. The result lies in any row of the pattern's length: `new` checked, without overflow, that
    /// the first and the last column inside do, and places grow with `j`.
    #[inline(always)]
    fn place(&self, row: &[f32], j: usize) -> Option<usize> {
        assert!(row.len() >= self.length, "a row shorter than the pattern");
        let inside = j >= self.inside.start && j < self.inside.end;
        inside.then_some((self.first + (j * self.pitch) as isize) as usize)
    }

    /// Column `j` of `row`, its missing lanes zero, where it is inside.
    #[inline(always)]
    pub fn load<S: Simd>(&self, simd: S, row: &[f32], j: usize) -> Option<S::F32> {
        let place = self.place(row, j)?;
        // SAFETY: see `place`.
        let column = unsafe { row.get_unchecked(place..place + self.lanes) };
        Some(simd.load_part(column))
    }

    /// Writes column `j` of `row`, where it is inside.
    #[inline(always)]
    pub fn store<S: Simd>(&self, simd: S, x: S::F32, row: &mut [f32], j: usize) {
        if let Some(place) = self.place(row, j) {
            // SAFETY: see `place`.
            let column = unsafe { row.get_unchecked_mut(place..place + self.lanes) };
            simd.store_part(x, column);
        }
    }
}
