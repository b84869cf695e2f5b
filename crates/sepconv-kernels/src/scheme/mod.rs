//! Number formats: what a matrix kernel knows about its types.
//!
//! The loops in `tile`, `pointwise`, `conv2d` and `conv_transpose` are written over a [`GemmDtype`]; another number
//! format is another implementation.

mod f32;
mod int8;

pub(crate) use self::f32::F32MicroKernel;
pub(crate) use self::int8::{Int8MicroKernel, Int8Output};

use crate::simd::Simd;
use crate::tile::{Limits, Patch};

/// How numbers are stored. The micro-kernel also holds where its results go, and all that is done to them before.
pub(crate) trait GemmDtype {
    /// An activation, as it is read.
    type Element: Copy;
    /// What packed weights are made of.
    type Weight: Copy;
    /// Weights per output channel that precede the products in a panel.
    const HEADER: usize;
    /// Products that one step takes together; runs are filled up to whole steps in the panel.
    const K_GROUP: usize;

    /// What a feature map is padded with.
    fn padding(&self) -> Self::Element;
}

/// How numbers are multiplied, added up and finished on one instruction set.
pub(crate) trait MicroKernel<S: Simd>: GemmDtype {
    /// A vector of sums.
    type Accumulator: Copy;
    /// What there is to know of an output pixel's inputs before the first panel.
    type RowSum: Copy + Default;
    /// What limits the rows of a tile.
    const LIMITS: Limits;

    /// Whether what a feature map is padded with adds nothing to the sums, so that taps which meet no more than that
    /// can be left out.
    fn padding_is_nothing(&self) -> bool;

    /// Finds out what there is to know of the first `pixels.len()` pixels.
    fn row_sums(&self, simd: S, patch: &Patch<'_, Self::Element>, pixels: &mut [Self::RowSum]);

    /// The sums before any product, from the panel's header.
    fn init_accumulators<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        header: &[Self::Weight],
        pixels: [Self::RowSum; MR],
    ) -> [[Self::Accumulator; NV]; MR];

    /// Adds `x[row][k] · weights[k][column]` over `k` to each sum. All rows are as long as the first.
    fn accumulate<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        sums: &mut [[Self::Accumulator; NV]; MR],
        x: [&[Self::Element]; MR],
        weights: &[Self::Weight],
    );

    /// Turns the sums into results and stores them.
    fn store_tile<const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        sums: [[Self::Accumulator; NV]; MR],
        header: &[Self::Weight],
        output: OutputTile,
    );

    /// What is done to `rows` rows of the output once all their tiles are there, when they are still in the nearest
    /// cache.
    fn post_rows(&mut self, simd: S, rows: usize, output: OutputTile);
}

/// A tile of the output: `columns` numbers in each of some rows that lie `stride` apart, from `start` on.
#[derive(Clone, Copy)]
pub(crate) struct OutputTile {
    pub(crate) start: usize,
    pub(crate) stride: usize,
    pub(crate) columns: usize,
}

impl OutputTile {
    /// The tile that starts `start` numbers on and is `columns` wide.
    #[inline(always)]
    pub(crate) fn subtile(self, start: usize, columns: usize) -> Self {
        Self { start: self.start + start, columns, ..self }
    }
}
