use crate::activation::exp;
use crate::simd::{Columns, Kernel, Simd};

/// The arguments of [`softmax`](super::softmax), checked.
pub(super) struct Softmax<'a> {
    pub(super) n: usize,
    pub(super) inner: usize,
    pub(super) log: bool,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [f32],
}

/// Vectors whose sum is formed before it joins the total, so that the error of long sums stays small.
const BLOCK: usize = 32;

/// Places along an axis that would not fill a vector.
pub(super) const FEW: usize = 16;

/// The widest vector.
const MOST_LANES: usize = 16;

/// The softmax of rows of at most [`FEW`] values: nothing else is compiled.
pub(super) struct ShortRows<'a> {
    pub(super) n: usize,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for ShortRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        few(simd, self.n, false, self.x, self.out);
    }
}

impl<S: Simd> Kernel<S> for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        if self.inner == 1 && self.n <= FEW {
            return few(simd, self.n, self.log, self.x, self.out);
        }
        let length = self.n * self.inner;
        for (x, out) in self.x.chunks_exact(length).zip(self.out.chunks_exact_mut(length)) {
            if self.inner == 1 {
                along(simd, self.log, x, out);
            } else {
                across(simd, self.n, self.log, x, out);
            }
        }
    }
}

/// The axis is contiguous: its values fill the lanes.
#[inline(always)]
fn along<S: Simd>(simd: S, log: bool, x: &[f32], out: &mut [f32]) {
    let shift = simd.splat(greatest(simd, x));
    // The greatest adds 1 to the total. What is beside whole numbers is kept apart: beside 1 it may be too small to
    // see.
    let (mut ones, mut rest) = (-1.0, 0.0);
    for (x, out) in x.chunks(BLOCK * S::LANES).zip(out.chunks_mut(BLOCK * S::LANES)) {
        let (mut whole, mut parts) = (simd.splat(0.0), simd.splat(0.0));
        let mut join = |power| {
            let nearest = simd.round(power);
            (whole, parts) = (simd.add(whole, nearest), simd.add(parts, simd.sub(power, nearest)));
        };
        let (mut x, mut out) = (x.chunks_exact(S::LANES), out.chunks_exact_mut(S::LANES));
        for (x, out) in (&mut x).zip(&mut out) {
            let power = exp(simd, simd.sub(simd.load(x), shift));
            simd.store(power, out);
            join(power);
        }
        let (x, out) = (x.remainder(), out.into_remainder());
        simd.store_part(exp(simd, simd.sub(simd.load_part(x), shift)), out);
        // Of lanes that do not exist nothing is left.
        join(simd.load_part(out));
        (ones, rest) = (ones + f64::from(simd.sum(whole)), rest + f64::from(simd.sum(parts)));
    }
    let rest = ones + rest;
    if log {
        let logarithm = simd.splat(libm::log1p(rest) as f32);
        for (x, out) in x.chunks(S::LANES).zip(out.chunks_mut(S::LANES)) {
            simd.store_part(simd.sub(simd.sub(simd.load_part(x), shift), logarithm), out);
        }
        return;
    }
    let scale = simd.splat((1.0 / (1.0 + rest)) as f32);
    let mut vectors = out.chunks_exact_mut(S::LANES);
    for out in &mut vectors {
        simd.store(simd.mul(simd.load(out), scale), out);
    }
    let out = vectors.into_remainder();
    simd.store_part(simd.mul(simd.load_part(out), scale), out);
}

/// The greatest value, of which a NaN is none.
#[inline(always)]
fn greatest<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; MOST_LANES];
    let mut vectors = x.chunks_exact(S::LANES);
    let mut greatest = simd.load(&lanes);
    for x in &mut vectors {
        greatest = simd.max(simd.load(x), greatest);
    }
    simd.store(greatest, &mut lanes);
    lanes.iter().chain(vectors.remainder()).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The axis is contiguous and short: as many rows as a vector has lanes are turned, so that these are neighbors.
#[inline(always)]
fn few<S: Simd>(simd: S, n: usize, log: bool, x: &[f32], out: &mut [f32]) {
    let (mut from, mut to) = ([0.0; FEW * MOST_LANES], [0.0; FEW * MOST_LANES]);
    let (from, to) = (&mut from[..n * S::LANES], &mut to[..n * S::LANES]);
    for (x, out) in x.chunks(n * S::LANES).zip(out.chunks_mut(n * S::LANES)) {
        for (lane, row) in x.chunks_exact(n).enumerate() {
            for (column, x) in from.chunks_exact_mut(S::LANES).zip(row) {
                column[lane] = *x;
            }
        }
        across(simd, n, log, from, to);
        for (lane, row) in out.chunks_exact_mut(n).enumerate() {
            for (column, out) in to.chunks_exact(S::LANES).zip(row) {
                *out = column[lane];
            }
        }
    }
}

/// The axis is strided: neighboring places fill the lanes.
#[inline(always)]
fn across<S: Simd>(simd: S, n: usize, log: bool, x: &[f32], out: &mut [f32]) {
    let inner = x.len() / n;
    for i in (0..inner).step_by(S::LANES) {
        let lanes = S::LANES.min(inner - i);
        let columns = Columns::new(x.len(), i, inner, lanes, n);
        let column = |j: usize| columns.load(simd, x, j);
        let mut shift = simd.splat(f32::NEG_INFINITY);
        for j in 0..n {
            shift = simd.max(column(j), shift);
        }
        // As above.
        let (mut ones, mut rest) = (simd.splat(-1.0), simd.splat(0.0));
        for block in (0..n).step_by(BLOCK) {
            let mut parts = simd.splat(0.0);
            for j in block..n.min(block + BLOCK) {
                let power = exp(simd, simd.sub(column(j), shift));
                simd.store_part(power, &mut out[j * inner + i..][..lanes]);
                let nearest = simd.round(power);
                (ones, parts) = (simd.add(ones, nearest), simd.add(parts, simd.sub(power, nearest)));
            }
            rest = simd.add(rest, parts);
        }
        let rest = simd.add(ones, rest);
        let total = simd.add(rest, simd.splat(1.0));
        let mut logarithms = [0.0; MOST_LANES];
        simd.store(rest, &mut logarithms);
        if log {
            logarithms.iter_mut().for_each(|total| *total = libm::log1pf(*total));
        }
        let logarithms = simd.load(&logarithms);
        for j in 0..n {
            let out = &mut out[j * inner + i..][..lanes];
            let result = if log {
                simd.sub(simd.sub(column(j), shift), logarithms)
            } else {
                simd.div(simd.load_part(out), total)
            };
            simd.store_part(result, out);
        }
    }
}
