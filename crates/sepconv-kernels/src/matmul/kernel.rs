use crate::simd::{Columns, Kernel, Simd};

/// The arguments of [`matmul`](super::matmul), checked.
pub(super) struct MatMul<'a> {
    pub(super) shape: [usize; 3],
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) out: &'a mut [f32],
}

/// Rows of `a` that share one pass over `b`.
const ROWS: usize = 4;

impl<S: Simd> Kernel<S> for MatMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let [m, k, n] = self.shape;
        if n == 0 {
            return;
        }
        for (i, out) in (0..m).step_by(ROWS).zip(self.out.chunks_mut(ROWS * n)) {
            for j in (0..n).step_by(S::LANES) {
                let lanes = S::LANES.min(n - j);
                let mut sums = [simd.splat(0.0); ROWS];
                let b = Columns::new(self.b.len(), j, n, lanes, k);
                for l in 0..k {
                    let b = b.load(simd, self.b, l);
                    for (r, sum) in sums.iter_mut().enumerate() {
                        // Rows beyond the last repeat it; their sums are not stored.
                        let a = self.a[(i + r).min(m - 1) * k + l];
                        *sum = simd.mul_add(simd.splat(a), b, *sum);
                    }
                }
                for (out, sum) in out.chunks_exact_mut(n).zip(sums) {
                    simd.store_part(sum, &mut out[j..][..lanes]);
                }
            }
        }
    }
}
