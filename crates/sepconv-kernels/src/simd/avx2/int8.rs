use core::arch::x86_64::*;

use super::{Avx2, Dot, LANES};
use crate::simd::{Int8, Simd, part, signed};
use crate::unroll::unrolled_array;

/// The low half of `x`, as bytes: two vectors of 32 bits are two of 16, are one of 8, each within 128 bits.
#[inline(always)]
fn narrow(x: __m256i) -> u64 {
    // SAFETY: called with a token only, so AVX2 is there.
    unsafe {
        let words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
        _mm_cvtsi128_si64(_mm_packus_epi16(words, words)) as u64
    }
}

/// `lut[x]` for bytes whose upper four bits are `row`, of which `low` are the lower four.
#[inline(always)]
fn lookup_row(lut: &[u8; 256], row: usize, low: __m256i) -> __m256i {
    let row: &[u8; 16] = &lut.as_chunks().0[row];
    // SAFETY: called with a token only, so AVX2 is there; a row is as long as half a vector.
    unsafe { _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(row.as_ptr().cast())), low) }
}

/// `lut[x]` for bytes whose upper four bits are among the eight from `row` on: of two rows, then of two pairs, and so
/// on, the next higher bit chooses.
#[inline(always)]
fn lookup_half(lut: &[u8; 256], row: usize, x: __m256i, low: __m256i) -> __m256i {
    let mut fours = [low; 2];
    unroll!(i in 0..2, {
        let mut twos = [low; 2];
        unroll!(j in 0..2, {
            let first = row + 4 * i + 2 * j;
            twos[j] = select::<0>(x, lookup_row(lut, first, low), lookup_row(lut, first + 1, low));
        });
        fours[i] = select::<1>(x, twos[0], twos[1]);
    });
    select::<2>(x, fours[0], fours[1])
}

