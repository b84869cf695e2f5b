use std::fmt;
use std::str::FromStr;

use sepconv::{Error, Result};

/// The processor that a network is compiled for. The module is the same Rust for all of them; what differs is the code
/// that `sepconv-kernels` becomes, which the target of the program that it is part of decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Target {
    /// Arm Cortex-M4, with the DSP extension.
    CortexM4,
    /// Arm Cortex-M7, with the DSP extension.
    CortexM7,
    /// Arm Cortex-M0+: no DSP extension, and no hardware for f32.
    CortexM0Plus,
    /// RISC-V of 32 bits.
    Riscv32,
    /// Any processor that Rust knows.
    #[default]
    Generic,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 5] = [Self::CortexM4, Self::CortexM7, Self::CortexM0Plus, Self::Riscv32, Self::Generic];

    /// The name: `cortex-m4`, `cortex-m7`, `cortex-m0plus`, `riscv32` or `generic`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CortexM4 => "cortex-m4",
            Self::CortexM7 => "cortex-m7",
            Self::CortexM0Plus => "cortex-m0plus",
            Self::Riscv32 => "riscv32",
            Self::Generic => "generic",
        }
    }

    /// Bytes of code that the kernels of a network take at most, with tables and start-up: the largest of four networks
    /// that were linked, rounded up.
    pub fn code_bytes(self) -> usize {
        match self {
            Self::CortexM4 | Self::CortexM7 => 44 << 10,
            Self::Riscv32 => 60 << 10,
            // Products of f32 are calls, too.
            Self::CortexM0Plus | Self::Generic => 68 << 10,
        }
    }

    /// Rust's name of the target that programs are built for.
    pub fn triple(self) -> &'static str {
        match self {
            Self::CortexM4 | Self::CortexM7 => "thumbv7em-none-eabihf",
            Self::CortexM0Plus => "thumbv6m-none-eabi",
            Self::Riscv32 => "riscv32imac-unknown-none-elf",
            Self::Generic => "any that has `core`",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::argument("target is unknown").expected(format_args!("one of {names}"), format_args!("{name:?}"))
        })
    }
}
