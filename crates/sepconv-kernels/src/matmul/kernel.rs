use crate::simd::{Columns, Kernel, Simd};
use crate::unroll::unrolled_array;

/// The arguments of [`matmul`](super::matmul), checked.
pub(super) struct MatMul<'a> {
    pub(super) shape: [usize; 3],
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) out: &'a mut [f32],
}

/// Rows of `a` that share one pass over `b`.
const ROWS: usize = 6;

/// Vectors of `b` that share each element of `a`.
const VECTORS: usize = 2;

impl<S: Simd> Kernel<S> for MatMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let [m, k, n] = self.shape;
        if n == 0 {
            return;
        }
        let wide = n - n % (VECTORS * S::LANES);
        for (i, out) in (0..m).step_by(ROWS).zip(self.out.chunks_mut(ROWS * n)) {
            // Rows beyond the last repeat it; their sums are not stored.
            let rows: [&[f32]; ROWS] = unrolled_array(|r| &self.a[(i + r).min(m - 1) * k..][..k]);
            for j in (0..wide).step_by(VECTORS * S::LANES) {
                let columns = Columns::new(self.b.len(), j, n, VECTORS * S::LANES, k);
                let column = |l: usize, v: usize| simd.load(&columns.of(self.b, l)[v * S::LANES..]);
                let sums: [[_; VECTORS]; ROWS] = products(simd, k, rows, column);
                for (out, sums) in out.chunks_exact_mut(n).zip(sums) {
                    for (out, sum) in out[j..].chunks_exact_mut(S::LANES).zip(sums) {
                        simd.store(sum, out);
                    }
                }
            }
            for j in (wide..n).step_by(S::LANES) {
                let lanes = S::LANES.min(n - j);
                let columns = Columns::new(self.b.len(), j, n, lanes, k);
                let sums: [[_; 1]; ROWS] = products(simd, k, rows, |l, _| columns.load(simd, self.b, l));
                for (out, [sum]) in out.chunks_exact_mut(n).zip(sums) {
                    simd.store_part(sum, &mut out[j..][..lanes]);
                }
            }
        }
    }
}

/// The products of some rows with `V` vectors of columns; `column` loads one of them from row `l` of `b`.
#[inline(always)]
fn products<S: Simd, const V: usize>(
    simd: S,
    k: usize,
    rows: [&[f32]; ROWS],
    column: impl Fn(usize, usize) -> S::F32,
) -> [[S::F32; V]; ROWS] {
    let mut sums = [[simd.splat(0.0); V]; ROWS];
    let mut l = 0;
    while l < k {
        let b: [S::F32; V] = unrolled_array(|v| column(l, v));
        sums = unrolled_array(|r| {
            let a = simd.splat(rows[r][l]);
            unrolled_array(|v| simd.mul_add(a, b[v], sums[r][v]))
        });
        l += 1;
    }
    sums
}
