use crate::rows::Rows;
use crate::scheme::{Multiply, Scheme, Target};
use crate::simd::{Kernel, Simd};
use crate::tile::{Job, Patch, RESIDENT, Taps, Tile, split};

/// `m` pixels of `k` numbers, each by weights for `n` channels.
pub(super) struct Pointwise<'a, C: Scheme> {
    pub(super) scheme: C,
    pub(super) tile: Tile,
    pub(super) shape: [usize; 3],
    pub(super) x: &'a [C::Element],
    pub(super) packed: &'a [C::Weight],
}

impl<S: Simd, C: Multiply<S>> Kernel<S> for Pointwise<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { mut scheme, tile, shape: [m, k, n], x, packed } = self;
        if m == 0 {
            return;
        }
        let columns = tile.vectors * S::LANES;
        let panel = packed.len() / n.div_ceil(columns);
        let rows = Rows::new(x, x.len());
        let target = Target { start: 0, stride: n, columns: n };
        let at_once = if size_of_val(packed) <= RESIDENT { packed.len() } else { panel };
        for (panels, first) in packed.chunks(at_once).zip((0..).step_by(columns)) {
            for (pixel, block, blocks) in split(m, tile.rows) {
                let horizontal = Taps::one(pixel * k);
                let patch = Patch { rows, vertical: Taps::one(0), horizontal, runs: 1, step: k, length: k };
                let target = target.part(pixel * n + first, n - first);
                Job { scheme: &mut scheme, patch, blocks, panels, panel, target }.run(simd, block, tile.vectors);
            }
        }
    }
}
