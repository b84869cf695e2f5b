use core::fmt;

#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
use super::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::Wasm128;
use super::{Kernel, Scalar, Simd};

/// An instruction set that this machine has: the token that a plan holds and hands to every kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust.
    Scalar(Scalar),
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// NEON.
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    Neon(Neon),
    /// WebAssembly's fixed-width SIMD.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Wasm128(Wasm128),
}

impl Isa {
    /// Every instruction set of this machine, plainest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            Some(Self::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Self::Avx512),
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Neon::detect().map(Self::Neon),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Wasm128::detect().map(Self::Wasm128),
        ]
        .into_iter()
        .flatten()
    }

    /// The widest instruction set of this machine.
    pub fn best() -> Self {
        Self::available().next_back().unwrap_or(Self::Scalar(Scalar))
    }

    /// The instruction set that [`name`](Self::name) gives, where this machine has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|isa| isa.name() == name)
    }

    /// `scalar`, `avx2`, `avx512`, `neon` or `wasm128`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm128(_) => "wasm128",
        }
    }

    /// Floats in a vector.
    pub fn lanes(self) -> usize {
        match self {
            Self::Scalar(_) => Scalar::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Avx512::LANES,
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Neon(_) => Neon::LANES,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm128(_) => Wasm128::LANES,
        }
    }

    /// Vectors that fit in registers.
    pub fn registers(self) -> usize {
        match self {
            Self::Scalar(_) => Scalar::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Avx2::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Avx512::REGISTERS,
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Neon(_) => Neon::REGISTERS,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm128(_) => Wasm128::REGISTERS,
        }
    }

    /// Runs `kernel` compiled for this instruction set.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Scalar(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.vectorize(kernel),
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Neon(token) => token.vectorize(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm128(token) => token.vectorize(kernel),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
