use core::array;
use core::ops::Range;

use crate::rows::Rows;
use crate::scheme::{Scheme, Target};
use crate::simd::{Kernel, Simd};

/// Where the inputs of some output pixels lie: for every pixel, runs of numbers that are contiguous in a row.
///
/// Run `(tap, run)` of pixel `p` starts `x + p·step + run·run_step` into row `y + (tap - taps.start)·dilation`.
#[derive(Clone)]
pub(crate) struct Patch<'a, T> {
    pub(crate) rows: Rows<'a, T>,
    /// The vertical taps that meet the plane.
    pub(crate) taps: Range<usize>,
    /// The row of the first of them, and rows from one to the next.
    pub(crate) y: usize,
    pub(crate) dilation: usize,
    /// Where the first pixel's first run starts, and numbers from one pixel to the next.
    pub(crate) x: usize,
    pub(crate) step: usize,
    /// Runs in a row, and numbers from one to the next.
    pub(crate) runs: usize,
    pub(crate) run_step: usize,
    /// Numbers in a run.
    pub(crate) length: usize,
}

/// Some output pixels by some panels of output channels.
pub(crate) struct Job<'a, C: Scheme> {
    pub(crate) scheme: C,
    pub(crate) patch: Patch<'a, C::Element>,
    /// Whole panels of `panel` weights each.
    pub(crate) panels: &'a [C::Weight],
    pub(crate) panel: usize,
    pub(crate) target: Target<'a, C::Element>,
}

/// A job of `MR` pixels, `NV` vectors at a time.
pub(crate) struct Block<'a, C: Scheme, const MR: usize, const NV: usize>(pub(crate) Job<'a, C>);

impl<C: Scheme, const MR: usize, const NV: usize> Kernel for Block<'_, C, MR, NV> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Job { scheme, patch, panels, panel, mut target } = self.0;
        let columns = NV * S::LANES;
        let depth = patch.length.next_multiple_of(C::STEP) * columns;
        for (index, panel) in panels.chunks_exact(panel).enumerate() {
            let (header, weights) = panel.split_at(C::HEADER * columns);
            let mut sums = [scheme.start::<S, NV>(simd, header); MR];
            let mut y = patch.y;
            for tap in patch.taps.clone() {
                let row = patch.rows.row(y);
                y += patch.dilation;
                for run in 0..patch.runs {
                    let row = &row[patch.x + run * patch.run_step..];
                    let x: [_; MR] = array::from_fn(|p| &row[p * patch.step..][..patch.length]);
                    let weights = &weights[(tap * patch.runs + run) * depth..][..depth];
                    scheme.accumulate(simd, &mut sums, x, weights);
                }
            }
            scheme.finish(simd, sums, target.part(0, index * columns, columns));
        }
    }
}

/// Spreads `range` evenly over pieces of at most `most`.
pub(crate) fn split(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let (start, length) = (range.start, range.len());
    let pieces = length.div_ceil(most);
    (0..pieces).map(move |i| start + length * i / pieces..start + length * (i + 1) / pieces)
}

/// Makes the list of tile widths, and from the same list the choice of the kernel that runs a job.
macro_rules! variants {
    ($($vectors:literal),*) => {
        /// The widths of tiles, in vectors.
        const WIDTHS: &[usize] = &[$($vectors),*];

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

/// The choice of the kernel by rows. Those that would not fit in registers are not compiled.
macro_rules! rows {
    ($($rows:literal),*) => {
        impl<C: Scheme> Job<'_, C> {
            #[inline(always)]
            pub(crate) fn run_rows<S: Simd, const NV: usize>(self, simd: S, rows: usize) {
                match rows {
                    $($rows => if const { $rows <= super::most_rows(S::REGISTERS, NV) } {
                        return simd.vectorize(Block::<C, $rows, NV>(self));
                    },)*
                    _ => {}
                }
                unreachable!("no kernel has {rows} rows of {NV} vectors");
            }
        }
    };
}
rows!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
