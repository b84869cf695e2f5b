use core::fmt;

#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512, Vnni, Widen};
use super::{Int8, Kernel, Scalar, Simd};

/// An instruction set that this machine has: the token that a plan holds and hands to every kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust.
    Scalar(Scalar),
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2<Widen>),
    /// AVX2 with FMA and AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx2Vnni(Avx2<Vnni>),
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512<Widen>),
    /// AVX-512 with VNNI and VBMI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512<Vnni>),
}

/// Declares a trait of the kernels that there are for all of some tokens.
macro_rules! kernels {
    ($(#[$doc:meta])* $name:ident: $($token:ty),*) => {
        $(#[$doc])*
        pub trait $name<O>: $(Kernel<$token, Output = O> +)* {}
        impl<O, K: $(Kernel<$token, Output = O> +)*> $name<O> for K {}
    };
}

#[cfg(target_arch = "x86_64")]
kernels! {
    /// A kernel that [`Isa::run`] can run: one for every width of floats.
    FloatKernel: Scalar, Avx2<Widen>, Avx512<Widen>
}
#[cfg(target_arch = "x86_64")]
kernels! {
    /// A kernel that [`Isa::run_int8`] can run: one for every token.
    Int8Kernel: Scalar, Avx2<Widen>, Avx2<Vnni>, Avx512<Widen>, Avx512<Vnni>
}
#[cfg(not(target_arch = "x86_64"))]
kernels! {
    /// A kernel that [`Isa::run`] can run: one for every width of floats.
    FloatKernel: Scalar
}
#[cfg(not(target_arch = "x86_64"))]
kernels! {
    /// A kernel that [`Isa::run_int8`] can run: one for every token.
    Int8Kernel: Scalar
}

impl Isa {
    /// Every instruction set of this machine, plainest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            Some(Self::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            Avx2::<Widen>::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx2::<Vnni>::detect().map(Self::Avx2Vnni),
            #[cfg(target_arch = "x86_64")]
            Avx512::<Widen>::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx512::<Vnni>::detect().map(Self::Avx512Vnni),
        ]
        .into_iter()
        .flatten()
    }

    /// Those of [`available`](Self::available) that run different code on floats: the others differ from one of these only in how they
    /// multiply bytes.
    pub fn floats() -> impl DoubleEndedIterator<Item = Self> {
        Self::available().filter(|isa| match isa {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni(_) | Self::Avx512Vnni(_) => false,
            _ => true,
        })
    }

    /// The widest instruction set of this machine.
    pub fn best() -> Self {
        Self::available().next_back().unwrap_or(Self::Scalar(Scalar))
    }

    /// The instruction set that [`name`](Self::name) gives, where this machine has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|isa| isa.name() == name)
    }

    /// `scalar`, `avx2`, `avx2vnni`, `avx512` or `avx512vnni`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni(_) => "avx2vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) => "avx512vnni",
        }
    }

    /// Floats in a vector, which are also the numbers of 32 bits and the quads of bytes.
    pub fn lanes(self) -> usize {
        struct Lanes;
        impl<S: Simd> Kernel<S> for Lanes {
            type Output = usize;
            #[inline(always)]
            fn run(self, _: S) -> usize {
                S::LANES
            }
        }
        self.run(Lanes)
    }

    /// Vectors that fit in registers.
    pub fn registers(self) -> usize {
        struct Registers;
        impl<S: Simd> Kernel<S> for Registers {
            type Output = usize;
            #[inline(always)]
            fn run(self, _: S) -> usize {
                S::REGISTERS
            }
        }
        self.run(Registers)
    }

    /// Registers that a vector of int8 weights takes while it is multiplied.
    pub(crate) fn weight_registers(self) -> usize {
        struct WeightRegisters;
        impl<S: Int8> Kernel<S> for WeightRegisters {
            type Output = usize;
            #[inline(always)]
            fn run(self, _: S) -> usize {
                S::WEIGHT_REGISTERS
            }
        }
        self.run_int8(WeightRegisters)
    }

    /// Runs a kernel of floats compiled for this instruction set.
    #[inline]
    pub fn run<O, K: FloatKernel<O>>(self, kernel: K) -> O {
        match self {
            Self::Scalar(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni(token) => token.plain().vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(token) => token.plain().vectorize(kernel),
        }
    }

    /// Runs a kernel of bytes compiled for this instruction set.
    #[inline]
    pub fn run_int8<O, K: Int8Kernel<O>>(self, kernel: K) -> O {
        match self {
            Self::Scalar(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(token) => token.vectorize(kernel),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
