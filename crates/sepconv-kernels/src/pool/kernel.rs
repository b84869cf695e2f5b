use core::ops::Range;

use super::PoolKind;
use super::taps::InnerTaps;
use crate::simd::{Kernel, Simd};
use crate::{ConvGeometry, Rows};

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
        let Self { kind, pool, x, rows, out } = self;
        let [_, ow, c] = pool.output;
        for (y, out) in rows.zip(out.chunks_exact_mut(ow * c)) {
            let (mut taps, mut column) = (InnerTaps::of_row(pool, x, y), 0);
            while column < ow {
                let columns = taps.move_to(column);
                let out = &mut out[column * c..];
                match kind {
                    PoolKind::Max => fold::<S, true>(simd, &taps, columns * c, out),
                    PoolKind::Average { .. } => {
                        fold::<S, false>(simd, &taps, columns * c, out);
                        let divisor = simd.splat(pool.pool_divisor(kind, [y, column]));
                        for out in out[..columns * c].chunks_mut(S::LANES) {
                            simd.store_part(simd.div(simd.load_part(out), divisor), out);
                        }
                    }
                }
                column += columns;
            }
        }
    }
}

/// The greatest or the sum of the taps of a window, of `length` neighboring values.
///
/// Vectors may reach beyond these: what they write there is written again, values being made in order.
#[inline(always)]
fn fold<S: Simd, const MAX: bool>(simd: S, taps: &InnerTaps<'_, f32>, length: usize, out: &mut [f32]) {
    let room = taps.room().min(out.len());
    let mut first = 0;
    while first < length {
        let (vectors, out) = (room.saturating_sub(first) / S::LANES, &mut out[first..]);
        if vectors >= VECTORS && length - first > (VECTORS - 1) * S::LANES {
            fold_vectors::<S, MAX, VECTORS>(simd, taps, first, out);
            first += VECTORS * S::LANES;
        } else if vectors > 0 {
            fold_vectors::<S, MAX, 1>(simd, taps, first, out);
            first += S::LANES;
        } else {
            let lanes = S::LANES.min(length - first);
            let mut folded = simd.splat(if MAX { f32::NEG_INFINITY } else { 0.0 });
            for i in 0..taps.rows() {
                let row = taps.row(i, first);
                for j in 0..taps.columns {
                    let x = simd.load_part(&row[j * taps.step..][..lanes]);
                    folded = if MAX { simd.max(x, folded) } else { simd.add(x, folded) };
                }
            }
            simd.store_part(folded, &mut out[..lanes]);
            first += S::LANES;
        }
    }
}

#[inline(always)]
fn fold_vectors<S: Simd, const MAX: bool, const V: usize>(
    simd: S,
    taps: &InnerTaps<'_, f32>,
    first: usize,
    out: &mut [f32],
) {
    let mut folded = [simd.splat(if MAX { f32::NEG_INFINITY } else { 0.0 }); V];
    for i in 0..taps.rows() {
        let row = taps.row(i, first);
        for j in 0..taps.columns {
            let x = &row[j * taps.step..][..V * S::LANES];
            unroll!(v in 0..V, {
                let x = simd.load(&x[v * S::LANES..]);
                folded[v] = if MAX { simd.max(x, folded[v]) } else { simd.add(x, folded[v]) };
            });
        }
    }
    let out = &mut out[..V * S::LANES];
    unroll!(v in 0..V, {
        simd.store(folded[v], &mut out[v * S::LANES..]);
    });
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

/// Vectors of channels that are made side by side: operations wait for each other, and neighbors share cache lines.
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
