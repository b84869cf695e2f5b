use core::array;

use crate::rows::Rows;
use crate::scheme::{Scheme, Target};
use crate::simd::{Kernel, Simd};

/// Evenly spaced taps of a window along one axis, and where each of them reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taps {
    /// The first tap, and from one to the next.
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) count: usize,
    /// Where the first tap reads, and from one to the next.
    pub(crate) at: usize,
    pub(crate) stride: isize,
}

impl Taps {
    /// The only tap, which reads from `at` on.
    pub(crate) fn one(at: usize) -> Self {
        Self { first: 0, step: 1, count: 1, at, stride: 0 }
    }
}

/// Where the inputs of some output pixels lie: for every pixel, runs of numbers that are contiguous in a row.
#[derive(Clone, Copy)]
pub(crate) struct Patch<'a, T> {
    pub(crate) rows: Rows<'a, T>,
    /// The rows, counted in rows.
    pub(crate) vertical: Taps,
    /// The runs in each row, counted in numbers, for the first pixel.
    pub(crate) horizontal: Taps,
    /// Runs that a row of the weights has.
    pub(crate) runs: usize,
    /// Numbers from one pixel to the next.
    pub(crate) step: usize,
    /// Numbers in a run.
    pub(crate) length: usize,
}

/// Some blocks of output pixels, one after the other in a row, by some panels of output channels.
pub(crate) struct Job<'a, C: Scheme> {
    pub(crate) scheme: C,
    /// The inputs of the first block.
    pub(crate) patch: Patch<'a, C::Element>,
    pub(crate) blocks: usize,
    /// Whole panels of `panel` weights each.
    pub(crate) panels: &'a [C::Weight],
    pub(crate) panel: usize,
    pub(crate) target: Target<'a, C::Element>,
}

/// A job whose blocks have `MR` pixels and are computed `NV` vectors at a time.
struct Block<'a, C: Scheme, const MR: usize, const NV: usize>(Job<'a, C>);

impl<S: Simd, C: Scheme, const MR: usize, const NV: usize> Kernel<S> for Block<'_, C, MR, NV> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Job { scheme, mut patch, blocks, panels, panel, mut target } = self.0;
        let columns = NV * S::LANES;
        for block in 0..blocks {
            for (index, panel) in panels.chunks_exact(panel).enumerate() {
                let (header, weights) = panel.split_at(C::HEADER * columns);
                let mut sums = [scheme.start::<S, NV>(simd, header); MR];
                patch.accumulate(simd, scheme, &mut sums, weights);
                let first = index * columns;
                let width = columns.min(target.columns - first);
                scheme.finish(simd, sums, target.part(block * MR * target.stride + first, width));
            }
            patch.horizontal.at += MR * patch.step;
        }
    }
}

impl<T: Copy> Patch<'_, T> {
    /// Adds the products of every run to the sums.
    #[inline(always)]
    fn accumulate<S: Simd, C: Scheme<Element = T>, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        scheme: C,
        sums: &mut [[C::Sum<S>; NV]; MR],
        weights: &[C::Weight],
    ) {
        let depth = self.length.next_multiple_of(C::STEP) * NV * S::LANES;
        let (Taps { stride, .. }, mut y) = (self.vertical, self.vertical.at);
        for tap in (self.vertical.first..).step_by(self.vertical.step).take(self.vertical.count) {
            let row = self.rows.row(y);
            y = y.wrapping_add_signed(stride);
            let mut start = self.horizontal.at;
            for run in (self.horizontal.first..).step_by(self.horizontal.step).take(self.horizontal.count) {
                let row = &row[start..];
                start = start.wrapping_add_signed(self.horizontal.stride);
                let x: [_; MR] = array::from_fn(|p| &row[p * self.step..][..self.length]);
                scheme.accumulate(simd, sums, x, &weights[(tap * self.runs + run) * depth..][..depth]);
            }
        }
    }
}

/// Spreads `pixels` evenly over blocks of at most `most`: `(first pixel, rows of a block, blocks)`, for the larger and for the
/// smaller of them.
pub(crate) fn split(pixels: usize, most: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let blocks = pixels.div_ceil(most).max(1);
    let (rows, larger) = (pixels / blocks, pixels % blocks);
    let runs = [(0, rows + 1, larger), (larger * (rows + 1), rows, blocks - larger)];
    runs.into_iter().filter(|&(_, rows, blocks)| rows > 0 && blocks > 0)
}

/// From one list of `vectors: rows rows` makes the list of tile widths, the most rows of each with sixteen and with 32
/// registers, and the choice of the kernel that runs a job.
macro_rules! variants {
    ($($vectors:literal: $few:literal $many:literal),*) => {
        /// The widths of tiles, in vectors.
        const WIDTHS: &[usize] = &[$($vectors),*];

        /// The most rows of a tile; none where no tile is as wide.
        const fn most_rows(registers: usize, vectors: usize) -> usize {
            match vectors {
                $($vectors => if registers < 32 { $few } else { $many },)*
                _ => 0,
            }
        }

        impl<C: crate::scheme::Scheme> Job<'_, C> {
            /// Runs the job on `rows` pixels with a tile `vectors` wide.
            #[inline(always)]
            pub(crate) fn run<S: crate::simd::Simd>(self, simd: S, rows: usize, vectors: usize) {
                match vectors {
                    $($vectors => self.run_rows::<S, $vectors>(simd, rows),)*
                    _ => unreachable!("no kernel is {vectors} vectors wide"),
                }
            }
        }
    };
}
pub(crate) use variants;

/// The choice of the kernel by rows. More rows than a tile has are not compiled.
macro_rules! rows {
    ($($rows:literal),*) => {
        impl<C: Scheme> Job<'_, C> {
            #[inline(always)]
            pub(crate) fn run_rows<S: Simd, const NV: usize>(self, simd: S, rows: usize) {
                match rows {
                    $($rows if const { $rows <= super::most_rows(S::REGISTERS, NV) } => {
                        simd.vectorize(Block::<C, $rows, NV>(self))
                    })*
                    _ => unreachable!("no kernel has {rows} rows of {NV} vectors"),
                }
            }
        }
    };
}
rows!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
