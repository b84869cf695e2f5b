use core::arch::wasm32::*;

use super::{LANES, Wasm128};
use crate::simd::{Int8, part};

/// Lanes of 32 bits as bytes; numbers beyond 0..=255 as the nearer end.
#[inline(always)]
fn narrow([a, b, c, d]: [v128; 4]) -> v128 {
    u8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d))
}

// SAFETY (all blocks): memory is reached only through slices whose length was checked.
impl Int8 for Wasm128 {
    type I32 = v128;
    const WEIGHT_REGISTERS: usize = 1;

    #[inline(always)]
    fn splat_i32(self, x: i32) -> v128 {
        i32x4_splat(x)
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> v128 {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { v128_load(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i32(self, x: v128, to: &mut [i32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { v128_store(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> v128 {
        let from = &from[..4 * LANES];
        // SAFETY: see above.
        unsafe { v128_load(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> v128 {
        self.load_u8_part(&from[..LANES])
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> v128 {
        u32x4_extend_low_u16x8(u16x8_extend_low_u8x16(u64x2_splat(part::read(from))))
    }
    #[inline(always)]
    fn store_u8(self, x: v128, to: &mut [u8]) {
        part::write(u64x2_extract_lane::<0>(narrow([x; 4])), &mut to[..LANES]);
    }
    #[inline(always)]
    fn store_u8_part(self, x: v128, to: &mut [u8]) {
        let length = to.len().min(LANES);
        part::write(u64x2_extract_lane::<0>(narrow([x; 4])), &mut to[..length]);
    }

    #[inline(always)]
    fn add_i32(self, a: v128, b: v128) -> v128 {
        i32x4_add(a, b)
    }
    #[inline(always)]
    fn sub_i32(self, a: v128, b: v128) -> v128 {
        i32x4_sub(a, b)
    }
    /// Bytes at even and at odd places, widened to 16 bits.
    #[inline(always)]
    fn dot(self, sum: v128, x: v128, w: v128) -> v128 {
        let even = i32x4_dot_i16x8(v128_and(x, u16x8_splat(0xff)), i16x8_shr(i16x8_shl(w, 8), 8));
        let odd = i32x4_dot_i16x8(u16x8_shr(x, 8), i16x8_shr(w, 8));
        i32x4_add(i32x4_add(sum, even), odd)
    }
    #[inline(always)]
    fn to_f32(self, x: v128) -> v128 {
        f32x4_convert_i32x4(x)
    }
    #[inline(always)]
    fn to_i32(self, x: v128) -> v128 {
        i32x4_trunc_sat_f32x4(f32x4_nearest(x))
    }
    #[inline(always)]
    fn reinterpret(self, x: v128) -> v128 {
        x
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: v128) -> v128 {
        let mut lanes = [0; LANES];
        self.store_i32(x, &mut lanes);
        self.load_i32(&lanes.map(|x| i32::from(lut[usize::from(x as u8)])))
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [v128; 4] {
        let [a, b, c, d] = rows.map(|row| {
            let row = &row[..4 * LANES];
            // SAFETY: see above.
            unsafe { v128_load(row.as_ptr().cast()) }
        });
        let low = |a, b| i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
        let high = |a, b| i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b);
        let quads = |ab, cd| {
            let first = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(ab, cd);
            [first, i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(ab, cd)]
        };
        let ([first, second], [third, fourth]) = (quads(low(a, b), low(c, d)), quads(high(a, b), high(c, d)));
        [first, second, third, fourth]
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> v128 {
        let [a, b, c, d] = rows.map(|row| u64x2_splat(part::read(row)));
        let pairs = |a, b| i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 0, 16, 1, 17, 2, 18, 3, 19>(a, b);
        i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(pairs(a, b), pairs(c, d))
    }
    #[inline(always)]
    fn narrow(self, [a, b, c, d]: [v128; 4], zero_point: u8, [low, high]: [u8; 2]) -> v128 {
        let zero_point = i16x8_splat(zero_point.into());
        let first = i16x8_add_sat(i16x8_narrow_i32x4(a, b), zero_point);
        let last = i16x8_add_sat(i16x8_narrow_i32x4(c, d), zero_point);
        u8x16_min(u8x16_max(u8x16_narrow_i16x8(first, last), u8x16_splat(low)), u8x16_splat(high))
    }
    #[inline(always)]
    fn deinterleave(self, x: v128) -> v128 {
        x
    }
    #[inline(always)]
    fn store_quads(self, x: v128, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        // SAFETY: see above.
        unsafe { v128_store(to.as_mut_ptr().cast(), x) }
    }
}
