use super::{Kernel, Simd};

#[cfg(arm_dsp)]
mod dsp;
mod int8;

/// One number at a time in a register of 32 bits: for machines without vectors, such as microcontrollers.
///
/// [`Isa`](super::Isa) has no variant for it: plans are made for it on another machine, and code that is made from such
/// a plan names the token, so that no choice between instruction sets is left in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word;

impl Simd for Word {
    type F32 = f32;
    const LANES: usize = 1;
    const REGISTERS: usize = 7;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // There are no instructions to enable: the compiler decides what is a function of its own.
        #[inline]
        fn enabled<K: Kernel<Word>>(token: Word, kernel: K) -> K::Output {
            kernel.run(token)
        }
        enabled(self, kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> f32 {
        from[0]
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> f32 {
        from.first().copied().unwrap_or(0.0)
    }
    #[inline(always)]
    fn store(self, x: f32, to: &mut [f32]) {
        to[0] = x;
    }
    #[inline(always)]
    fn store_part(self, x: f32, to: &mut [f32]) {
        if let Some(to) = to.first_mut() {
            *to = x;
        }
    }

    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    fn min(self, a: f32, b: f32) -> f32 {
        if a < b { a } else { b }
    }
    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }
    #[inline(always)]
    fn round(self, x: f32) -> f32 {
        libm::rintf(x)
    }
    #[inline(always)]
    fn sqrt(self, x: f32) -> f32 {
        libm::sqrtf(x)
    }
    #[inline(always)]
    fn exp2(self, n: f32) -> f32 {
        f32::from_bits(((n as i32 + 127) as u32) << 23)
    }
    #[inline(always)]
    fn sum(self, x: f32) -> f32 {
        x
    }
}
