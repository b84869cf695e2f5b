//! Instruction sets as tokens: holding a token proves that the machine has the instructions.
//!
//! [`Simd`] is the small vocabulary that f32 kernels are written in, [`Int8`] what int8 kernels need beside it. An
//! instruction set is one folder here that implements them; nothing else changes. How int8 is multiplied is an axis of
//! its own: `Avx2<WideningMul>` and `Avx2<Vnni>` share all but that.
//!
//! A kernel is a value implementing [`Kernel`]; [`Isa::run`] and [`Isa::run_int8`] cross the `#[target_feature]`
//! boundary once and everything below, being `#[inline(always)]`, is compiled with the wider instructions.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod bytes;
mod columns;
mod int8;
mod isa;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod neon;
mod part;
mod scalar;
mod shuffle;
mod strided;
#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
mod word;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub(crate) use bytes::{signed, unsigned};
pub use columns::Columns;
pub(crate) use int8::channel;
pub use int8::{FourPixels, Int8, Windows};
pub use isa::{AbsentIsa, F32Kernel, Int8Kernel, Isa};
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
pub use neon::{Neon, Sdot, Usdot};
pub use scalar::Scalar;
pub(crate) use shuffle::{Shuffle, zip_stages};
pub use strided::{Chunks, strided, strided_mut};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Wasm128;
pub use word::Word;

/// int8 products by widening both to 16 bits: every machine can.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WideningMul;

/// int8 products by the instruction for them, `vpdpbusd`.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vnni;

/// Whether the machine has every named feature: asked at run time with `std`, fixed when compiling without.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! detected {
    ($($feature:tt),*) => {{
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let all = true $(&& std::arch::is_x86_feature_detected!($feature))*;
        #[cfg(all(feature = "std", target_arch = "aarch64"))]
        let all = true $(&& std::arch::is_aarch64_feature_detected!($feature))*;
        #[cfg(not(feature = "std"))]
        let all = true $(&& cfg!(target_feature = $feature))*;
        all
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use detected;

/// `x`, computed by here: compilers derive nothing from it ahead of a loop. They would keep a pointer for each of many
/// places that lie a fixed step apart, on the stack, where two registers and a few additions do.
#[inline(always)]
fn opaque(x: usize) -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let x = {
        let mut x = x;
        // SAFETY: no instruction at all.
        unsafe { core::arch::asm!("/* {0} */", inout(reg) x, options(nomem, nostack, preserves_flags)) };
        x
    };
    x
}

/// A token for an instruction set, and the vector operations it allows.
///
/// Every method is lane-wise unless it says otherwise. `min` and `max` return their second operand when either is NaN,
/// as x86 does; other instruction sets match that. `mul_add` rounds once where the instruction set can, twice on
/// [`Scalar`].
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`LANES`](Self::LANES) f32 values.
    type F32: Copy + Send + Sync;
    /// f32 values in a vector.
    const LANES: usize;
    /// Vectors that fit in registers.
    const REGISTERS: usize;
    /// Vectors of inputs that each row of a tile keeps in registers: one where products take their input from a lane,
    /// none where they take it from memory or a copy in all lanes.
    const ROW_REGISTERS: usize = 0;

    /// Runs `kernel` with this token's instructions enabled.
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::F32;
    /// The first [`LANES`](Self::LANES) f32 values of `from`. Panics when it is shorter.
    fn load(self, from: &[f32]) -> Self::F32;
    /// All of `from` up to [`LANES`](Self::LANES) f32 values, then zeros.
    fn load_part(self, from: &[f32]) -> Self::F32;
    /// `from[places[i]]` in lane `i`. Panics when `from` has more than [`LANES`](Self::LANES) f32 values, or a place is
    /// beyond them.
    #[inline(always)]
    fn spread(self, from: &[f32], places: &[u32; 16]) -> Self::F32 {
        let mut spread = [0.0; 16];
        for i in 0..16 {
            spread[i] = from[places[i] as usize];
        }
        self.load(&spread)
    }
    /// Writes the first [`LANES`](Self::LANES) f32 values of `to`. Panics when it is shorter.
    fn store(self, x: Self::F32, to: &mut [f32]);
    /// Writes all of `to` up to [`LANES`](Self::LANES) f32 values.
    fn store_part(self, x: Self::F32, to: &mut [f32]);

    /// `a + b`
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b`
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b + c`
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `x`, computed by here: compilers move nothing that it depends on, and no load, from one side of this to the
    /// other.
    #[inline(always)]
    fn optimization_barrier(self, x: Self::F32) -> Self::F32 {
        x
    }
    /// The smaller; `b` when either is NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger; `b` when either is NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The nearest whole number, halves to even.
    fn round(self, x: Self::F32) -> Self::F32;
    /// The square root, correctly rounded; NaN below zero.
    fn sqrt(self, x: Self::F32) -> Self::F32;
    /// `2^n` for whole `n` in -126..=127; zero at -127 and infinity at 128.
    fn exp2(self, n: Self::F32) -> Self::F32;
    /// The sum of all lanes.
    fn sum(self, x: Self::F32) -> f32;
    /// The sums of the lanes of each.
    #[inline(always)]
    fn sums(self, x: [Self::F32; 8]) -> [f32; 8] {
        let mut sums = [0.0; 8];
        unroll!(i in 0..8, {
            sums[i] = self.sum(x[i]);
        });
        sums
    }
}

/// A piece of work that is compiled once per token: for every `S: Simd` if it is about f32 values, for every `S: Int8`
/// if it is about bytes.
///
/// Mark `run` `#[inline(always)]`, and every function it calls with a token, or the work is compiled without the
/// instructions.
pub trait Kernel<S> {
    /// What the work returns.
    type Output;
    /// The work.
    fn run(self, simd: S) -> Self::Output;
}
