use core::array;

use super::Scalar;
use crate::simd::Int8;

type I32 = [i32; 4];

impl Int8 for Scalar {
    type I32 = I32;
    const WEIGHT_REGISTERS: usize = 2;
    const INTERLEAVE: usize = 1;

    #[inline(always)]
    fn splat_i32(self, x: i32) -> I32 {
        [x; 4]
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> I32 {
        let from = &from[..4];
        array::from_fn(|i| from[i])
    }
    #[inline(always)]
    fn store_i32(self, x: I32, to: &mut [i32]) {
        to[..4].copy_from_slice(&x);
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> I32 {
        let from = &from[..16];
        array::from_fn(|i| i32::from_ne_bytes(array::from_fn(|j| from[4 * i + j] as u8)))
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> I32 {
        let from = &from[..4];
        array::from_fn(|i| i32::from(from[i]))
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> I32 {
        array::from_fn(|i| from.get(i).map_or(0, |&x| i32::from(x)))
    }
    #[inline(always)]
    fn store_u8(self, x: I32, to: &mut [u8]) {
        to[..4].copy_from_slice(&x.map(|x| x as u8));
    }
    #[inline(always)]
    fn store_u8_part(self, x: I32, to: &mut [u8]) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = x as u8;
        }
    }

    #[inline(always)]
    fn add_i32(self, a: I32, b: I32) -> I32 {
        array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn sub_i32(self, a: I32, b: I32) -> I32 {
        array::from_fn(|i| a[i].wrapping_sub(b[i]))
    }
    // Inlined, it would be the largest part of a program that seldom needs it.
    #[inline(never)]
    fn dot(self, sum: I32, x: I32, w: I32) -> I32 {
        // Shifts, unlike bytes taken one by one, are something that compilers make vectors of.
        array::from_fn(|i| {
            let product = |shift: u32| i32::from((x[i] >> shift) as u8) * i32::from((w[i] >> shift) as i8);
            sum[i].wrapping_add(product(0) + product(8) + product(16) + product(24))
        })
    }
    #[inline(always)]
    fn to_f32(self, x: I32) -> [f32; 4] {
        x.map(|x| x as f32)
    }
    #[inline(always)]
    fn to_i32(self, x: [f32; 4]) -> I32 {
        x.map(|x| libm::rintf(x) as i32)
    }
    #[inline(always)]
    fn reinterpret(self, x: I32) -> [f32; 4] {
        x.map(|x| f32::from_bits(x as u32))
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: I32) -> I32 {
        x.map(|x| i32::from(lut[usize::from(x as u8)]))
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [I32; 4] {
        let rows = rows.map(|row| &row[..16]);
        array::from_fn(|v| array::from_fn(|lane| i32::from_ne_bytes(rows.map(|row| row[4 * v + lane]))))
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> I32 {
        array::from_fn(|i| i32::from_ne_bytes(rows.map(|row| row.get(i).copied().unwrap_or(0))))
    }
    #[inline(always)]
    fn narrow(self, x: [I32; 4], zero_point: u8, [low, high]: [u8; 2]) -> I32 {
        let byte = |x: i32| x.saturating_add(zero_point.into()).clamp(low.into(), high.into()) as u8;
        x.map(|x| i32::from_ne_bytes(x.map(byte)))
    }
    #[inline(always)]
    fn deinterleave(self, x: I32) -> I32 {
        x
    }
    #[inline(always)]
    fn store_quads(self, x: I32, to: &mut [u8]) {
        to[..16].copy_from_slice(x.map(i32::to_ne_bytes).as_flattened());
    }
}
