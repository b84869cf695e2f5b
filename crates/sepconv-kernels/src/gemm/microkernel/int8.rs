use core::ops::Range;

use super::{GemmDtype, MicroKernel, OutputTile};
use crate::epilogue::{Epilogue, Int8Output};
use crate::gemm::kernel::{Limits, TileTask};
use crate::gemm::pack_int8::{HEADER, K_GROUP};
use crate::gemm::parted::Index;
use crate::gemm::widened::Widened;
use crate::gemm::{Patch, Tile};
use crate::quantized_params::ZeroPoints;
use crate::requantize::AddResidual;
use crate::simd::{Int8, Kernel};
use crate::unroll::unrolled_array;

/// Activations of `u8` by weights of `i8`, summed exactly, four products at a time.
///
/// A panel's header is the bias and the scale of each column, as 32 bits each.
#[derive(Debug)]
pub(crate) struct Int8MicroKernel<'a> {
    pub(crate) zero_points: ZeroPoints,
    /// Runs of inputs in a row of the weights.
    pub(crate) runs: usize,
    pub(crate) output: Int8Output<'a>,
    /// What machines without vectors widen inputs in.
    pub(crate) scratch: &'a mut [u8],
}

impl Int8MicroKernel<'_> {
    /// More than six rows gain nothing, and each tile is a function of its own.
    pub(crate) const fn limits(weight_registers: usize, dot_registers: usize, widths: [usize; 2]) -> Limits {
        Limits { weight_registers, row_registers: 0, dot_registers, mr: 6, nr: widths }
    }
}

impl GemmDtype for Int8MicroKernel<'_> {
    type Element = u8;
    type Weight = i8;
    const HEADER: usize = HEADER;
    const K_GROUP: usize = K_GROUP;

    fn padding(&self) -> u8 {
        self.zero_points.x
    }
}

impl<S: Int8> MicroKernel<S> for Int8MicroKernel<'_> {
    type Accumulator = S::I32;
    /// What the zero point of the weights adds to each sum.
    type RowSum = i32;
    const LIMITS: Limits = Int8MicroKernel::limits(S::WEIGHT_REGISTERS, S::DOT_REGISTERS, S::TILE_WIDTHS);

    #[inline(always)]
    fn run_len(&self, panel: usize, length: usize, columns: usize) -> usize {
        if S::PARTS_WEIGHTS {
            return (panel - HEADER * columns) / self.runs;
        }
        length.next_multiple_of(K_GROUP) * columns
    }

    #[inline(always)]
    fn padding_is_zero(&self) -> bool {
        self.padding() == 0 && S::INPUT_OFFSET == 0 && S::LANES > 1
    }

    #[inline(always)]
    fn run(task: TileTask<'_, Self>, simd: S, rows: usize, tile: Tile) {
        if S::LANES > 1 {
            return task.run_tiles(simd, rows, tile.nr);
        }
        let TileTask { micro_kernel, patch, blocks, panels, panel, output } = task;
        Widened { micro_kernel, patch, panels, panel, output }.run(simd, rows * blocks);
    }

    #[inline(always)]
    fn row_sums(&self, simd: S, patch: &Patch<'_, u8>, row_sums: &mut [i32]) {
        if self.zero_points.w != 0 {
            simd.vectorize(RowSums { patch, w_zero_point: self.zero_points.w, row_sums });
        }
    }

    #[inline(always)]
    fn init_accumulators<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        header: &[i8],
        row_sums: [i32; MR],
    ) -> [[S::I32; NV]; MR] {
        let bias: [_; NV] = unrolled_array(|v| simd.load_quads(&header[v * K_GROUP * S::LANES..]));
        if self.zero_points.w == 0 {
            return [bias; MR];
        }
        unrolled_array(|r| unrolled_array(|v| simd.add_i32(bias[v], simd.splat_i32(row_sums[r]))))
    }

    #[expect(clippy::needless_range_loop, reason = "`zip` is not always inlined")]
    #[inline(always)]
    fn accumulate<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        acc: &mut [[S::I32; NV]; MR],
        x: [&[u8]; MR],
        weights: &[i8],
    ) {
        if S::PARTS_WEIGHTS {
            return accumulate_parted(simd, acc, x, weights);
        }
        // Four quads at a time: between them rows are distinguished by a displacement, not by counting up every
        // address.
        let (columns, depth) = (K_GROUP * NV * S::LANES, x[0].len());
        let quads: [&[[u8; 4]]; MR] = unrolled_array(|r| x[r][..depth].as_chunks().0);
        let fours = quads[0].len() / 4;
        let heads: [&[[[u8; 4]; 4]]; MR] = unrolled_array(|r| &quads[r].as_chunks().0[..fours]);
        let (whole, rest) = weights.split_at(fours * 4 * columns);
        let (mut whole, mut rest) = (whole.chunks_exact(4 * columns), rest.chunks_exact(columns));
        for k in 0..fours {
            let Some(weights) = whole.next() else { break };
            step(simd, acc, |r| heads[r][k][0], weights);
            step(simd, acc, |r| heads[r][k][1], &weights[columns..]);
            step(simd, acc, |r| heads[r][k][2], &weights[2 * columns..]);
            step(simd, acc, |r| heads[r][k][3], &weights[3 * columns..]);
        }
        let tails: [&[[u8; 4]]; MR] = unrolled_array(|r| quads[r].as_chunks::<4>().1);
        for k in 0..tails[0].len() {
            let Some(weights) = rest.next() else { break };
            step(simd, acc, |r| tails[r][k], weights);
        }
        if let Some(weights) = rest.next() {
            step(simd, acc, |r| last_quad(x[r]), weights);
        }
    }

    #[inline(always)]
    fn store_tile<const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        acc: [[S::I32; NV]; MR],
        header: &[i8],
        output: OutputTile,
    ) {
        let scales = &header[K_GROUP * NV * S::LANES..];
        simd.vectorize(StoreTile { acc: &acc, scales, result: &mut self.output, tile: output });
    }

    #[inline(always)]
    fn post_rows(&mut self, _: S, _: usize, _: OutputTile) {}
}

