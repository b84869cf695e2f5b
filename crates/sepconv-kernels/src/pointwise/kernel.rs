use crate::gemm::microkernel::{GemmDtype, MicroKernel, OutputTile};
use crate::gemm::{AxisTaps, L2_WEIGHT_BUDGET, Patch, Tile, TileTask, split};
use crate::rows::Rows;
use crate::simd::{Kernel, Simd};

/// `m` pixels of `k` numbers, each by weights for `n` channels.
pub(super) struct Pointwise<'a, M: GemmDtype> {
    pub(super) micro_kernel: M,
    pub(super) tile: Tile,
    pub(super) shape: [usize; 3],
    pub(super) x: &'a [M::Element],
    pub(super) packed: &'a [M::Weight],
}

impl<S: Simd, M: MicroKernel<S>> Kernel<S> for Pointwise<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { mut micro_kernel, tile, shape: [m, k, n], x, packed } = self;
        if m == 0 {
            return;
        }
        let columns = tile.token_columns::<S>();
        let panel = packed.len() / n.div_ceil(columns);
        let rows = Rows::new(x, x.len());
        let output = OutputTile { start: 0, stride: n, columns: n };
        let at_once = if S::LANES == 1 || size_of_val(packed) <= L2_WEIGHT_BUDGET { packed.len() } else { panel };
        for (panels, first) in packed.chunks(at_once).zip((0..).step_by(columns)) {
            for (pixel, block, blocks) in split(m, tile.mr) {
                let horizontal = AxisTaps::one(pixel * k);
                let patch = Patch { rows, vertical: AxisTaps::one(0), horizontal, runs: 1, step: k, length: k };
                let output = output.subtile(pixel * n + first, n - first);
                let task = TileTask { micro_kernel: &mut micro_kernel, patch, blocks, panels, panel, output };
                M::run(task, simd, block, tile);
            }
        }
    }
}
