use core::arch::aarch64::*;
use core::arch::asm;

use super::{Neon, WideningMul};
use crate::simd::Kernel;

/// How an Arm machine multiplies int8.
pub trait Dot: Copy + Send + Sync + 'static {
    /// What inputs are counted from.
    const INPUT_OFFSET: u8;
    /// Registers that a vector of weights takes while it is multiplied.
    const WEIGHT_REGISTERS: usize;
    /// Runs `kernel` with the instructions of the token enabled, in a function of its own: a kernel made of kernels
    /// would grow past compiling.
    fn vectorize<K: Kernel<Neon<Self>>>(token: Neon<Self>, kernel: K) -> K::Output;
    /// `sum` and the four products of each pair of quads, inputs less the input offset.
    fn dot(token: Neon<Self>, sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t;
}

/// int8 products by the instruction for signed ones, `sdot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdot;

/// int8 products by the instruction for unsigned and signed ones, `usdot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usdot;

// SAFETY (all methods): this module is compiled for targets that have NEON only.
impl Dot for WideningMul {
    const INPUT_OFFSET: u8 = 0;
    const WEIGHT_REGISTERS: usize = 2;

    #[inline(always)]
    fn vectorize<K: Kernel<Neon<Self>>>(token: Neon<Self>, kernel: K) -> K::Output {
        #[inline(never)]
        fn enabled<K: Kernel<Neon<WideningMul>>>(token: Neon<WideningMul>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        enabled(token, kernel)
    }

    /// A product of `u8` and `i8` is one of 16 bits; pairs of them are added to the sums without loss.
    #[inline(always)]
    fn dot(_: Neon<Self>, sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        // SAFETY: see above.
        unsafe {
            let (x, w) = (vreinterpretq_u16_s32(x), vreinterpretq_s16_s32(w));
            let even = vreinterpretq_s16_u16(vandq_u16(x, vdupq_n_u16(0xff)));
            let odd = vreinterpretq_s16_u16(vshrq_n_u16::<8>(x));
            let sum = vpadalq_s16(sum, vmulq_s16(even, vshrq_n_s16::<8>(vshlq_n_s16::<8>(w))));
            vpadalq_s16(sum, vmulq_s16(odd, vshrq_n_s16::<8>(w)))
        }
    }
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there.
impl Dot for Sdot {
    const INPUT_OFFSET: u8 = 128;
    const WEIGHT_REGISTERS: usize = 1;

    #[inline(always)]
    fn vectorize<K: Kernel<Neon<Self>>>(token: Neon<Self>, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "neon,dotprod")]
        fn enabled<K: Kernel<Neon<Sdot>>>(token: Neon<Sdot>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: see above.
        unsafe { enabled(token, kernel) }
    }

    #[inline(always)]
    fn dot(_: Neon<Self>, sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        let mut out = sum;
        // SAFETY: see above; the compiler has no stable intrinsic for it yet.
        unsafe {
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) out, in(vreg) x, in(vreg) w,
                options(pure, nomem, nostack, preserves_flags));
        }
        out
    }
}

// SAFETY (all methods): as above.
impl Dot for Usdot {
    const INPUT_OFFSET: u8 = 0;
    const WEIGHT_REGISTERS: usize = 1;

    #[inline(always)]
    fn vectorize<K: Kernel<Neon<Self>>>(token: Neon<Self>, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "neon,i8mm")]
        fn enabled<K: Kernel<Neon<Usdot>>>(token: Neon<Usdot>, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: see above.
        unsafe { enabled(token, kernel) }
    }

    #[inline(always)]
    fn dot(_: Neon<Self>, sum: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        let mut out = sum;
        // SAFETY: see above; the compiler has no stable intrinsic for it yet.
        unsafe {
            asm!("usdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) out, in(vreg) x, in(vreg) w,
                options(pure, nomem, nostack, preserves_flags));
        }
        out
    }
}