/// Of each byte that of `b` where bit `4 + BIT` of `x` is set, else that of `a`.
#[inline(always)]
fn select<const BIT: i32>(x: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: called with a token only, so AVX2 is there.
    unsafe {
        // The instruction looks at the highest bit of each byte.
        let x = match BIT {
            0 => _mm256_slli_epi16::<3>(x),
            1 => _mm256_slli_epi16::<2>(x),
            2 => _mm256_slli_epi16::<1>(x),
            _ => x,
        };
        _mm256_blendv_epi8(a, b, x)
    }
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there; memory is reached only
// through slices whose length was checked.
impl<D: Dot> Int8 for Avx2<D> {
    type I32 = __m256i;
    const WEIGHT_REGISTERS: usize = D::WEIGHT_REGISTERS;
    const DOT_REGISTERS: usize = D::DOT_REGISTERS;
    const PARTS_WEIGHTS: bool = D::PARTS_WEIGHTS;

    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> __m256i {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i32(self, x: __m256i, to: &mut [i32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> __m256i {
        let from = &from[..4 * LANES];
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> __m256i {
        self.load_u8_part(&from[..LANES])
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(part::read(from) as i64)) }
    }
    #[inline(always)]
    fn store_u8(self, x: __m256i, to: &mut [u8]) {
        part::write(narrow(x), &mut to[..LANES]);
    }
    #[inline(always)]
    fn store_u8_part(self, x: __m256i, to: &mut [u8]) {
        part::write(narrow(x), to);
    }

    #[inline(always)]
    fn add_i32(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    fn sub_i32(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn dot(self, sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        D::dot(self, sum, x, w)
    }
    #[inline(always)]
    fn dot_saturating(self, sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        D::dot_saturating(self, sum, x, w)
    }
    #[inline(always)]
    fn optimization_barrier_i32(self, x: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_castps_si256(self.optimization_barrier(_mm256_castsi256_ps(x))) }
    }
    #[inline(always)]
    fn to_f32(self, x: __m256i) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_cvtepi32_ps(x) }
    }
    #[inline(always)]
    fn to_i32(self, x: __m256) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_cvtps_epi32(x) }
    }
    #[inline(always)]
    fn reinterpret(self, x: __m256i) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_castsi256_ps(x) }
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: __m256i) -> __m256i {
        let mut lanes = [0; LANES];
        self.store_i32(x, &mut lanes);
        for lane in &mut lanes {
            *lane = i32::from(lut[usize::from(*lane as u8)]);
        }
        self.load_i32(&lanes)
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [__m256i; 4] {
        let rows: [&[u8]; 4] = unrolled_array(|i| &rows[i][..4 * LANES]);
        // SAFETY: see above.
        unsafe {
            let [a, b, c, d] = unrolled_array(|i| _mm256_loadu_si256(rows[i].as_ptr().cast()));
            let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
            let (first, second) = (_mm256_unpacklo_epi16(ab, cd), _mm256_unpackhi_epi16(ab, cd));
            let (ab, cd) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
            [first, second, _mm256_unpacklo_epi16(ab, cd), _mm256_unpackhi_epi16(ab, cd)]
        }
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> __m256i {
        // SAFETY: see above.
        unsafe {
            let [a, b, c, d] = unrolled_array(|i| _mm_cvtsi64_si128(part::read(rows[i]) as i64));
            let (ab, cd) = (_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d));
            _mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd))
        }
    }
    #[inline(always)]
    fn narrow(self, x: [__m256i; 4], zero_point: u8, [low, high]: [u8; 2]) -> __m256i {
        // SAFETY: see above.
        unsafe {
            let zero_point = _mm256_set1_epi16(zero_point.into());
            let first = _mm256_adds_epi16(_mm256_packs_epi32(x[0], x[1]), zero_point);
            let last = _mm256_adds_epi16(_mm256_packs_epi32(x[2], x[3]), zero_point);
            let bytes = _mm256_max_epu8(_mm256_packus_epi16(first, last), _mm256_set1_epi8(low as i8));
            _mm256_min_epu8(bytes, _mm256_set1_epi8(high as i8))
        }
    }
    #[inline(always)]
    fn deinterleave(self, x: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)) }
    }
    #[inline(always)]
    fn lookup_all(self, lut: &[u8; 256], x: &mut [u8]) {
        let (whole, rest) = x.as_chunks_mut::<{ 4 * LANES }>();
        for x in whole {
            self.store_quads(self.lookup_quads(lut, self.load_quads(signed(x))), x);
        }
        rest.iter_mut().for_each(|x| *x = lut[usize::from(*x)]);
    }
    #[inline(always)]
    fn lookup_quads(self, lut: &[u8; 256], x: __m256i) -> __m256i {
        // SAFETY: see above.
        let low = unsafe { _mm256_and_si256(x, _mm256_set1_epi8(15)) };
        select::<3>(x, lookup_half(lut, 0, x, low), lookup_half(lut, 8, x, low))
    }
    #[inline(always)]
    fn store_quads_parts<'a, const PARTS: usize>(self, x: __m256i, mut to: impl Iterator<Item = &'a mut [u8]>) {
        // SAFETY: see above.
        let halves = unsafe { [_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)] };
        for half in halves {
            // SAFETY: see above.
            let [low, high] = unsafe { [_mm_cvtsi128_si64(half) as u64, _mm_extract_epi64::<1>(half) as u64] };
            if const { PARTS == 4 } {
                let (first, second) = (to.next(), to.next());
                first.into_iter().for_each(|to| part::write(low, to));
                second.into_iter().for_each(|to| part::write(high, to));
            } else if let Some(to) = to.next() {
                if to.len() == 2 * LANES {
                    // SAFETY: as long as the vector.
                    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), half) }
                } else {
                    let (first, second) = to.split_at_mut(to.len().min(8));
                    part::write(low, first);
                    part::write(high, second);
                }
            }
        }
    }
    #[inline(always)]
    fn store_quads(self, x: __m256i, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
    }
}
