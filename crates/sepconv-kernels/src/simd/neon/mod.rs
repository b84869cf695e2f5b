use core::arch::aarch64::*;

use super::{Kernel, Scalar, Simd, WideningMul};

mod dot;
mod int8;

use dot::Dot;
pub use dot::{Sdot, Usdot};

/// NEON: four f32 lanes, with fused multiply-add. Every 64-bit Arm processor that runs applications; with signed int8
/// products (`sdot`) since 2017–2018, with products of unsigned and signed ones (`usdot`) since 2021–2022.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon<D>(D);

impl Neon<WideningMul> {
    /// The token. Where this is compiled at all, the target has NEON.
    pub fn detect() -> Option<Self> {
        Some(Self(WideningMul))
    }
}

impl Neon<Sdot> {
    /// The token, where the machine has the dot product extension.
    pub fn detect() -> Option<Self> {
        super::detected!("dotprod").then_some(Self(Sdot))
    }
}

impl Neon<Usdot> {
    /// The token, where the machine has the extension of matrices of bytes.
    pub fn detect() -> Option<Self> {
        super::detected!("i8mm").then_some(Self(Usdot))
    }
}

impl<D> Neon<D> {
    /// The token that computes on f32.
    pub fn plain(self) -> Neon<WideningMul> {
        Neon(WideningMul)
    }
}

const LANES: usize = 4;

// SAFETY (all methods): this module is compiled for targets that have NEON only; memory is reached only through slices
// whose length was checked.
impl<D: Dot> Simd for Neon<D> {
    type F32 = float32x4_t;
    const LANES: usize = LANES;
    const REGISTERS: usize = 32;
    const ROW_REGISTERS: usize = 1;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        D::vectorize(self, kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> float32x4_t {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { vld1q_f32(from.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> float32x4_t {
        if from.len() >= LANES {
            return self.load(from);
        }
        self.load(&Scalar.load_part(from))
    }
    #[inline(always)]
    fn store(self, x: float32x4_t, to: &mut [f32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { vst1q_f32(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn store_part(self, x: float32x4_t, to: &mut [f32]) {
        if to.len() >= LANES {
            return self.store(x, to);
        }
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        Scalar.store_part(lanes, to);
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vfmaq_f32(c, a, b) }
    }
    // NEON's own minimum and maximum are NaN when either operand is.
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn round(self, x: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vrndnq_f32(x) }
    }
    #[inline(always)]
    fn sqrt(self, x: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vsqrtq_f32(x) }
    }
    #[inline(always)]
    fn exp2(self, n: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe {
            let biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        }
    }
    #[inline(always)]
    fn sum(self, x: float32x4_t) -> f32 {
        // SAFETY: see above.
        unsafe { vaddvq_f32(x) }
    }

    #[inline(always)]
    fn sums(self, x: [float32x4_t; 8]) -> [f32; 8] {
        // SAFETY: see above; an array of eight f32 values is the size of two vectors.
        unsafe {
            let a = vpaddq_f32(vpaddq_f32(x[0], x[1]), vpaddq_f32(x[2], x[3]));
            let b = vpaddq_f32(vpaddq_f32(x[4], x[5]), vpaddq_f32(x[6], x[7]));
            core::mem::transmute::<[float32x4_t; 2], [f32; 8]>([a, b])
        }
    }
}
