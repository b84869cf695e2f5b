use core::arch::{asm, x86_64::*};

use super::{Kernel, Simd, Vnni, WideningMul};

mod dot;
mod int8;

use dot::Dot;

/// AVX-512 (F, BW, DQ, VL): sixteen f32 lanes and masked tails. Server cores since Skylake-X, Zen 4 and later; with
/// VNNI and VBMI since Ice Lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512<D>(D);

impl Avx512<WideningMul> {
    /// The token, where the machine has the four subsets.
    pub fn detect() -> Option<Self> {
        super::detected!("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma").then_some(Self(WideningMul))
    }
}

impl Avx512<Vnni> {
    /// The token, where the machine has VNNI and VBMI beside the four subsets.
    pub fn detect() -> Option<Self> {
        let plain = Avx512::<WideningMul>::detect().is_some();
        (plain && super::detected!("avx512vnni", "avx512vbmi")).then_some(Self(Vnni))
    }
}

impl<D> Avx512<D> {
    /// The token that computes on f32.
    pub fn plain(self) -> Avx512<WideningMul> {
        Avx512(WideningMul)
    }
}

/// Whether the machine is Zen 4, AMD's family 19h, which takes 512 bits in two halves (AMD, "Software Optimization
/// Guide for the AMD Zen4 Microarchitecture", 57647).
pub(super) fn is_double_pumped() -> bool {
    let [maker, version] = [0, 1].map(__cpuid);
    let family = (version.eax >> 8 & 0xf) + (version.eax >> 20 & 0xff);
    [maker.ebx, maker.edx, maker.ecx] == [*b"Auth", *b"enti", *b"cAMD"].map(u32::from_le_bytes) && family == 0x19
}

const LANES: usize = 16;

/// A mask whose first `n` lanes are set.
#[inline(always)]
fn mask(n: usize) -> __mmask16 {
    if n >= LANES { !0 } else { (1 << n) - 1 }
}

/// `x`, after an instruction that is none but might read memory, as far as compilers know.
#[inline]
#[target_feature(enable = "avx512f")]
fn pinned(mut x: __m512) -> __m512 {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(zmm_reg) x, options(nostack, preserves_flags)) };
    x
}

// SAFETY (all methods): a token exists only after detection, so the instructions are there; memory is reached only
// through slices whose length was checked, or under a mask that covers no more than their length.
impl<D: Dot> Simd for Avx512<D> {
    type F32 = __m512;
    const LANES: usize = LANES;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        // Never inlined, unlike a function with `#[target_feature]`, of which `#[inline(never)]` is forgotten when
        // programs are linked.
        #[inline(never)]
        fn apart<D: Dot, K: Kernel<Avx512<D>>>(token: Avx512<D>, kernel: K) -> K::Output {
            D::vectorize(token, kernel)
        }
        apart(self, kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        let from = &from[..LANES];
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_maskz_loadu_ps(mask(from.len()), from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32]) {
        let to = &mut to[..LANES];
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn store_part(self, x: __m512, to: &mut [f32]) {
        // SAFETY: see above.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), mask(to.len()), x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn optimization_barrier(self, x: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { pinned(x) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, x: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    fn sqrt(self, x: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_sqrt_ps(x) }
    }
    #[inline(always)]
    fn exp2(self, n: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn sum(self, x: __m512) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(x) }
    }

    #[inline(always)]
    fn sums(self, x: [__m512; 8]) -> [f32; 8] {
        // SAFETY: see above; an array of eight f32 values is a vector's size.
        unsafe {
            let mut halves = [_mm256_setzero_ps(); 8];
            unroll!(i in 0..8, {
                halves[i] = _mm256_add_ps(_mm512_castps512_ps256(x[i]), _mm512_extractf32x8_ps::<1>(x[i]));
            });
            let a = _mm256_hadd_ps(_mm256_hadd_ps(halves[0], halves[1]), _mm256_hadd_ps(halves[2], halves[3]));
            let b = _mm256_hadd_ps(_mm256_hadd_ps(halves[4], halves[5]), _mm256_hadd_ps(halves[6], halves[7]));
            // Each half has the sums of one half of four vectors.
            let [low, high] = [_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)];
            core::mem::transmute::<__m256, [f32; 8]>(_mm256_add_ps(low, high))
        }
    }
}