/// Adds the products of a run whose weights are parted.
#[inline(always)]
fn accumulate_parted<S: Int8, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut [[S::I32; NV]; MR],
    x: [&[u8]; MR],
    run: &[i8],
) {
    let depth = x[0].len();
    let x: [&[u8]; MR] = unrolled_array(|r| &x[r][..depth]);
    let index = Index::read(run, NV);
    if depth < K_GROUP {
        steps(simd, acc, index, |r, _| last_quad(x[r]));
    } else {
        steps(simd, acc, index, |r, begin| *x[r][begin..].first_chunk().expect("a quad lies in its run"));
    }
}

/// Adds the products of each step, where `x` reads the quad of a row that begins at some input.
#[inline(always)]
fn steps<S: Int8, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut [[S::I32; NV]; MR],
    Index { begins, weights }: Index<'_>,
    x: impl Fn(usize, usize) -> [u8; 4],
) {
    let mut weights = weights.chunks_exact(K_GROUP * NV * S::LANES);
    for begins in begins.chunks_exact(NV) {
        let Some(weights) = weights.next() else { break };
        unroll!(v in 0..NV, {
            let (begin, weights) = (Index::number(begins[v]), simd.load_quads(&weights[v * K_GROUP * S::LANES..]));
            unroll!(r in 0..MR, {
                let sum = simd.dot_saturating(acc[r][v], simd.splat_quad(x(r, begin)), weights);
                acc[r][v] = simd.optimization_barrier_i32(sum);
            });
        });
    }
}

/// Adds the products of a quad of each row to the accumulators.
#[inline(always)]
fn step<S: Int8, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut [[S::I32; NV]; MR],
    x: impl Fn(usize) -> [u8; 4],
    weights: &[i8],
) {
    let weights: [S::I32; NV] = unrolled_array(|v| simd.load_quads(&weights[v * K_GROUP * S::LANES..]));
    unroll!(r in 0..MR, {
        let x = simd.splat_quad(x(r));
        unroll!(v in 0..NV, {
            acc[r][v] = simd.optimization_barrier_i32(simd.dot(acc[r][v], x, weights[v]));
        });
    });
}

/// The quad that ends where the run ends. What it repeats, and what a short run lacks, meets weights of zero.
#[inline(always)]
pub(crate) fn last_quad(run: &[u8]) -> [u8; 4] {
    match run.last_chunk() {
        Some(quad) => *quad,
        None => short_quad(run),
    }
}

/// A run of fewer than four inputs, then zeros. Inlined, it would be the largest part of a tile.
#[cold]
#[inline(never)]
fn short_quad(run: &[u8]) -> [u8; 4] {
    let mut quad = [0; 4];
    quad[..run.len()].copy_from_slice(run);
    quad
}

/// Sums the inputs of each pixel, times the zero point of the weights.
struct RowSums<'a> {
    patch: &'a Patch<'a, u8>,
    w_zero_point: i8,
    row_sums: &'a mut [i32],
}

impl<S: Int8> Kernel<S> for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: S) {
        let Self { patch, w_zero_point, row_sums } = self;
        for (row_sum, first) in row_sums.iter_mut().zip((0..).step_by(patch.step)) {
            let mut sum = 0;
            for (_, y) in patch.vertical {
                for (_, start) in patch.horizontal {
                    let run = &patch.rows.row(y)[start + first..][..patch.length];
                    sum += run.iter().map(|&x| i32::from(x)).sum::<i32>();
                }
            }
            *row_sum = -i32::from(w_zero_point) * sum;
        }
    }
}

