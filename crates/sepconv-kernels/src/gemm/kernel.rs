use crate::gemm::microkernel::{GemmDtype, MicroKernel, OutputTile};
use crate::rows::Rows;
use crate::simd::{Kernel, Simd, strided};

/// Evenly spaced taps of a window along one axis, and where each of them reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AxisTaps {
    /// The first tap, and from one to the next.
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) count: usize,
    /// Where the first tap reads, and from one to the next.
    pub(crate) at: usize,
    pub(crate) stride: isize,
}

impl AxisTaps {
    /// The only tap, which reads from `at` on.
    pub(crate) fn one(at: usize) -> Self {
        Self { first: 0, step: 1, count: 1, at, stride: 0 }
    }
}

/// Each tap, and where it reads.
impl Iterator for AxisTaps {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let (tap, at) = (self.first, self.at);
        self.count = self.count.checked_sub(1)?;
        self.first += self.step;
        self.at = self.at.wrapping_add_signed(self.stride);
        Some((tap, at))
    }
}

/// Where the inputs of some output pixels lie: for every pixel, runs of numbers that are contiguous in a row.
#[derive(Clone, Copy)]
pub(crate) struct Patch<'a, T> {
    pub(crate) rows: Rows<'a, T>,
    /// The rows, counted in rows.
    pub(crate) vertical: AxisTaps,
    /// The runs in each row, counted in numbers, for the first pixel.
    pub(crate) horizontal: AxisTaps,
    /// Runs that a row of the weights has.
    pub(crate) runs: usize,
    /// Numbers from one pixel to the next.
    pub(crate) step: usize,
    /// Numbers in a run.
    pub(crate) length: usize,
}

impl<'a, T> Patch<'a, T> {
    /// Whether each pixel has one run, the first of the weights.
    fn is_one_run(&self) -> bool {
        let Self { vertical, horizontal, .. } = self;
        vertical.count == 1 && horizontal.count == 1 && vertical.first == 0 && horizontal.first == 0
    }

    /// The numbers from the first run on, where each pixel has only one.
    #[inline(always)]
    fn only_run(&self) -> &'a [T] {
        &self.rows.row(self.vertical.at)[self.horizontal.at..]
    }
}

/// A GEMM subproblem: consecutive blocks of output pixels of one row, by panels of output channels.
pub(crate) struct TileTask<'a, M: GemmDtype> {
    pub(crate) micro_kernel: &'a mut M,
    /// The inputs of the first block.
    pub(crate) patch: Patch<'a, M::Element>,
    pub(crate) blocks: usize,
    /// Whole panels of `panel` weights each.
    pub(crate) panels: &'a [M::Weight],
    pub(crate) panel: usize,
    pub(crate) output: OutputTile,
}

/// A task whose blocks have `MR` pixels and are computed `NV` vectors at a time.
///
/// If `ONE`, each pixel's inputs are a single run, as those of a pointwise layer are: of short ones many tiles are
/// made, and little else is to be done for each.
struct TileKernel<'a, M: GemmDtype, const MR: usize, const NV: usize, const ONE: bool>(TileTask<'a, M>);

impl<S: Simd, M: MicroKernel<S>, const MR: usize, const NV: usize, const ONE: bool> Kernel<S>
    for TileKernel<'_, M, MR, NV, ONE>
{
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let TileTask { micro_kernel, mut patch, blocks, panels, panel, output } = self.0;
        let columns = NV * S::LANES;
        let depth = micro_kernel.run_len(panel, patch.length, columns);
        for block in 0..blocks {
            let mut row_sums = [M::RowSum::default(); MR];
            micro_kernel.row_sums(simd, &patch, &mut row_sums);
            let only = if ONE { patch.only_run() } else { &[] };
            for (index, panel) in panels.chunks_exact(panel).enumerate() {
                let (header, weights) = panel.split_at(M::HEADER * columns);
                let mut acc = micro_kernel.init_accumulators::<MR, NV>(simd, header, row_sums);
                if ONE {
                    let x = strided(only, patch.step, patch.length);
                    micro_kernel.accumulate(simd, &mut acc, x, &weights[..depth]);
                } else {
                    for (tap, y) in patch.vertical {
                        let row = patch.rows.row(y);
                        for (run, start) in patch.horizontal {
                            let x = strided(&row[start..], patch.step, patch.length);
                            micro_kernel.accumulate(
                                simd,
                                &mut acc,
                                x,
                                &weights[(tap * patch.runs + run) * depth..][..depth],
                            );
                        }
                    }
                }
                let first = index * columns;
                let width = columns.min(output.columns - first);
                micro_kernel.store_tile(simd, acc, header, output.subtile(block * MR * output.stride + first, width));
            }
            let width = output.columns.min(panels.len() / panel * columns);
            micro_kernel.post_rows(simd, MR, output.subtile(block * MR * output.stride, width));
            patch.horizontal.at += MR * patch.step;
        }
    }
}

