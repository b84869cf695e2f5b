use super::Scalar;
use crate::simd::Int8;
use crate::unroll::unrolled_array;

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
        unrolled_array(|i| from[i])
    }
    #[inline(always)]
    fn store_i32(self, x: I32, to: &mut [i32]) {
        to[..4].copy_from_slice(&x);
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> I32 {
        let from = &from[..16];
        unrolled_array(|i| i32::from_ne_bytes(unrolled_array(|j| from[4 * i + j] as u8)))
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> I32 {
        let from = &from[..4];
        unrolled_array(|i| i32::from(from[i]))
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> I32 {
        unrolled_array(|i| from.get(i).map_or(0, |&x| i32::from(x)))
    }
    #[inline(always)]
    fn store_u8(self, x: I32, to: &mut [u8]) {
        to[..4].copy_from_slice(&unrolled_array::<_, 4>(|i| x[i] as u8));
    }
    #[inline(always)]
    fn store_u8_part(self, x: I32, to: &mut [u8]) {
        for (i, &x) in x.iter().enumerate() {
            if let Some(to) = to.get_mut(i) {
                *to = x as u8;
            }
        }
    }

    #[inline(always)]
    fn add_i32(self, a: I32, b: I32) -> I32 {
        unrolled_array(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn sub_i32(self, a: I32, b: I32) -> I32 {
        unrolled_array(|i| a[i].wrapping_sub(b[i]))
    }
    // Inlined, it would be the largest part of a program that seldom needs it.
    #[inline(never)]
    fn dot(self, sum: I32, x: I32, w: I32) -> I32 {
        // Shifts, unlike bytes taken one by one, are something that compilers make vectors of.
        unrolled_array(|i| {
            let product = |shift: u32| i32::from((x[i] >> shift) as u8) * i32::from((w[i] >> shift) as i8);
            sum[i].wrapping_add(product(0) + product(8) + product(16) + product(24))
        })
    }
    #[inline(always)]
    fn to_f32(self, x: I32) -> [f32; 4] {
        unrolled_array(|i| x[i] as f32)
    }
    #[inline(always)]
    fn to_i32(self, x: [f32; 4]) -> I32 {
        unrolled_array(|i| libm::rintf(x[i]) as i32)
    }
    #[inline(always)]
    fn reinterpret(self, x: I32) -> [f32; 4] {
        unrolled_array(|i| f32::from_bits(x[i] as u32))
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: I32) -> I32 {
        unrolled_array(|i| i32::from(lut[usize::from(x[i] as u8)]))
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [I32; 4] {
        let rows: [_; 4] = unrolled_array(|i| &rows[i][..16]);
        unrolled_array(|v| unrolled_array(|lane| i32::from_ne_bytes(unrolled_array(|i| rows[i][4 * v + lane]))))
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> I32 {
        unrolled_array(|lane| i32::from_ne_bytes(unrolled_array(|i| rows[i].get(lane).copied().unwrap_or(0))))
    }
    #[inline(always)]
    fn narrow(self, x: [I32; 4], zero_point: u8, [low, high]: [u8; 2]) -> I32 {
        let byte = |x: i32| x.saturating_add(zero_point.into()).clamp(low.into(), high.into()) as u8;
        unrolled_array(|v| i32::from_ne_bytes(unrolled_array(|lane| byte(x[v][lane]))))
    }
    #[inline(always)]
    fn deinterleave(self, x: I32) -> I32 {
        x
    }
    #[inline(always)]
    fn store_quads(self, x: I32, to: &mut [u8]) {
        to[..16].copy_from_slice(unrolled_array::<_, 4>(|i| x[i].to_ne_bytes()).as_flattened());
    }
}
