use core::fmt;

use super::*;

/// Declares [`Isa`] from the instruction sets of an architecture, plainest first: a variant and its token, its name,
/// and the token that computes its f32 values. Those that differ only in how they multiply int8 share one, so that f32
/// kernels are compiled once for them. Every machine of the architecture has the first. [`Word`] is one of another
/// machine on all of them.
macro_rules! instruction_sets {
    ($($(#[$doc:meta])* $isa:ident($token:ty) = $name:literal, f32 by $plain:ty;)*) => {
        /// An instruction set: the token that a plan holds and hands to every kernel. For one of another machine
        /// weights are packed and plans made, but there is no token, and no kernel runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Isa {
            $($(#[$doc])* $isa($token),)*
            /// One of [another machine](Self::absent).
            Absent(AbsentIsa),
        }

        /// An instruction set of this architecture, or of a microcontroller, known by name only.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct AbsentIsa(Name);

        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Name {
            $($isa,)*
            Word,
        }

        /// A kernel that [`Isa::run`] can run: one for every f32 width.
        pub trait F32Kernel<O>: $(Kernel<$plain, Output = O> +)* {}
        impl<O, K: $(Kernel<$plain, Output = O> +)*> F32Kernel<O> for K {}

        /// A kernel that [`Isa::run_int8`] can run: one for every token.
        pub trait Int8Kernel<O>: $(Kernel<$token, Output = O> +)* {}
        impl<O, K: $(Kernel<$token, Output = O> +)*> Int8Kernel<O> for K {}

        impl Isa {
            /// Every instruction set of this machine, plainest first.
            pub fn available() -> impl DoubleEndedIterator<Item = Self> {
                [$(<$token>::detect().map(Self::$isa)),*].into_iter().flatten()
            }

            /// Those of [`available`](Self::available) that run different code on f32 values: the others differ from
            /// one of these only in how they multiply int8.
            pub fn available_f32() -> impl DoubleEndedIterator<Item = Self> {
                Self::available().filter(|isa| match isa {
                    $(Self::$isa(_) => core::any::TypeId::of::<$token>() == core::any::TypeId::of::<$plain>(),)*
                    Self::Absent(_) => false,
                })
            }

            /// That of [`Word`], which programs for microcontrollers name themselves: always one of another machine.
            pub const WORD: Self = Self::Absent(AbsentIsa(Name::Word));

            /// The instruction set that [`name`](Self::name) gives as one of another machine of this architecture, or
            /// of a microcontroller: a plan for it does not depend on this machine, and is not run here.
            pub fn absent(name: &str) -> Option<Self> {
                let mut all = [$(Self::Absent(AbsentIsa(Name::$isa)),)* Self::WORD].into_iter();
                all.find(|isa| isa.name() == name)
            }

            /// The name in lower case: `scalar`, `avx2`, `avx2vnni`, `avx512`, `avx512vnni`, `neon`, `neondot`,
            /// `neoni8mm`, `wasm128` or `word`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => $name,)*
                    Self::WORD => "word",
                }
            }

            /// f32 values in a vector, which are also the numbers of 32 bits and the quads of bytes.
            pub fn lanes(self) -> usize {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::LANES,)*
                    Self::WORD => Word::LANES,
                }
            }

            /// Vectors that fit in registers.
            pub fn registers(self) -> usize {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::REGISTERS,)*
                    Self::WORD => Word::REGISTERS,
                }
            }

            /// Vectors of inputs that each row of a tile of f32 keeps in registers.
            pub(crate) fn row_registers(self) -> usize {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::ROW_REGISTERS,)*
                    Self::WORD => Word::ROW_REGISTERS,
                }
            }

            /// Registers that a vector of int8 weights takes while it is multiplied.
            pub(crate) fn weight_registers(self) -> usize {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::WEIGHT_REGISTERS,)*
                    Self::WORD => Word::WEIGHT_REGISTERS,
                }
            }

            /// Registers that a product of int8 vectors needs beside its operands.
            pub(crate) fn dot_registers(self) -> usize {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::DOT_REGISTERS,)*
                    Self::WORD => Word::DOT_REGISTERS,
                }
            }

            /// The least and the most vectors of channels in a tile of int8.
            pub(crate) fn tile_widths(self) -> [usize; 2] {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::TILE_WIDTHS,)*
                    Self::WORD => Word::TILE_WIDTHS,
                }
            }

            /// Whether int8 weights whose products could saturate together are parted.
            pub(crate) fn parts_weights(self) -> bool {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::PARTS_WEIGHTS,)*
                    Self::WORD => Word::PARTS_WEIGHTS,
                }
            }

            /// Vectors of channels that int8 depthwise kernels make together.
            pub(crate) fn interleave(self) -> usize {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::INTERLEAVE,)*
                    Self::WORD => Word::INTERLEAVE,
                }
            }

            /// What int8 inputs are counted from while they are multiplied.
            pub(crate) fn input_offset(self) -> u8 {
                match self {
                    $(Self::$isa(_) | Self::Absent(AbsentIsa(Name::$isa)) => <$token>::INPUT_OFFSET,)*
                    Self::WORD => Word::INPUT_OFFSET,
                }
            }

            /// Runs a f32 kernel compiled for this instruction set. Panics on that of another machine.
            #[inline]
            pub fn run<O, K: F32Kernel<O>>(self, kernel: K) -> O {
                match self {
                    $(Self::$isa(token) => token.plain().vectorize(kernel),)*
                    Self::Absent(absent) => absent.refuse(),
                }
            }

            /// Runs a int8 kernel compiled for this instruction set. Panics on that of another machine.
            #[inline]
            pub fn run_int8<O, K: Int8Kernel<O>>(self, kernel: K) -> O {
                match self {
                    $(Self::$isa(token) => token.vectorize(kernel),)*
                    Self::Absent(absent) => absent.refuse(),
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
instruction_sets! {
    /// Plain Rust.
    Scalar(Scalar) = "scalar", f32 by Scalar;
    /// AVX2 with FMA.
    Avx2(Avx2<WideningMul>) = "avx2", f32 by Avx2<WideningMul>;
    /// AVX2 with FMA and AVX-VNNI.
    Avx2Vnni(Avx2<Vnni>) = "avx2vnni", f32 by Avx2<WideningMul>;
    /// AVX-512.
    Avx512(Avx512<WideningMul>) = "avx512", f32 by Avx512<WideningMul>;
    /// AVX-512 with VNNI and VBMI.
    Avx512Vnni(Avx512<Vnni>) = "avx512vnni", f32 by Avx512<WideningMul>;
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
instruction_sets! {
    /// Plain Rust.
    Scalar(Scalar) = "scalar", f32 by Scalar;
    /// NEON.
    Neon(Neon<WideningMul>) = "neon", f32 by Neon<WideningMul>;
    /// NEON with signed int8 products.
    NeonDot(Neon<Sdot>) = "neondot", f32 by Neon<WideningMul>;
    /// NEON with products of unsigned and signed bytes.
    NeonI8mm(Neon<Usdot>) = "neoni8mm", f32 by Neon<WideningMul>;
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
instruction_sets! {
    // No plain Rust: a module with these instructions is refused whole where they are missing, and would be twice as
    // large.
    /// WebAssembly's vectors of 128 bits.
    Wasm128(Wasm128) = "wasm128", f32 by Wasm128;
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
instruction_sets! {
    /// Plain Rust.
    Scalar(Scalar) = "scalar", f32 by Scalar;
}

impl Isa {
    /// The widest instruction set of this machine.
    pub fn best() -> Self {
        Self::available().next_back().expect("every machine has the plainest")
    }

    /// An instruction set of vectors half as wide, where f32 kernels can do with it what they do with this one: narrow
    /// layers fill its vectors better.
    pub fn half_width_isa(self) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Avx512(_) | Self::Avx512Vnni(_) => Avx2::<WideningMul>::detect().map(Self::Avx2),
            Self::Absent(AbsentIsa(Name::Avx512 | Name::Avx512Vnni)) => Some(Self::Absent(AbsentIsa(Name::Avx2))),
            _ => None,
        };
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Whether kernels can run on it.
    pub fn is_available(self) -> bool {
        !matches!(self, Self::Absent(_))
    }

    /// Whether this machine takes a vector of f32 in two halves, so that a narrower one costs half as much.
    pub(crate) fn is_double_pumped(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if matches!(self, Self::Avx512(_) | Self::Avx512Vnni(_)) {
            return avx512::is_double_pumped();
        }
        false
    }

    /// The instruction set that [`name`](Self::name) gives, where this machine has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|isa| isa.name() == name)
    }
}

impl AbsentIsa {
    #[cold]
    #[inline(never)]
    fn refuse(self) -> ! {
        panic!("{} is the instruction set of another machine", Isa::Absent(self))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
