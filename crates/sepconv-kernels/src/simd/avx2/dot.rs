use core::arch::x86_64::*;

use super::{Avx2, Vnni, WideningMul};
use crate::simd::Kernel;

/// How an AVX2 machine multiplies int8.
pub trait Dot: Copy + Send + Sync + 'static {
    /// Registers that a vector of weights takes while it is multiplied.
    const WEIGHT_REGISTERS: usize;
    /// See [`Int8`](crate::simd::Int8).
    const DOT_REGISTERS: usize;
    /// See [`Int8`](crate::simd::Int8).
    const PARTS_WEIGHTS: bool;
    /// Runs `kernel` with the instructions of the token enabled.
    fn vectorize<K: Kernel<Avx2<Self>>>(token: Avx2<Self>, kernel: K) -> K::Output;
    /// `sum` and the four products of each pair of quads.
    fn dot(token: Avx2<Self>, sum: __m256i, x: __m256i, w: __m256i) -> __m256i;
    /// The same, except that the sum of two neighboring products may saturate at 16 bits.
    fn dot_saturating(token: Avx2<Self>, sum: __m256i, x: __m256i, w: __m256i) -> __m256i;
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there.
impl Dot for WideningMul {
    /// Each is loaded when it is multiplied.
    const WEIGHT_REGISTERS: usize = 0;
    const DOT_REGISTERS: usize = 2;
    const PARTS_WEIGHTS: bool = true;

    #[inline(always)]
    fn vectorize<K: Kernel<Avx2<Self>>>(token: Avx2<Self>, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn enabled<K: Kernel<Avx2<WideningMul>>>(token: Avx2<WideningMul>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: see above.
        unsafe { enabled(token, kernel) }
    }

    /// Sums of two products of 16 bits, as `vpmaddwd` forms them, are exact; those of `vpmaddubsw` saturate.
    #[inline(always)]
    fn dot(_: Avx2<Self>, sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe {
            let even = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
            let odd = _mm256_srli_epi16::<8>(x);
            let even = _mm256_madd_epi16(even, _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w)));
            let odd = _mm256_madd_epi16(odd, _mm256_srai_epi16::<8>(w));
            _mm256_add_epi32(_mm256_add_epi32(sum, even), odd)
        }
    }

    #[inline(always)]
    fn dot_saturating(_: Avx2<Self>, sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe {
            let pairs = _mm256_maddubs_epi16(x, w);
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

// SAFETY (all methods): as above.
impl Dot for Vnni {
    const WEIGHT_REGISTERS: usize = 1;
    const DOT_REGISTERS: usize = 0;
    const PARTS_WEIGHTS: bool = false;

    #[inline(always)]
    fn vectorize<K: Kernel<Avx2<Self>>>(token: Avx2<Self>, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,avxvnni")]
        fn enabled<K: Kernel<Avx2<Vnni>>>(token: Avx2<Vnni>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: see above.
        unsafe { enabled(token, kernel) }
    }

    #[inline(always)]
    fn dot(_: Avx2<Self>, sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_dpbusd_avx_epi32(sum, x, w) }
    }

    #[inline(always)]
    fn dot_saturating(token: Avx2<Self>, sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        Self::dot(token, sum, x, w)
    }
}
