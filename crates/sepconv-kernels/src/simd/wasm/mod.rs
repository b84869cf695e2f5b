use core::arch::wasm32::*;

use super::{Kernel, Scalar, Simd};

mod int8;

/// WebAssembly's vectors of 128 bits: four f32 lanes, without fused multiply-add. Every browser since 2021–2023.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wasm128(());

impl Wasm128 {
    /// The token. A module with these instructions is refused whole where they are missing, so compiling decides.
    pub fn detect() -> Option<Self> {
        Some(Self(()))
    }

    /// The token that computes on f32.
    pub fn plain(self) -> Self {
        self
    }
}

const LANES: usize = 4;

// SAFETY (all blocks): memory is reached only through slices whose length was checked.
impl Simd for Wasm128 {
    type F32 = v128;
    const LANES: usize = LANES;
    // The specification names no registers. Engines have 16 on x86-64, the fewest of the machines that matter, but V8
    // stores sums to memory where tiles need more than these.
    const REGISTERS: usize = 12;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // A function of its own, as with the other instruction sets, or a kernel made of kernels grows past compiling.
        #[inline(never)]
        fn enabled<K: Kernel<Wasm128>>(token: Wasm128, kernel: K) -> K::Output {
            kernel.run(token)
        }
        enabled(self, kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> v128 {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { v128_load(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> v128 {
        if from.len() >= LANES {
            return self.load(from);
        }
        self.load(&Scalar.load_part(from))
    }
    #[inline(always)]
    fn store(self, x: v128, to: &mut [f32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { v128_store(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn store_part(self, x: v128, to: &mut [f32]) {
        if to.len() >= LANES {
            return self.store(x, to);
        }
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        Scalar.store_part(lanes, to);
    }

    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn div(self, a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    #[inline(always)]
    fn mul_add(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    // The pseudo-minimum `pmin(x, y)` is `y < x ? y : x`.
    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_pmin(b, a)
    }
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    fn round(self, x: v128) -> v128 {
        f32x4_nearest(x)
    }
    #[inline(always)]
    fn sqrt(self, x: v128) -> v128 {
        f32x4_sqrt(x)
    }
    #[inline(always)]
    fn exp2(self, n: v128) -> v128 {
        i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(n), i32x4_splat(127)), 23)
    }
    #[inline(always)]
    fn sum(self, x: v128) -> f32 {
        let two = f32x4_add(x, i32x4_shuffle::<2, 3, 0, 1>(x, x));
        f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<1>(two)
    }
}
