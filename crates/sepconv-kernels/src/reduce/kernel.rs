use super::Reduction;
use crate::simd::{Kernel, Simd};
use crate::unroll::unrolled_array;

/// The arguments of [`reduce`](super::reduce), checked; means and roots are left to the caller.
pub(super) struct Middle<'a> {
    pub(super) reduction: Reduction,
    pub(super) n: usize,
    pub(super) inner: usize,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [f32],
}

/// Vectors whose total is formed before it joins the others.
const BLOCK: usize = 64;

/// Vectors side by side: operations wait for each other.
const VECTORS: usize = 4;

/// The widest vector.
const MOST_LANES: usize = 16;

/// How values, or their squares, are joined to one: `empty` joins to nothing.
struct Fold<J, L> {
    empty: f32,
    square: bool,
    join: J,
    lanes: L,
}

impl<S: Simd> Kernel<S> for Middle<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let extreme = |lanes: S::F32, join: fn(f32, f32) -> f32| {
            let mut values = [0.0; MOST_LANES];
            simd.store(lanes, &mut values);
            values[1..S::LANES].iter().fold(values[0], |joined, x| join(joined, *x))
        };
        match self.reduction {
            Reduction::Max => {
                let join = |x, y| simd.max(x, y);
                self.fold(
                    simd,
                    &Fold { empty: f32::NEG_INFINITY, square: false, join, lanes: |x| extreme(x, f32::max) },
                );
            }
            Reduction::Min => {
                let join = |x, y| simd.min(x, y);
                self.fold(simd, &Fold { empty: f32::INFINITY, square: false, join, lanes: |x| extreme(x, f32::min) });
            }
            reduction => {
                let square = matches!(reduction, Reduction::L2 | Reduction::SumSquare);
                self.fold(simd, &Fold { empty: 0.0, square, join: |x, y| simd.add(x, y), lanes: |x| simd.sum(x) });
            }
        }
    }
}

impl Middle<'_> {
    #[inline(always)]
    fn fold<S, J, L>(self, simd: S, fold: &Fold<J, L>)
    where
        S: Simd,
        J: Fn(S::F32, S::F32) -> S::F32,
        L: Fn(S::F32) -> f32,
    {
        let Self { n, inner, x, out, .. } = self;
        if inner == 1 {
            for (x, out) in x.chunks_exact(n).zip(out) {
                *out = along(simd, fold, x);
            }
            return;
        }
        for (x, out) in x.chunks_exact(n * inner).zip(out.chunks_exact_mut(inner)) {
            let mut first = 0;
            while first < inner {
                let rest = &mut out[first..];
                if rest.len() >= VECTORS * S::LANES {
                    let totals: [S::F32; VECTORS] =
                        across(simd, fold, inner, &x[first..], |row, v| simd.load(&row[v * S::LANES..]));
                    for (out, total) in rest.chunks_exact_mut(S::LANES).zip(totals) {
                        simd.store(total, out);
                    }
                    first += VECTORS * S::LANES;
                } else {
                    let lanes = rest.len().min(S::LANES);
                    let [total] = across(simd, fold, inner, &x[first..], |row, _| simd.load_part(&row[..lanes]));
                    simd.store_part(total, &mut rest[..lanes]);
                    first += S::LANES;
                }
            }
        }
    }
}

impl<J, L> Fold<J, L> {
    /// `total` joined by `x`, or by its square.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, x: S::F32, total: S::F32) -> S::F32
    where
        J: Fn(S::F32, S::F32) -> S::F32,
    {
        if self.square { simd.mul_add(x, x, total) } else { (self.join)(x, total) }
    }
}

/// Some neighboring columns of rows that lie `pitch` apart, folded row by row.
#[inline(always)]
fn across<S, J, L, const N: usize>(
    simd: S,
    fold: &Fold<J, L>,
    pitch: usize,
    x: &[f32],
    load: impl Fn(&[f32], usize) -> S::F32,
) -> [S::F32; N]
where
    S: Simd,
    J: Fn(S::F32, S::F32) -> S::F32,
{
    let mut totals = [simd.splat(fold.empty); N];
    for block in x.chunks(BLOCK * pitch) {
        let mut parts = [simd.splat(fold.empty); N];
        for row in block.chunks(pitch) {
            parts = unrolled_array(|v| fold.step(simd, load(row, v), parts[v]));
        }
        totals = unrolled_array(|v| (fold.join)(parts[v], totals[v]));
    }
    totals
}

/// All of a row.
#[inline(always)]
fn along<S, J, L>(simd: S, fold: &Fold<J, L>, x: &[f32]) -> f32
where
    S: Simd,
    J: Fn(S::F32, S::F32) -> S::F32,
    L: Fn(S::F32) -> f32,
{
    let mut total = simd.splat(fold.empty);
    let (vectors, rest) = x.split_at(x.len() - x.len() % S::LANES);
    for block in vectors.chunks(BLOCK * VECTORS * S::LANES) {
        let mut parts = [simd.splat(fold.empty); VECTORS];
        let mut groups = block.chunks_exact(VECTORS * S::LANES);
        for group in &mut groups {
            parts = unrolled_array(|v| fold.step(simd, simd.load(&group[v * S::LANES..]), parts[v]));
        }
        for x in groups.remainder().chunks_exact(S::LANES) {
            parts[0] = fold.step(simd, simd.load(x), parts[0]);
        }
        let [a, b, c, d] = parts;
        total = (fold.join)(total, (fold.join)((fold.join)(a, b), (fold.join)(c, d)));
    }
    // The last vector is filled up with what joins to nothing.
    let last = if fold.empty == 0.0 {
        simd.load_part(rest)
    } else {
        let mut last = [fold.empty; MOST_LANES];
        last[..rest.len()].copy_from_slice(rest);
        simd.load(&last)
    };
    (fold.lanes)(fold.step(simd, last, total))
}
