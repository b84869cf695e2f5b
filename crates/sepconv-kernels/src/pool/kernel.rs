use core::ops::Range;

use super::PoolKind;
use crate::ConvGeometry;
use crate::Rows;
use crate::simd::{Kernel, Simd};

/// The arguments of [`pool`](super::pool), checked.
pub(super) struct PoolF32<'a> {
    pub(super) kind: PoolKind,
    pub(super) pool: &'a ConvGeometry,
    pub(super) x: Rows<'a>,
    pub(super) rows: Range<usize>,
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for PoolF32<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let (kind, pool, x) = (self.kind, self.pool, &self.x);
        let [_, ow, c] = pool.output;
        let places = self.rows.flat_map(|y| (0..ow).map(move |x| [y, x]));
        for (out, place) in self.out.chunks_exact_mut(c).zip(places) {
            let divisor = simd.splat(pool.pool_divisor(kind, place));
            for (v, out) in out.chunks_mut(S::LANES).enumerate() {
                let channels = v * S::LANES..v * S::LANES + out.len();
                let result = match kind {
                    PoolKind::Max => fold::<S, true>(simd, pool, x, place, channels),
                    PoolKind::Average { .. } => simd.div(fold::<S, false>(simd, pool, x, place, channels), divisor),
                };
                simd.store_part(result, out);
            }
        }
    }
}

/// The greatest or the sum of a window's taps, of one vector of channels.
#[inline(always)]
fn fold<S: Simd, const MAX: bool>(
    simd: S,
    pool: &ConvGeometry,
    x: &Rows<'_>,
    [y, column]: [usize; 2],
    channels: Range<usize>,
) -> S::F32 {
    let ([h, w, c], window) = (pool.input, &pool.window);
    let mut folded = simd.splat(if MAX { f32::NEG_INFINITY } else { 0.0 });
    for ky in window.taps(0, y, h) {
        let line = x.row(window.source(0, y, ky));
        for kx in window.taps(1, column, w) {
            let pixel = &line[window.source(1, column, kx) * c..][..c];
            let x = simd.load_part(&pixel[channels.clone()]);
            folded = if MAX { simd.max(x, folded) } else { simd.add(x, folded) };
        }
    }
    folded
}

/// The arguments of [`global_average`](super::global_average), checked.
pub(super) struct Global<'a> {
    pub(super) c: usize,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [f32],
}

/// Pixels whose sum is formed before it joins the total: with as many blocks as pixels in each, errors grow with the
/// root.
const BLOCK: usize = 64;

/// Vectors of channels that are summed side by side: additions wait for each other, and neighbors share cache lines.
const VECTORS: usize = 4;

impl<S: Simd> Kernel<S> for Global<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let pixels = simd.splat((self.x.len() / self.c) as f32);
        for (first, out) in (0..).step_by(VECTORS * S::LANES).zip(self.out.chunks_mut(VECTORS * S::LANES)) {
            let mut totals = [simd.splat(0.0); VECTORS];
            for block in self.x.chunks(BLOCK * self.c) {
                let mut sums = [simd.splat(0.0); VECTORS];
                for pixel in block.chunks_exact(self.c) {
                    let x = &pixel[first..][..out.len()];
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.add(*sum, simd.load_part(&x[(v * S::LANES).min(x.len())..]));
                    }
                }
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = simd.add(*total, sum);
                }
            }
            for (out, total) in out.chunks_mut(S::LANES).zip(totals) {
                simd.store_part(simd.div(total, pixels), out);
            }
        }
    }
}
