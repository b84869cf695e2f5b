use core::arch::aarch64::*;

use super::{Dot, LANES, Neon};
use crate::simd::{Int8, part};
use crate::unroll::unrolled_array;

/// The lanes of `x` as bytes, in the low half; numbers beyond 0..=255 as the nearer end.
#[inline(always)]
fn narrow(x: int32x4_t) -> u64 {
    // SAFETY: this module is compiled for targets that have NEON only.
    unsafe {
        let words = vqmovun_s32(x);
        vget_lane_u64::<0>(vreinterpret_u64_u8(vqmovn_u16(vcombine_u16(words, words))))
    }
}

/// A quad that turns bytes into what they are less the input offset: `x - 128` has the bits of `x`, the highest
/// inverted.
const fn input_offset<D: Dot>() -> i32 {
    i32::from_ne_bytes([D::INPUT_OFFSET; 4])
}

// SAFETY (all methods): this module is compiled for targets that have NEON only; memory is reached only through slices
// whose length was checked.
impl<D: Dot> Int8 for Neon<D> {
    type I32 = int32x4_t;
    const INPUT_OFFSET: u8 = D::INPUT_OFFSET;
    const WEIGHT_REGISTERS: usize = D::WEIGHT_REGISTERS;

    #[inline(always)]
    fn splat_i32(self, x: i32) -> int32x4_t {
        // SAFETY: see above.
        unsafe { vdupq_n_s32(x) }
    }
    #[inline(always)]
    fn splat_quad(self, x: [u8; 4]) -> int32x4_t {
        self.splat_i32(i32::from_ne_bytes(x) ^ input_offset::<D>())
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> int32x4_t {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { vld1q_s32(from.as_ptr()) }
    }
    #[inline(always)]
    fn store_i32(self, x: int32x4_t, to: &mut [i32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { vst1q_s32(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> int32x4_t {
        let from = &from[..4 * LANES];
        // SAFETY: see above.
        unsafe { vreinterpretq_s32_s8(vld1q_s8(from.as_ptr())) }
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> int32x4_t {
        self.load_u8_part(&from[..LANES])
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> int32x4_t {
        // SAFETY: see above.
        unsafe {
            let words = vmovl_u8(vcreate_u8(part::read(from)));
            vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)))
        }
    }
    #[inline(always)]
    fn store_u8(self, x: int32x4_t, to: &mut [u8]) {
        part::write(narrow(x), &mut to[..LANES]);
    }
    #[inline(always)]
    fn store_u8_part(self, x: int32x4_t, to: &mut [u8]) {
        let length = to.len().min(LANES);
        part::write(narrow(x), &mut to[..length]);
    }

    #[inline(always)]
    fn add_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: see above.
        unsafe { vaddq_s32(a, b) }
    }
    #[inline(always)]
    fn sub_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: see above.
        unsafe { vsubq_s32(a, b) }
    }
    #[inline(always)]
    fn dot(self, sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        D::dot(self, sum, x, w)
    }
    #[inline(always)]
    fn to_f32(self, x: int32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vcvtq_f32_s32(x) }
    }
    #[inline(always)]
    fn to_i32(self, x: float32x4_t) -> int32x4_t {
        // SAFETY: see above.
        unsafe { vcvtnq_s32_f32(x) }
    }
    #[inline(always)]
    fn reinterpret(self, x: int32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vreinterpretq_f32_s32(x) }
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: int32x4_t) -> int32x4_t {
        let mut lanes = [0; LANES];
        self.store_i32(x, &mut lanes);
        self.load_i32(&lanes.map(|x| i32::from(lut[usize::from(x as u8)])))
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [int32x4_t; 4] {
        let rows: [&[u8]; 4] = unrolled_array(|i| &rows[i][..4 * LANES]);
        // SAFETY: see above.
        unsafe {
            let [a, b, c, d] = unrolled_array(|i| vld1q_u8(rows[i].as_ptr()));
            let pairs = |a, b| [vreinterpretq_u16_u8(vzip1q_u8(a, b)), vreinterpretq_u16_u8(vzip2q_u8(a, b))];
            let ([ab, above], [cd, beyond]) = (pairs(a, b), pairs(c, d));
            let quads = [vzip1q_u16(ab, cd), vzip2q_u16(ab, cd), vzip1q_u16(above, beyond), vzip2q_u16(above, beyond)];
            unrolled_array(|i| veorq_s32(vreinterpretq_s32_u16(quads[i]), vdupq_n_s32(input_offset::<D>())))
        }
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> int32x4_t {
        // SAFETY: see above.
        unsafe {
            let [a, b, c, d] = unrolled_array(|i| vcreate_u8(part::read(rows[i])));
            let (ab, cd) = (vreinterpret_u16_u8(vzip1_u8(a, b)), vreinterpret_u16_u8(vzip1_u8(c, d)));
            let quads = vreinterpretq_s32_u16(vcombine_u16(vzip1_u16(ab, cd), vzip2_u16(ab, cd)));
            veorq_s32(quads, vdupq_n_s32(input_offset::<D>()))
        }
    }
    #[inline(always)]
    fn narrow(self, x: [int32x4_t; 4], zero_point: u8, [low, high]: [u8; 2]) -> int32x4_t {
        // SAFETY: see above.
        unsafe {
            let zero_point = vdupq_n_s16(zero_point.into());
            let first = vqaddq_s16(vcombine_s16(vqmovn_s32(x[0]), vqmovn_s32(x[1])), zero_point);
            let last = vqaddq_s16(vcombine_s16(vqmovn_s32(x[2]), vqmovn_s32(x[3])), zero_point);
            let bytes = vmaxq_u8(vcombine_u8(vqmovun_s16(first), vqmovun_s16(last)), vdupq_n_u8(low));
            vreinterpretq_s32_u8(vminq_u8(bytes, vdupq_n_u8(high)))
        }
    }
    #[inline(always)]
    fn deinterleave(self, x: int32x4_t) -> int32x4_t {
        x
    }
    #[inline(always)]
    fn store_quads(self, x: int32x4_t, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        // SAFETY: see above.
        unsafe { vst1q_u8(to.as_mut_ptr(), vreinterpretq_u8_s32(x)) }
    }
}
