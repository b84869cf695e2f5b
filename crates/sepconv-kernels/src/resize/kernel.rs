use super::Taps;
use crate::Rows;
use crate::simd::{Kernel, Simd};

/// The arguments of [`resize`](super::resize), checked.
pub(super) struct Resize<'a> {
    pub(super) c: usize,
    pub(super) row_taps: &'a [Taps],
    pub(super) column_taps: &'a [Taps],
    pub(super) x: Rows<'a>,
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Resize<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let c = self.c;
        let places = self.row_taps.iter().flat_map(|row| self.column_taps.iter().map(move |column| (row, column)));
        for (out, (row, column)) in self.out.chunks_exact_mut(c).zip(places) {
            for (v, out) in out.chunks_mut(S::LANES).enumerate() {
                let (channel, lanes) = (v * S::LANES, out.len());
                let result = weighted(simd, row, |y| {
                    let line = self.x.row(y);
                    weighted(simd, column, |x| simd.load_part(&line[x * c + channel..][..lanes]))
                });
                simd.store_part(result, out);
            }
        }
    }
}

/// `Σ weights[i]·sample(first + i)`; a lone sample of weight one comes through unchanged.
#[inline(always)]
fn weighted<S: Simd>(simd: S, taps: &Taps, sample: impl Fn(usize) -> S::F32) -> S::F32 {
    let mut sum = simd.mul(sample(taps.first), simd.splat(taps.weights[0]));
    for (i, weight) in taps.weights[..taps.count].iter().enumerate().skip(1) {
        sum = simd.mul_add(sample(taps.first + i), simd.splat(*weight), sum);
    }
    sum
}
