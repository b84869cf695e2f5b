use core::arch::x86_64::*;

use super::{Avx512, Vnni, WideningMul};
use crate::simd::Kernel;

/// How an AVX-512 machine multiplies int8, and looks them up.
pub trait Dot: Copy + Send + Sync + 'static {
    /// See [`Int8`](crate::simd::Int8).
    const PARTS_WEIGHTS: bool;
    /// Runs `kernel` with the instructions of the token enabled.
    fn vectorize<K: Kernel<Avx512<Self>>>(token: Avx512<Self>, kernel: K) -> K::Output;
    /// `sum` and the four products of each pair of quads.
    fn dot(token: Avx512<Self>, sum: __m512i, x: __m512i, w: __m512i) -> __m512i;
    /// The same, except that the sum of two neighboring products may saturate at 16 bits.
    fn dot_saturating(token: Avx512<Self>, sum: __m512i, x: __m512i, w: __m512i) -> __m512i;
    /// `lut[x]` for `x` in 0..=255.
    fn lookup(token: Avx512<Self>, lut: &[u8; 256], x: __m512i) -> __m512i;
    /// `x = lut[x]` for every byte.
    fn lookup_all(token: Avx512<Self>, lut: &[u8; 256], x: &mut [u8]);
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there; memory is reached only
// through arrays of the size read or written.
impl Dot for WideningMul {
    const PARTS_WEIGHTS: bool = true;

    #[inline(always)]
    fn vectorize<K: Kernel<Avx512<Self>>>(token: Avx512<Self>, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn enabled<K: Kernel<Avx512<WideningMul>>>(token: Avx512<WideningMul>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: see above.
        unsafe { enabled(token, kernel) }
    }

    /// Sums of two products of 16 bits, as `vpmaddwd` forms them, are exact; those of `vpmaddubsw` saturate.
    #[inline(always)]
    fn dot(_: Avx512<Self>, sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe {
            let even = _mm512_and_si512(x, _mm512_set1_epi16(0xff));
            let odd = _mm512_srli_epi16::<8>(x);
            let even = _mm512_madd_epi16(even, _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(w)));
            let odd = _mm512_madd_epi16(odd, _mm512_srai_epi16::<8>(w));
            _mm512_add_epi32(_mm512_add_epi32(sum, even), odd)
        }
    }

    #[inline(always)]
    fn dot_saturating(_: Avx512<Self>, sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe {
            let pairs = _mm512_maddubs_epi16(x, w);
            _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn lookup(_: Avx512<Self>, lut: &[u8; 256], x: __m512i) -> __m512i {
        let mut lanes = [0i32; 16];
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), x) };
        for lane in &mut lanes {
            *lane = i32::from(lut[usize::from(*lane as u8)]);
        }
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn lookup_all(_: Avx512<Self>, lut: &[u8; 256], x: &mut [u8]) {
        for x in x {
            *x = lut[usize::from(*x)];
        }
    }
}

/// `lut[x]` for each of 64 bytes: four registers hold the lut; a permutation picks from two of them, by the lowest
/// seven bits.
#[inline(always)]
fn find(lut: &[u8; 256], x: __m512i) -> __m512i {
    // SAFETY: called with a token of VBMI only; memory is reached only through an array of the size read.
    unsafe {
        let part = |i: usize| _mm512_loadu_si512(lut[64 * i..64 * (i + 1)].as_ptr().cast());
        let low = _mm512_permutex2var_epi8(part(0), x, part(1));
        let high = _mm512_permutex2var_epi8(part(2), x, part(3));
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high)
    }
}

// SAFETY (all methods): as above.
impl Dot for Vnni {
    const PARTS_WEIGHTS: bool = false;

    #[inline(always)]
    fn vectorize<K: Kernel<Avx512<Self>>>(token: Avx512<Self>, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx2,fma")]
        fn enabled<K: Kernel<Avx512<Vnni>>>(token: Avx512<Vnni>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: see above.
        unsafe { enabled(token, kernel) }
    }

    #[inline(always)]
    fn dot(_: Avx512<Self>, sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_dpbusd_epi32(sum, x, w) }
    }

    #[inline(always)]
    fn dot_saturating(token: Avx512<Self>, sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        Self::dot(token, sum, x, w)
    }

    /// Of each lane only the lowest byte is an index.
    #[inline(always)]
    fn lookup(_: Avx512<Self>, lut: &[u8; 256], x: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_and_si512(find(lut, x), _mm512_set1_epi32(0xff)) }
    }

    #[inline(always)]
    fn lookup_all(_: Avx512<Self>, lut: &[u8; 256], x: &mut [u8]) {
        for x in x.chunks_mut(64) {
            let mask = u64::MAX >> (64 - x.len());
            // SAFETY: see above; the mask covers no more than the slice.
            unsafe {
                let found = find(lut, _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast()));
                _mm512_mask_storeu_epi8(x.as_mut_ptr().cast(), mask, found);
            }
        }
    }
}
