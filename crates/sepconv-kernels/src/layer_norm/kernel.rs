use crate::simd::{Kernel, Simd};
use crate::unroll::unrolled_array;

/// The arguments of [`layer_norm`](super::layer_norm), checked.
pub(super) struct LayerNorm<'a> {
    pub(super) n: usize,
    pub(super) epsilon: f32,
    pub(super) x: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) out: &'a mut [f32],
}

/// Vectors side by side: additions wait for each other.
const VECTORS: usize = 4;

/// Vectors that are summed in single precision.
const BLOCK: usize = 256;

impl<S: Simd> Kernel<S> for LayerNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { n, epsilon, x, scale, shift, out } = self;
        for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
            let mean = simd.splat(average(simd, x, false));
            let (mut whole, mut whole_out) = (x.chunks_exact(S::LANES), out.chunks_exact_mut(S::LANES));
            for (x, out) in (&mut whole).zip(&mut whole_out) {
                simd.store(simd.sub(simd.load(x), mean), out);
            }
            simd.store_part(simd.sub(simd.load_part(whole.remainder()), mean), whole_out.into_remainder());
            let variance = average(simd, out, true);
            let inverse = simd.div(simd.splat(1.0), simd.sqrt(simd.splat(variance + epsilon)));
            for pixel in out.chunks_exact_mut(scale.len()) {
                scale_and_shift(simd, inverse, scale, shift, pixel);
            }
        }
    }
}

/// `x · inverse · scale + shift` of one pixel.
#[inline(always)]
fn scale_and_shift<S: Simd>(simd: S, inverse: S::F32, scale: &[f32], shift: &[f32], pixel: &mut [f32]) {
    let (mut scale, mut shift) = (scale.chunks_exact(S::LANES), shift.chunks_exact(S::LANES));
    let mut vectors = pixel.chunks_exact_mut(S::LANES);
    for (x, (scale, shift)) in (&mut vectors).zip((&mut scale).zip(&mut shift)) {
        let normalized = simd.mul(simd.load(x), inverse);
        simd.store(simd.mul_add(normalized, simd.load(scale), simd.load(shift)), x);
    }
    let x = vectors.into_remainder();
    let (scale, shift) = (simd.load_part(scale.remainder()), simd.load_part(shift.remainder()));
    simd.store_part(simd.mul_add(simd.mul(simd.load_part(x), inverse), scale, shift), x);
}

/// The average, or that of the squares.
#[inline(always)]
fn average<S: Simd>(simd: S, x: &[f32], square: bool) -> f32 {
    let join = |x, sum| if square { simd.mul_add(x, x, sum) } else { simd.add(x, sum) };
    let mut total = 0.0;
    for block in x.chunks(BLOCK * S::LANES) {
        let mut sums = [simd.splat(0.0); VECTORS];
        let mut groups = block.chunks_exact(VECTORS * S::LANES);
        for group in &mut groups {
            sums = unrolled_array(|v| join(simd.load(&group[v * S::LANES..]), sums[v]));
        }
        let mut vectors = groups.remainder().chunks_exact(S::LANES);
        for x in &mut vectors {
            sums[0] = join(simd.load(x), sums[0]);
        }
        let [a, b, c, d] = sums;
        let b = join(simd.load_part(vectors.remainder()), b);
        total += f64::from(simd.sum(simd.add(simd.add(a, b), simd.add(c, d))));
    }
    (total / x.len() as f64) as f32
}
