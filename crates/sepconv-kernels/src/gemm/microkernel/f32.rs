use super::dot::{self, DotTask};
use super::{GemmDtype, MicroKernel, OutputTile};
use crate::epilogue::F32Output;
use crate::gemm::kernel::Limits;
use crate::gemm::{Lanes, Patch, Tile, TileTask};
use crate::simd::{Chunks, Isa, Kernel, Simd, strided, strided_mut};
use crate::unroll::unrolled_array;

/// Single precision throughout: one fused multiply-add per product, in the order of `k`.
#[derive(Debug)]
pub(crate) struct F32MicroKernel<'a> {
    /// What runs activations that are no clip: a narrow tile does not.
    pub(crate) isa: Isa,
    pub(crate) output: F32Output<'a>,
}

impl F32MicroKernel<'_> {
    /// More than eight rows gain next to nothing, and each tile is a function of its own.
    pub(crate) const fn limits(row_registers: usize) -> Limits {
        Limits { weight_registers: 1, row_registers, dot_registers: 0, mr: 8, nr: [1, 4] }
    }
}

impl GemmDtype for F32MicroKernel<'_> {
    type Element = f32;
    type Weight = f32;
    /// The bias.
    const HEADER: usize = 1;
    const K_GROUP: usize = 1;

    fn padding(&self) -> f32 {
        0.0
    }
}

impl<S: Simd> MicroKernel<S> for F32MicroKernel<'_> {
    type Accumulator = S::F32;
    type RowSum = ();
    const LIMITS: Limits = F32MicroKernel::limits(S::ROW_REGISTERS);

    #[inline(always)]
    fn run(task: TileTask<'_, Self>, simd: S, rows: usize, tile: Tile) {
        if const { dot::COMPILED } && tile.lanes == Lanes::Products {
            simd.vectorize(DotTask { task, rows })
        } else {
            task.run_tiles(simd, rows, tile.nr)
        }
    }

    #[inline(always)]
    fn padding_is_zero(&self) -> bool {
        true
    }

    #[inline(always)]
    fn row_sums(&self, _: S, _: &Patch<'_, f32>, _: &mut [()]) {}

    #[inline(always)]
    fn init_accumulators<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        header: &[f32],
        _: [(); MR],
    ) -> [[S::F32; NV]; MR] {
        [unrolled_array(|v| simd.load(&header[v * S::LANES..])); MR]
    }

    #[expect(clippy::needless_range_loop, reason = "`zip` is not always inlined")]
    #[inline(always)]
    fn accumulate<const MR: usize, const NV: usize>(
        &self,
        simd: S,
        acc: &mut [[S::F32; NV]; MR],
        x: [&[f32]; MR],
        weights: &[f32],
    ) {
        // Four steps at a time: between them rows are distinguished by a displacement, not by counting up every
        // address.
        let columns = NV * S::LANES;
        let depth = x[0].len();
        let heads: [&[[f32; 4]]; MR] = unrolled_array(|r| x[r][..depth].as_chunks().0);
        let tails: [&[f32]; MR] = unrolled_array(|r| x[r][..depth].as_chunks::<4>().1);
        let (whole, rest) = weights.split_at(heads[0].len() * 4 * columns);
        let (whole, rest) = (Chunks::new(whole, 4 * columns), Chunks::new(rest, columns));
        for k in 0..heads[0].len().min(whole.count()) {
            let weights = whole.get(k);
            step(simd, acc, |r| heads[r][k][0], weights);
            step(simd, acc, |r| heads[r][k][1], &weights[columns..]);
            step(simd, acc, |r| heads[r][k][2], &weights[2 * columns..]);
            step(simd, acc, |r| heads[r][k][3], &weights[3 * columns..]);
        }
        for k in 0..tails[0].len().min(rest.count()) {
            step(simd, acc, |r| tails[r][k], rest.get(k));
        }
    }

    #[inline(always)]
    fn store_tile<const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        mut acc: [[S::F32; NV]; MR],
        _: &[f32],
        output: OutputTile,
    ) {
        // Clips, the identity among them, cost two instructions in registers.
        let (low, high) = self.output.activation.bounds().unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let OutputTile { start, stride, columns } = output;
        let residual = self.output.residual.map(|residual| &residual[start..]);
        let out = &mut self.output.out[start..];
        if columns < NV * S::LANES {
            return simd.vectorize(StorePartialTile { acc: &acc, residual, bounds: (low, high), stride, columns, out });
        }
        // Of a whole tile the compiler knows where everything goes: the accumulators stay in registers.
        if let Some(residual) = residual {
            let rows: [_; MR] = strided(residual, stride, NV * S::LANES);
            unroll!(r in 0..MR, {
                unroll!(v in 0..NV, {
                    acc[r][v] = simd.add(acc[r][v], simd.load(&rows[r][v * S::LANES..]));
                });
            });
        }
        let (low, high) = (simd.splat(low), simd.splat(high));
        for (acc, row) in acc.iter().zip(strided_mut::<_, MR>(out, stride, NV * S::LANES)) {
            unroll!(v in 0..NV, {
                simd.store(simd.min(high, simd.max(low, acc[v])), &mut row[v * S::LANES..]);
            });
        }
    }

    /// Activations that are no clip: one pass over whole rows costs less than a piece after each tile.
    #[inline(always)]
    fn post_rows(&mut self, _: S, rows: usize, output: OutputTile) {
        self.activate(rows, output);
    }
}

/// The end of a tile that is wider than what is left of its rows. Tiles of all heights share this code.
struct StorePartialTile<'a, S: Simd, const NV: usize> {
    acc: &'a [[S::F32; NV]],
    residual: Option<&'a [f32]>,
    bounds: (f32, f32),
    stride: usize,
    columns: usize,
    out: &'a mut [f32],
}

impl<S: Simd, const NV: usize> Kernel<S> for StorePartialTile<'_, S, NV> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { acc, residual, bounds: (low, high), stride, columns, out } = self;
        let (low, high) = (simd.splat(low), simd.splat(high));
        for (acc, start) in acc.iter().zip((0..).step_by(stride)) {
            let row = &mut out[start..][..columns];
            let residual = residual.map(|residual| &residual[start..][..columns]);
            for (&sum, first) in acc.iter().zip((0..columns).step_by(S::LANES)) {
                let sum = match residual {
                    Some(residual) => simd.add(sum, simd.load_part(&residual[first..])),
                    None => sum,
                };
                simd.store_part(simd.min(high, simd.max(low, sum)), &mut row[first..]);
            }
        }
    }
}

/// Adds the products of one number of each row to the accumulators.
#[inline(always)]
fn step<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut [[S::F32; NV]; MR],
    x: impl Fn(usize) -> f32,
    weights: &[f32],
) {
    let weights: [S::F32; NV] = unrolled_array(|v| simd.load(&weights[v * S::LANES..]));
    // One input at a time, and every sum pinned: with more at hand, compilers put accumulators on the stack.
    unroll!(r in 0..MR, {
        let x = simd.splat(x(r));
        unroll!(v in 0..NV, {
            acc[r][v] = simd.optimization_barrier(simd.mul_add(x, weights[v], acc[r][v]));
        });
    });
}
