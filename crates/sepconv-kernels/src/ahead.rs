use crate::simd::Simd;

/// Weights of later layers: brought nearer piece by piece, while the tiles of a layer are computed, so that memory works while the core
/// multiplies. One line at a time: memory that is asked for many at once lets the kernel's own loads wait. Changes no result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead<'a> {
    rest: &'a [u8],
    /// Bytes for each tile, and for each of its steps.
    pace: usize,
    step: usize,
}

impl<'a> Ahead<'a> {
    /// `bytes` spread over `tiles` tiles of so many `steps`.
    pub(crate) fn new(bytes: &'a [u8], tiles: usize, steps: usize) -> Self {
        let pace = bytes.len().div_ceil(tiles.max(1));
        Self { rest: bytes, pace, step: pace.div_ceil(steps.max(1)) }
    }

    /// Asks for what is due in step `step` of a tile.
    #[inline(always)]
    pub(crate) fn fetch<S: Simd>(&self, simd: S, step: usize) {
        simd.fetch(self.rest, step * self.step);
    }

    /// Goes on to the next tile.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.rest = &self.rest[self.pace.min(self.rest.len())..];
    }
}