/// Makes results of the accumulators of a tile. Tiles of all heights share this code, so it is compiled once for each
/// width.
struct StoreTile<'a, 'b, S: Int8, const NV: usize> {
    acc: &'a [[S::I32; NV]],
    scales: &'a [i8],
    result: &'a mut Int8Output<'b>,
    tile: OutputTile,
}

impl<S: Int8, const NV: usize> Kernel<S> for StoreTile<'_, '_, S, NV> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { acc, scales, result, tile } = self;
        let OutputTile { start, stride, columns } = tile;
        let scales: [S::F32; NV] =
            unrolled_array(|v| simd.reinterpret(simd.load_quads(&scales[v * K_GROUP * S::LANES..])));
        match result {
            Int8Output::U8 { epilogue, residual, out } => {
                // A copy, which writing to `out` cannot change.
                let epilogue = **epilogue;
                let rows = RowGroups { acc, scales, tile, out };
                match (epilogue.residual, residual) {
                    (Some(add), Some(residual)) => rows.store(simd, &WithResidual { epilogue, add, residual }),
                    _ => rows.store(simd, &Plain(epilogue)),
                }
            }
            Int8Output::F32(out) => {
                for (acc, start) in acc.iter().zip((start..).step_by(stride)) {
                    let out = &mut out[start..][..columns];
                    for v in 0..NV {
                        let part = (v * S::LANES).min(columns)..((v + 1) * S::LANES).min(columns);
                        simd.store_part(simd.mul(simd.to_f32(acc[v]), scales[v]), &mut out[part]);
                    }
                }
            }
        }
    }
}

/// What becomes of four vectors of sums: a trait, as closures are not always inlined.
trait Requantizing<S: Int8> {
    /// Bytes in the order of lanes of `sums` and the scales of their channels; the bytes of vector `i` belong at
    /// `place(i)` of the output.
    fn quads(&self, simd: S, sums: [S::I32; 4], scales: [S::F32; 4], place: impl Fn(usize) -> Range<usize>) -> S::I32;
}

struct Plain<'a>(Epilogue<'a>);

impl<S: Int8> Requantizing<S> for Plain<'_> {
    #[inline(always)]
    fn quads(&self, simd: S, sums: [S::I32; 4], scales: [S::F32; 4], _: impl Fn(usize) -> Range<usize>) -> S::I32 {
        self.0.quads(simd, sums, scales)
    }
}

struct WithResidual<'a> {
    epilogue: Epilogue<'a>,
    add: AddResidual,
    residual: &'a [u8],
}

impl<S: Int8> Requantizing<S> for WithResidual<'_> {
    #[inline(always)]
    fn quads(&self, simd: S, sums: [S::I32; 4], scales: [S::F32; 4], place: impl Fn(usize) -> Range<usize>) -> S::I32 {
        // A loop: what reads a part is too long for a closure to be inlined.
        let mut residual = [simd.splat_i32(0); 4];
        for (i, residual) in residual.iter_mut().enumerate() {
            *residual = simd.load_u8_part(&self.residual[place(i)]);
        }
        self.epilogue.quads_with_residual(simd, self.add, sums, scales, residual)
    }
}

/// The rows of a tile, some of which are requantized together: as many as fill four vectors, where a row does not.
struct RowGroups<'a, S: Int8, const NV: usize> {
    acc: &'a [[S::I32; NV]],
    scales: [S::F32; NV],
    tile: OutputTile,
    out: &'a mut [u8],
}

impl<S: Int8, const NV: usize> RowGroups<'_, S, NV> {
    /// Rows in a group.
    const ROWS: usize = if S::JOINS_ROWS && NV < 3 { 4 / NV } else { 1 };

    #[inline(always)]
    fn store(self, simd: S, requantizing: &impl Requantizing<S>) {
        let Self { acc, scales, tile: OutputTile { start, stride, columns }, out } = self;
        for (acc, start) in acc.chunks(Self::ROWS).zip((start..).step_by(Self::ROWS * stride)) {
            // The last row, or the last vector of a row, stands for those that are missing.
            let row = |i: usize| if Self::ROWS == 1 { 0 } else { (i / NV).min(acc.len() - 1) };
            let vector = |i: usize| if Self::ROWS == 1 { i.min(NV - 1) } else { i % NV };
            let place = |i: usize| {
                let (first, start) = (vector(i) * S::LANES, start + row(i) * stride);
                start + first.min(columns)..start + (first + S::LANES).min(columns)
            };
            let sums = unrolled_array(|i| acc[row(i)][vector(i)]);
            let bytes = requantizing.quads(simd, sums, unrolled_array(|i| scales[vector(i)]), place);
            let rows = out[start..].chunks_mut(stride).take(acc.len());
            let mut rows = rows.map(|row| row.split_at_mut(columns).0);
            match Self::ROWS {
                4 => simd.store_quads_parts::<4>(bytes, rows),
                2 => simd.store_quads_parts::<2>(bytes, rows),
                _ => rows.next().into_iter().for_each(|row| simd.store_quads_part(bytes, row)),
            }
        }
    }
}
