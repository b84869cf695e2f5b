use core::ops::Range;

use super::PoolKind;
use crate::simd::{Kernel, Simd};
use crate::unroll::unrolled_array;
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
            let mut column = 0;
            while column < ow {
                let columns = pool.alike(column);
                let out = &mut out[column * c..];
                match kind {
                    PoolKind::Max => fold::<S, true>(simd, pool, &x, [y, column], columns * c, out),
                    PoolKind::Average { .. } => {
                        fold::<S, false>(simd, pool, &x, [y, column], columns * c, out);
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

impl ConvGeometry {
    /// Values from the last tap of a window on, to the end of the row.
    fn room(&self, column: usize) -> usize {
        let [_, w, c] = self.input;
        let last = self.window.taps(1, column, w).last();
        last.map_or(0, |kx| (w - self.window.source(1, column, kx)) * c)
    }

    /// How many columns from `column` on are pooled as the channels of one: those that lie one after another in the
    /// input as in the output, with the same taps.
    pub(super) fn alike(&self, column: usize) -> usize {
        let (window, w) = (&self.window, self.input[1]);
        let first = window.before[1];
        let end = (w + first + window.dilation[1]).saturating_sub(window.kernel[1] * window.dilation[1]);
        let inside = first..end.min(self.output[1]);
        if window.stride[1] == 1 && inside.contains(&column) { inside.end - column } else { 1 }
    }
}

/// The greatest or the sum of the taps of a window, of `length` neighboring values.
///
/// Vectors may reach beyond these: what they write there is written again, values being made in order.
#[inline(always)]
fn fold<S: Simd, const MAX: bool>(
    simd: S,
    pool: &ConvGeometry,
    x: &Rows<'_>,
    place: [usize; 2],
    length: usize,
    out: &mut [f32],
) {
    let init = simd.splat(if MAX { f32::NEG_INFINITY } else { 0.0 });
    let join = |x: S::F32, folded: S::F32| if MAX { simd.max(x, folded) } else { simd.add(x, folded) };
    let room = pool.room(place[1]).min(out.len());
    let mut first = 0;
    while first < length {
        let (vectors, out) = (room.saturating_sub(first) / S::LANES, &mut out[first..]);
        if vectors >= VECTORS && length - first > (VECTORS - 1) * S::LANES {
            let mut folded = [init; VECTORS];
            each_tap(pool, x, place, first, |x| {
                folded = unrolled_array(|v| join(simd.load(&x[v * S::LANES..]), folded[v]));
            });
            for (out, folded) in out.chunks_exact_mut(S::LANES).zip(folded) {
                simd.store(folded, out);
            }
            first += VECTORS * S::LANES;
            continue;
        }
        let mut folded = init;
        if vectors > 0 {
            each_tap(pool, x, place, first, |x| folded = join(simd.load(x), folded));
            simd.store(folded, out);
        } else {
            let lanes = S::LANES.min(length - first);
            each_tap(pool, x, place, first, |x| folded = join(simd.load_part(&x[..lanes]), folded));
            simd.store_part(folded, &mut out[..lanes]);
        }
        first += S::LANES;
    }
}

/// Calls `f` with the row from value `first` of each tap inside the feature map on; how many taps there are.
#[inline(always)]
pub(super) fn each_tap<'a, T>(
    pool: &ConvGeometry,
    x: &Rows<'a, T>,
    [y, column]: [usize; 2],
    first: usize,
    mut f: impl FnMut(&'a [T]),
) -> usize {
    let ([h, w, c], window) = (pool.input, &pool.window);
    let (rows, columns) = (window.taps(0, y, h), window.taps(1, column, w));
    for ky in rows.clone() {
        let line = x.row(window.source(0, y, ky));
        for kx in columns.clone() {
            f(&line[window.source(1, column, kx) * c + first..]);
        }
    }
    rows.len() * columns.len()
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
