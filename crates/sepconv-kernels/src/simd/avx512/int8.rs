use core::arch::x86_64::*;

use super::{Avx512, Dot, LANES, mask};
use crate::simd::{Int8, Simd};
use crate::unroll::unrolled_array;

/// The lowest byte of each number.
#[inline(always)]
fn narrow(x: __m512i) -> __m128i {
    // SAFETY: called with a token only, so AVX-512 is there.
    unsafe { _mm512_cvtepi32_epi8(x) }
}

/// Up to sixteen bytes, then zeros.
#[inline(always)]
fn bytes(from: &[u8]) -> __m128i {
    // SAFETY: called with a token only; the mask covers no more than the slice.
    unsafe { _mm_maskz_loadu_epi8(mask(from.len()), from.as_ptr().cast()) }
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there; memory is reached only
// through slices whose length was checked, or under a mask that covers no more than their length.
impl<D: Dot> Int8 for Avx512<D> {
    type I32 = __m512i;
    const WEIGHT_REGISTERS: usize = 1;
    const PARTS_WEIGHTS: bool = D::PARTS_WEIGHTS;
    const JOINS_ROWS: bool = false;

    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> __m512i {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i32(self, x: __m512i, to: &mut [i32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> __m512i {
        let from = &from[..4 * LANES];
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> __m512i {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_cvtepu8_epi32(bytes(from)) }
    }
    #[inline(always)]
    fn store_u8(self, x: __m512i, to: &mut [u8]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), narrow(x)) }
    }
    #[inline(always)]
    fn store_u8_part(self, x: __m512i, to: &mut [u8]) {
        // SAFETY: see above.
        unsafe { _mm_mask_storeu_epi8(to.as_mut_ptr().cast(), mask(to.len()), narrow(x)) }
    }

    #[inline(always)]
    fn add_i32(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn sub_i32(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn dot(self, sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        D::dot(self, sum, x, w)
    }
    #[inline(always)]
    fn dot_saturating(self, sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        D::dot_saturating(self, sum, x, w)
    }
    #[inline(always)]
    fn optimization_barrier_i32(self, x: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_castps_si512(self.optimization_barrier(_mm512_castsi512_ps(x))) }
    }
    #[inline(always)]
    fn to_f32(self, x: __m512i) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    fn to_i32(self, x: __m512) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_cvtps_epi32(x) }
    }
    #[inline(always)]
    fn reinterpret(self, x: __m512i) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_castsi512_ps(x) }
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: __m512i) -> __m512i {
        D::lookup(self, lut, x)
    }
    #[inline(always)]
    fn lookup_all(self, lut: &[u8; 256], x: &mut [u8]) {
        D::lookup_all(self, lut, x);
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [__m512i; 4] {
        let rows: [&[u8]; 4] = unrolled_array(|i| &rows[i][..4 * LANES]);
        // SAFETY: see above.
        unsafe {
            let [a, b, c, d] = unrolled_array(|i| _mm512_loadu_si512(rows[i].as_ptr().cast()));
            let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
            let (first, second) = (_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd));
            let (ab, cd) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
            [first, second, _mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd)]
        }
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> __m512i {
        // SAFETY: see above.
        unsafe {
            let [a, b, c, d] = unrolled_array(|i| bytes(rows[i]));
            let (ab, cd) = (_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d));
            let low = _mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd));
            let (ab, cd) = (_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d));
            let high = _mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        }
    }
    #[inline(always)]
    fn narrow(self, x: [__m512i; 4], zero_point: u8, [low, high]: [u8; 2]) -> __m512i {
        // SAFETY: see above.
        unsafe {
            let zero_point = _mm512_set1_epi16(zero_point.into());
            let first = _mm512_adds_epi16(_mm512_packs_epi32(x[0], x[1]), zero_point);
            let last = _mm512_adds_epi16(_mm512_packs_epi32(x[2], x[3]), zero_point);
            let bytes = _mm512_max_epu8(_mm512_packus_epi16(first, last), _mm512_set1_epi8(low as i8));
            _mm512_min_epu8(bytes, _mm512_set1_epi8(high as i8))
        }
    }
    #[inline(always)]
    fn deinterleave(self, x: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe {
            let places = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_epi32(places, x)
        }
    }
    #[inline(always)]
    fn store_quads(self, x: __m512i, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn store_quads_part(self, x: __m512i, to: &mut [u8]) {
        let mask = u64::MAX.checked_shr(64u32.saturating_sub(to.len() as u32)).unwrap_or(0);
        // SAFETY: see above.
        unsafe { _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), mask, x) }
    }
}
