//! Micro-kernels: the arithmetic of a register tile, for one dtype on one instruction set.
//!
//! The loops in [`kernel`](super::kernel), `pointwise`, `conv2d` and `conv_transpose` are generic over them; a new
//! dtype is another implementation.

pub(crate) mod dot;
mod f32;
mod int8;

pub(crate) use self::f32::F32MicroKernel;
pub(crate) use self::int8::{Int8MicroKernel, last_quad};

use super::{Patch, Tile, TileTask, kernel::Limits};
use crate::simd::Simd;

/// The storage of a micro-kernel's operands. The implementing type also holds the output and its epilogue.
pub(crate) trait GemmDtype {
    /// An activation in memory.
    type Element: Copy;
    /// The unit of packed weights.
    type Weight: Copy;
    /// Weights per output channel that precede the products in a panel: bias and the like.
    const HEADER: usize;
    /// Products that one instruction sums; the packed k dimension is padded to whole groups.
    const K_GROUP: usize;

    /// The value of implicit padding.
    fn padding(&self) -> Self::Element;
}

/// A micro-kernel on the instruction set of token `S`.
pub(crate) trait MicroKernel<S: Simd>: GemmDtype {
    /// A vector of accumulators.
    type Accumulator: Copy;
    /// Per-row data computed before the first panel: the input row sum that the weights' zero point multiplies.
    type RowSum: Copy + Default;
    /// The bounds of the tile's height.
    const LIMITS: Limits;

    /// The length of the weights of `length` inputs that lie together, in a panel of length `panel`.
    #[inline(always)]
    fn run_len(&self, panel: usize, length: usize, columns: usize) -> usize {
        _ = panel;
        length.next_multiple_of(Self::K_GROUP) * columns
    }

    /// Runs a task on `rows` pixels of a tile at a time.
    #[inline(always)]
    fn run(task: TileTask<'_, Self>, simd: S, rows: usize, tile: Tile)
    where
        Self: Sized,
    {
        task.run_tiles(simd, rows, tile.nr);
    }

    /// Returns true if padding contributes zero, so taps in it can be skipped.
    fn padding_is_zero(&self) -> bool;

    /// Computes the [`RowSum`](Self::RowSum) of each of the first `row_sums.len()` pixels.
    fn row_sums(&self, simd: S, patch: &Patch<'_, Self::Element>, row_sums: &mut [Self::RowSum]);

    /// The accumulators before any product, from the panel's header.
    fn init_accumulators<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        header: &[Self::Weight],
        row_sums: [Self::RowSum; MR],
    ) -> [[Self::Accumulator; NV]; MR];

    /// Adds `x[row][k] · weights[k][column]` over `k` to the accumulators. All rows have the length of the first.
    fn accumulate<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        acc: &mut [[Self::Accumulator; NV]; MR],
        x: [&[Self::Element]; MR],
        weights: &[Self::Weight],
    );

    /// Applies the epilogue in registers and stores the tile.
    fn store_tile<const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        acc: [[Self::Accumulator; NV]; MR],
        header: &[Self::Weight],
        output: OutputTile,
    );

    /// Applies the rest of the epilogue to `rows` complete rows of the output, while they are in the nearest cache.
    fn post_rows(&mut self, simd: S, rows: usize, output: OutputTile);
}

/// A tile of the output: `columns` values in each of some rows, `stride` apart, from `start` on.
#[derive(Clone, Copy)]
pub(crate) struct OutputTile {
    pub(crate) start: usize,
    pub(crate) stride: usize,
    pub(crate) columns: usize,
}

impl OutputTile {
    /// The tile that starts `start` values on and is `columns` wide.
    #[inline(always)]
    pub(crate) fn subtile(self, start: usize, columns: usize) -> Self {
        Self { start: self.start + start, columns, ..self }
    }
}
