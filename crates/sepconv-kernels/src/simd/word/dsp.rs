//! Instructions of Arm's DSP extension, and of its FPU, that no stable function stands for.

use core::arch::asm;

/// Bytes 0 and 2 of `x`, which have a sign, as two halves.
#[cfg(arm_dsp)]
#[inline(always)]
pub(super) fn even_signed(x: i32) -> i32 {
    let halves;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("sxtb16 {0}, {1}", lateout(reg) halves, in(reg) x, options(pure, nomem, nostack, preserves_flags));
    }
    halves
}

/// Bytes 1 and 3 of `x`, which have a sign, as two halves.
#[cfg(arm_dsp)]
#[inline(always)]
pub(super) fn odd_signed(x: i32) -> i32 {
    let halves;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!("sxtb16 {0}, {1}, ror #8", lateout(reg) halves, in(reg) x, options(pure, nomem, nostack, preserves_flags));
    }
    halves
}

/// `sum` and the products of both halves; wraps.
#[cfg(arm_dsp)]
#[inline(always)]
pub(super) fn multiply_halves(sum: i32, a: i32, b: i32) -> i32 {
    let result;
    // SAFETY: arithmetic on registers, and a flag of saturation.
    unsafe {
        asm!("smlad {0}, {1}, {2}, {3}", lateout(reg) result, in(reg) a, in(reg) b, in(reg) sum, options(pure, nomem, nostack));
    }
    result
}

/// The nearest whole number, halves to even, of what fits in 32 bits, and the nearest that fits of other numbers.
#[cfg(arm_fpu)]
#[inline(always)]
pub(super) fn round(x: f32) -> i32 {
    let rounded;
    // SAFETY: arithmetic on registers. Rounding is to nearest, as Rust assumes everywhere. An operand in `s0` would be
    // refused for want of double precision, a clobber is not.
    unsafe {
        asm!(
            "vmov s0, {0}", "vcvtr.s32.f32 s0, s0", "vmov {0}, s0",
            inlateout(reg) x.to_bits() => rounded,
            out("s0") _,
            options(pure, nomem, nostack),
        );
    }
    rounded
}