/// Spreads `pixels` evenly over blocks of at most `most`: `(first pixel, rows of a block, blocks)`, for the larger and
/// for the smaller of them.
pub(crate) fn split(pixels: usize, most: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let blocks = pixels.div_ceil(most).max(1);
    let (rows, larger) = (pixels / blocks, pixels % blocks);
    let runs = [(0, rows + 1, larger), (larger * (rows + 1), rows, blocks - larger)];
    runs.into_iter().filter(|&(_, rows, blocks)| rows > 0 && blocks > 0)
}

/// The choice of the kernel by the width of the tile.
macro_rules! widths {
    ($($vectors:literal),*) => {
        /// The widths of tiles, in vectors.
        pub(super) const WIDTHS: &[usize] = &[$($vectors),*];

        impl<M: GemmDtype> TileTask<'_, M> {
            /// Runs the task on `rows` pixels with a tile `vectors` wide.
            #[inline(always)]
            pub(crate) fn run_tiles<S: Simd>(self, simd: S, rows: usize, vectors: usize)
            where
                M: MicroKernel<S>,
            {
                match vectors {
                    $($vectors => self.run_rows::<S, $vectors>(simd, rows),)*
                    _ => unreachable!("no kernel is {vectors} vectors wide"),
                }
            }
        }
    };
}
widths!(1, 2, 3, 4);

/// The most rows and vectors of a tile. Each size is a function of its own: a module that is downloaded has those only
/// that registers of 128 bits suit best.
const LARGEST: [usize; 2] = if cfg!(target_family = "wasm") { [4, 2] } else { [8, 4] };

/// What limits the rows of a tile.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Registers that a vector of weights takes while it is multiplied.
    pub(crate) weight_registers: usize,
    /// Registers that each row of inputs takes while it is multiplied.
    pub(crate) row_registers: usize,
    /// Registers that a product needs beside its operands.
    pub(crate) dot_registers: usize,
    /// The most rows of any tile.
    pub(crate) mr: usize,
    /// The least and the most vectors in a row of any tile.
    pub(crate) nr: [usize; 2],
}

impl Limits {
    /// The most rows of a tile whose accumulators, with one row of weights, two inputs and what each row keeps of them,
    /// fit in the registers; none where there is no such tile.
    pub(super) const fn mr(self, registers: usize, nr: usize) -> usize {
        if nr < self.nr[0] || nr > self.nr[1] || nr > LARGEST[1] {
            return 0;
        }
        let most = if self.mr < LARGEST[0] { self.mr } else { LARGEST[0] };
        match registers.saturating_sub(2 + self.dot_registers + self.weight_registers * nr) / (nr + self.row_registers)
        {
            0 => 1,
            rows if rows > most => most,
            rows => rows,
        }
    }
}

/// Whether there are kernels for a single run: bytes are multiplied so fast that code for both would cost more than it
/// gains, and a module that is downloaded does without.
const fn has_one_run<M: GemmDtype>() -> bool {
    M::K_GROUP == 1 && !cfg!(target_family = "wasm")
}

/// The choice of the kernel by rows. More rows than a tile has are not compiled.
macro_rules! rows {
    ($($rows:literal),*) => {
        impl<M: GemmDtype> TileTask<'_, M> {
            #[inline(always)]
            fn run_rows<S: Simd, const NV: usize>(self, simd: S, rows: usize)
            where
                M: MicroKernel<S>,
            {
                let one = const { has_one_run::<M>() } && self.patch.is_one_run();
                match rows {
                    $($rows if const { has_one_run::<M>() && $rows <= M::LIMITS.mr(S::REGISTERS, NV) } && one => {
                        simd.vectorize(TileKernel::<M, $rows, NV, true>(self))
                    }
                    $rows if const { $rows <= M::LIMITS.mr(S::REGISTERS, NV) } => {
                        simd.vectorize(TileKernel::<M, $rows, NV, false>(self))
                    })*
                    _ => unreachable!("no kernel has {rows} rows of {NV} vectors"),
                }
            }
        }
    };
}
rows!(1, 2, 3, 4, 5, 6, 7, 8);
