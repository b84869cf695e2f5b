use super::Word;
#[cfg(arm_dsp)]
use super::dsp;
use crate::simd::Int8;
#[cfg(all(arm_dsp, arm_fpu))]
use crate::simd::int8::{FourPixels, Windows, add_windows};

impl Int8 for Word {
    type I32 = i32;
    const WEIGHT_REGISTERS: usize = 1;
    const INTERLEAVE: usize = 1;
    const TILE_WIDTHS: [usize; 2] = [1, 1];

    #[inline(always)]
    fn splat_i32(self, x: i32) -> i32 {
        x
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> i32 {
        from[0]
    }
    #[inline(always)]
    fn store_i32(self, x: i32, to: &mut [i32]) {
        to[0] = x;
    }
    #[inline(always)]
    fn load_quads(self, from: &[i8]) -> i32 {
        let from = &from[..4];
        i32::from_ne_bytes([from[0] as u8, from[1] as u8, from[2] as u8, from[3] as u8])
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> i32 {
        i32::from(from[0])
    }
    #[inline(always)]
    fn load_u8_part(self, from: &[u8]) -> i32 {
        from.first().map_or(0, |&x| i32::from(x))
    }
    #[inline(always)]
    fn store_u8(self, x: i32, to: &mut [u8]) {
        to[0] = x as u8;
    }
    #[inline(always)]
    fn store_u8_part(self, x: i32, to: &mut [u8]) {
        if let Some(to) = to.first_mut() {
            *to = x as u8;
        }
    }

    #[inline(always)]
    fn add_i32(self, a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }
    #[inline(always)]
    fn sub_i32(self, a: i32, b: i32) -> i32 {
        a.wrapping_sub(b)
    }
    #[cfg(arm_dsp)]
    #[inline(always)]
    fn dot(self, sum: i32, x: i32, w: i32) -> i32 {
        let (even, odd) = (x & 0x00ff_00ff, (x as u32 >> 8 & 0x00ff_00ff) as i32);
        let sum = dsp::multiply_halves(sum, even, dsp::even_signed(w));
        dsp::multiply_halves(sum, odd, dsp::odd_signed(w))
    }
    #[cfg(not(arm_dsp))]
    #[inline(always)]
    fn dot(self, sum: i32, x: i32, w: i32) -> i32 {
        let product = |shift: u32| i32::from((x >> shift) as u8) * i32::from((w >> shift) as i8);
        sum.wrapping_add(product(0) + product(8) + product(16) + product(24))
    }
    #[cfg(arm_dsp)]
    #[inline(always)]
    fn multiply_pairs(self, sum: i32, a: i32, b: i32) -> i32 {
        dsp::multiply_halves(sum, a, b)
    }
    #[cfg(arm_dsp)]
    #[inline(always)]
    fn add_pairs<const P: usize>(self, mut sums: [i32; P], words: &[i32], weights: &[i8]) -> [i32; P] {
        assert_eq!(words.len(), weights.len() / 4 * 2 * P);
        for (words, weights) in words.chunks_exact(2 * P).zip(weights.as_chunks::<4>().0) {
            let weights = i32::from_ne_bytes(weights.map(|weight| weight as u8));
            let (even, odd) = (dsp::even_signed(weights), dsp::odd_signed(weights));
            unroll!(p in 0..P, {
                sums[p] = dsp::multiply_halves(sums[p], words[2 * p], even);
                sums[p] = dsp::multiply_halves(sums[p], words[2 * p + 1], odd);
            });
        }
        sums
    }
    #[cfg(all(arm_dsp, arm_fpu))]
    #[inline(always)]
    fn four_pixels(self, block: FourPixels<'_>, zero_point: i32, out: &mut [u8], stride: usize) {
        dsp::four_pixels(block, zero_point, out, stride);
    }
    #[cfg(all(arm_dsp, arm_fpu))]
    #[inline(always)]
    fn add_windows<const K: usize, const STRIDE: usize>(
        self,
        constants: &Windows<K>,
        pairs: &[i32],
        out: &mut [u8],
        pitch: usize,
    ) {
        match (K, STRIDE) {
            (3, 1 | 2) => dsp::add_windows_of_three::<K, STRIDE>(constants, pairs, out, pitch),
            _ => add_windows::<Self, K, STRIDE>(self, constants, pairs, out, pitch),
        }
    }
    #[cfg(arm_fpu)]
    #[inline(always)]
    fn round_word(self, x: f32) -> i32 {
        dsp::round(x)
    }
    #[cfg(arm_fpu)]
    #[inline(always)]
    fn scale_and_round<const P: usize>(self, mut sums: [i32; P], scale: f32) -> [i32; P] {
        sums.iter_mut().for_each(|sum| *sum = dsp::scale_and_round(*sum, scale));
        sums
    }
    #[inline(always)]
    fn optimization_barrier_i32(self, x: i32) -> i32 {
        #[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
        let x = {
            let mut x = x;
            // SAFETY: no instruction at all.
            unsafe { core::arch::asm!("/* {0} */", inout(reg) x, options(nostack, preserves_flags)) };
            x
        };
        x
    }
    #[inline(always)]
    fn to_f32(self, x: i32) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn to_i32(self, x: f32) -> i32 {
        #[cfg(arm_fpu)]
        return dsp::round(x);
        #[cfg(not(arm_fpu))]
        return libm::rintf(x) as i32;
    }
    #[inline(always)]
    fn reinterpret(self, x: i32) -> f32 {
        f32::from_bits(x as u32)
    }
    #[inline(always)]
    fn lookup(self, lut: &[u8; 256], x: i32) -> i32 {
        i32::from(lut[usize::from(x as u8)])
    }

    #[inline(always)]
    fn interleave(self, rows: [&[u8]; 4]) -> [i32; 4] {
        let rows = rows.map(|row| &row[..4]);
        core::array::from_fn(|lane| i32::from_ne_bytes(rows.map(|row| row[lane])))
    }
    #[inline(always)]
    fn interleave_part(self, rows: [&[u8]; 4]) -> i32 {
        i32::from_ne_bytes(rows.map(|row| row.first().copied().unwrap_or(0)))
    }
    /// Four lanes are four channels in their order.
    #[inline(always)]
    fn channel(i: usize) -> usize {
        i
    }
    #[inline(always)]
    fn narrow(self, x: [i32; 4], zero_point: u8, [low, high]: [u8; 2]) -> i32 {
        // `clamp` would check the order of its bounds for each.
        let byte = |x: i32| x.saturating_add(zero_point.into()).max(low.into()).min(high.into()) as u8;
        i32::from_ne_bytes(x.map(byte))
    }
    #[inline(always)]
    fn deinterleave(self, x: i32) -> i32 {
        x
    }
    #[inline(always)]
    fn lookup_quads(self, lut: &[u8; 256], x: i32) -> i32 {
        i32::from_ne_bytes(x.to_ne_bytes().map(|x| lut[usize::from(x)]))
    }
    #[inline(always)]
    fn store_quads(self, x: i32, to: &mut [u8]) {
        to[..4].copy_from_slice(&x.to_ne_bytes());
    }
    #[inline(always)]
    fn store_quads_part(self, x: i32, to: &mut [u8]) {
        for (to, x) in to.iter_mut().zip(x.to_ne_bytes()) {
            *to = x;
        }
    }
    #[inline(always)]
    fn store_quads_parts<'a, const PARTS: usize>(self, x: i32, to: impl Iterator<Item = &'a mut [u8]>) {
        for (from, to) in x.to_ne_bytes().chunks_exact(4 / PARTS).zip(to) {
            for (to, x) in to.iter_mut().zip(from) {
                *to = *x;
            }
        }
    }
}
