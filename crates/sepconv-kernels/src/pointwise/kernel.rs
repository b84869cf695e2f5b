use crate::rows::Rows;
use crate::scheme::{Scheme, Target};
use crate::simd::{Kernel, Simd};
use crate::tile::{Job, Patch, RESIDENT, Taps, Tile, split};

pub(super) struct Pointwise<'a, C: Scheme> {
    pub(super) scheme: C,
    pub(super) tile: Tile,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) x: &'a [C::Element],
    pub(super) packed: &'a [C::Weight],
    pub(super) residual: Option<&'a [C::Element]>,
    pub(super) out: &'a mut [C::Element],
}

impl<S: Simd, C: Scheme> Kernel<S> for Pointwise<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { scheme, tile, k, n, x, packed, residual, out } = self;
        let m = out.len() / n;
        if m == 0 {
            return;
        }
        let columns = tile.vectors * S::LANES;
        let panel = packed.len() / n.div_ceil(columns);
        let rows = Rows::new(x, x.len());
        let mut target = Target { out, residual, stride: n, columns: n };
        let at_once = if packed.len() <= RESIDENT { packed.len() } else { panel };
        for (panels, first) in packed.chunks(at_once).zip((0..).step_by(columns)) {
            for (pixel, block, blocks) in split(m, tile.rows) {
                let horizontal = Taps::one(pixel * k);
                let patch = Patch { rows, vertical: Taps::one(0), horizontal, runs: 1, step: k, length: k };
                let target = target.part(pixel * n + first, n - first);
                Job { scheme, patch, blocks, panels, panel, target }.run(simd, block, tile.vectors);
            }
        }
    }
}
