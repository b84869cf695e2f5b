use core::ops::Range;

use super::Simd;

/// Vectors that lie a fixed pitch apart along a row of floats, some of which may fall outside the row.
///
/// The row is checked once, here; reading a vector then costs no more than a load. A kernel that slides a window along a
/// row of pixels reads its columns through this view: a column outside the plane reads as `None`, and in the interior,
/// where `inside` is a constant that covers all columns, that test disappears.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    row: &'a [f32],
    first: isize,
    pitch: usize,
    lanes: usize,
    inside: Range<usize>,
}

impl<'a> Columns<'a> {
    /// Column `j` is the `lanes` floats at `first + j·pitch`; those in `inside` exist. Panics when one of them does not.
    #[inline(always)]
    pub fn new(row: &'a [f32], first: isize, pitch: usize, lanes: usize, inside: Range<usize>) -> Self {
        if inside.start < inside.end {
            let at = |j: usize| first.checked_add_unsigned(j.checked_mul(pitch)?);
            let ends = (at(inside.start), at(inside.end - 1));
            let (Some(start), Some(end)) = ends else { panic!("columns beyond all memory") };
            assert!(start >= 0 && end >= start, "columns before the row");
            assert!(row.len() >= lanes && end as usize <= row.len() - lanes, "columns beyond the row");
        }
        Self { row, first, pitch, lanes, inside }
    }

    /// Column `j`, its missing lanes zero, where it is inside.
    #[inline(always)]
    pub fn load<S: Simd>(&self, simd: S, j: usize) -> Option<S::F32> {
        if j < self.inside.start || j >= self.inside.end {
            return None;
        }
        let at = (self.first + (j * self.pitch) as isize) as usize;
        // SAFETY: `new` checked, without overflow, that the first and the last column inside lie in the row; `at` grows
        // with `j`, so that all between them do too.
        let column = unsafe { core::slice::from_raw_parts(self.row.as_ptr().add(at), self.lanes) };
        Some(simd.load_part(column))
    }
}
