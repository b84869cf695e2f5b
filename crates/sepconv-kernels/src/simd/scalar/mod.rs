use super::{Kernel, Simd};
use crate::unroll::unrolled_array;

mod int8;

/// Plain Rust in groups of four, which any compiler can turn into whatever vectors the target always has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar;

impl Scalar {
    /// The token: any machine has it.
    pub fn detect() -> Option<Self> {
        Some(Self)
    }

    /// The token that computes on f32.
    pub fn plain(self) -> Self {
        self
    }
}

type F32 = [f32; 4];

#[inline(always)]
fn map(a: F32, b: F32, f: impl Fn(f32, f32) -> f32) -> F32 {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Scalar {
    type F32 = F32;
    const LANES: usize = 4;
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // A function of its own, as with the other instruction sets, or a kernel made of kernels grows past compiling.
        #[inline(never)]
        fn enabled<K: Kernel<Scalar>>(token: Scalar, kernel: K) -> K::Output {
            kernel.run(token)
        }
        enabled(self, kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F32 {
        [x; 4]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> F32 {
        let from = &from[..4];
        [from[0], from[1], from[2], from[3]]
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> F32 {
        let mut x = [0.0; 4];
        for (i, x) in x.iter_mut().enumerate() {
            *x = from.get(i).copied().unwrap_or(0.0);
        }
        x
    }
    #[inline(always)]
    fn store(self, x: F32, to: &mut [f32]) {
        to[..4].copy_from_slice(&x);
    }
    #[inline(always)]
    fn store_part(self, x: F32, to: &mut [f32]) {
        for (i, &x) in x.iter().enumerate() {
            if let Some(to) = to.get_mut(i) {
                *to = x;
            }
        }
    }

    #[inline(always)]
    fn add(self, a: F32, b: F32) -> F32 {
        map(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F32, b: F32) -> F32 {
        map(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F32, b: F32) -> F32 {
        map(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F32, b: F32) -> F32 {
        map(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: F32, b: F32, c: F32) -> F32 {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn min(self, a: F32, b: F32) -> F32 {
        map(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: F32, b: F32) -> F32 {
        map(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn round(self, x: F32) -> F32 {
        unrolled_array(|i| libm::rintf(x[i]))
    }
    #[inline(always)]
    fn sqrt(self, x: F32) -> F32 {
        unrolled_array(|i| libm::sqrtf(x[i]))
    }
    #[inline(always)]
    fn exp2(self, n: F32) -> F32 {
        unrolled_array(|i| f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn sum(self, x: F32) -> f32 {
        (x[0] + x[1]) + (x[2] + x[3])
    }
}
