use core::arch::{asm, x86_64::*};

use super::{Kernel, Simd, Vnni, WideningMul};

mod dot;
mod int8;

use dot::Dot;

/// AVX2 with FMA: eight f32 lanes. Every x86 server and laptop since 2013–2015; with AVX-VNNI since 2021–2024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2<D>(D);

impl Avx2<WideningMul> {
    /// The token, where the machine has AVX2 and FMA.
    pub fn detect() -> Option<Self> {
        super::detected!("avx2", "fma").then_some(Self(WideningMul))
    }
}

impl Avx2<Vnni> {
    /// The token, where the machine has AVX2, FMA and AVX-VNNI.
    pub fn detect() -> Option<Self> {
        super::detected!("avx2", "fma", "avxvnni").then_some(Self(Vnni))
    }
}

impl<D> Avx2<D> {
    /// The token that computes on f32.
    pub fn plain(self) -> Avx2<WideningMul> {
        Avx2(WideningMul)
    }
}

const LANES: usize = 8;

/// A mask whose first `n` lanes are set.
#[inline(always)]
fn mask(n: usize) -> __m256i {
    const EDGE: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    let window = &EDGE[8 - n.min(LANES)..][..LANES];
    // SAFETY: `window` is eight integers long; a token exists wherever this is called, so AVX is there.
    unsafe { _mm256_loadu_si256(window.as_ptr().cast()) }
}

/// `x`, after an instruction that is none but might read memory, as far as compilers know.
#[inline]
#[target_feature(enable = "avx")]
fn pinned(mut x: __m256) -> __m256 {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(ymm_reg) x, options(nostack, preserves_flags)) };
    x
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there; memory is reached only
// through slices whose length was checked, or under a mask that covers no more than their length.
impl<D: Dot> Simd for Avx2<D> {
    type F32 = __m256;
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // Never inlined, unlike a function with `#[target_feature]`, of which `#[inline(never)]` is forgotten when
        // programs are linked.
        #[inline(never)]
        fn apart<D: Dot, K: Kernel<Avx2<D>>>(token: Avx2<D>, kernel: K) -> K::Output {
            D::vectorize(token, kernel)
        }
        apart(self, kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> __m256 {
        if from.len() >= LANES {
            return self.load(from);
        }
        // SAFETY: see above.
        unsafe { _mm256_maskload_ps(from.as_ptr(), mask(from.len())) }
    }
    #[inline(always)]
    fn store(self, x: __m256, to: &mut [f32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn store_part(self, x: __m256, to: &mut [f32]) {
        // Masked stores are slow on AMD.
        if to.len() >= LANES {
            return self.store(x, to);
        }
        // SAFETY: see above.
        unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), mask(to.len()), x) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn optimization_barrier(self, x: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { pinned(x) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, x: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    fn sqrt(self, x: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_sqrt_ps(x) }
    }
    #[inline(always)]
    fn exp2(self, n: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn sum(self, x: __m256) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn sums(self, x: [__m256; 8]) -> [f32; 8] {
        // SAFETY: see above; an array of eight f32 values is a vector's size.
        unsafe {
            let a = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
            let b = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
            // Each half has the sums of one half of four vectors.
            let [low, high] = [_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)];
            core::mem::transmute::<__m256, [f32; 8]>(_mm256_add_ps(low, high))
        }
    }
}
