//! Instructions of Arm's DSP extension, and of its FPU, that no stable function stands for.

use core::arch::asm;

#[cfg(all(arm_dsp, arm_fpu))]
use crate::simd::{FourPixels, Windows};

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

/// A quad of weights at `r1` by those of four pixels at `r0`, whose sums are in `r8` to `r11`.
#[cfg(all(arm_dsp, arm_fpu))]
macro_rules! quad {
    () => {
        "ldr r12, [r1], #4
        ldm r0!, {{r2, r3, r4, r5}}
        sxtb16 lr, r12
        sxtb16 r12, r12, ror #8
        smlad r8, r2, lr, r8
        smlad r8, r3, r12, r8
        smlad r9, r4, lr, r9
        smlad r9, r5, r12, r9
        ldm r0!, {{r2, r3, r4, r5}}
        smlad r10, r2, lr, r10
        smlad r10, r3, r12, r10
        smlad r11, r4, lr, r11
        smlad r11, r5, r12, r11"
    };
}

/// [`Int8::four_pixels`](crate::simd::Int8::four_pixels). Panics as that does.
#[cfg(all(arm_dsp, arm_fpu))]
pub(super) fn four_pixels(block: FourPixels<'_>, zero_point: i32, out: &mut [u8], stride: usize) {
    let FourPixels { words, row_sums, panels, panel } = block;
    let channels = panels.len() / panel;
    assert!(panel > 8 && panel.is_multiple_of(4) && words.len() == (panel - 8) * 2 && row_sums.len() == 4);
    assert!(channels > 0 && panels.len() == channels * panel && out.len() >= 3 * stride + channels);
    // Registers of f32 hold what is needed once for each channel, and `r6`, which the compiler keeps for itself.
    // SAFETY: reads each panel to its end, and for each the words to theirs, which have as many quads of four pixels;
    // writes four bytes of `out` for each channel, the last of them `3·stride` after the first.
    unsafe {
        asm!(
            "vmov s5, r9
            vmov s6, r0
            vmov s7, r2
            vmov s8, s9, r3, r4
            vmov s10, s11, r5, r8
            vmov s12, r6
            2:
            ldr r12, [r1], #4
            vldmia r1!, {{s4}}
            vmov r2, s7
            ldm r2, {{r2, r3, r4, r5}}
            add r8, r12, r2
            add r9, r12, r3
            add r10, r12, r4
            add r11, r12, r5
            vmov r0, s6
            vmov r6, s11
            add r6, r1
            subs r2, r6, r1
            lsls r2, r2, #29
            bpl 3f",
            quad!(),
            "cmp r1, r6
            beq 4f
            3:",
            quad!(),
            quad!(),
            "cmp r1, r6
            bne 3b
            4:
            vmov s0, s1, r8, r9
            vmov s2, s3, r10, r11
            vcvt.f32.s32 s0, s0
            vcvt.f32.s32 s1, s1
            vcvt.f32.s32 s2, s2
            vcvt.f32.s32 s3, s3
            vmul.f32 s0, s0, s4
            vmul.f32 s1, s1, s4
            vmul.f32 s2, s2, s4
            vmul.f32 s3, s3, s4
            vcvtr.s32.f32 s0, s0
            vcvtr.s32.f32 s1, s1
            vcvtr.s32.f32 s2, s2
            vcvtr.s32.f32 s3, s3
            vmov r8, r9, s0, s1
            vmov r10, r11, s2, s3
            vmov r12, s5
            qadd r8, r8, r12
            qadd r9, r9, r12
            qadd r10, r10, r12
            qadd r11, r11, r12
            usat r8, #8, r8
            usat r9, #8, r9
            usat r10, #8, r10
            usat r11, #8, r11
            vmov r2, r3, s8, s9
            strb r8, [r2]
            strb r9, [r2, r3]
            strb r10, [r2, r3, lsl #1]
            add r4, r2, r3
            strb r11, [r4, r3, lsl #1]
            adds r2, #1
            vmov s8, r2
            vmov r4, s10
            cmp r1, r4
            bne 2b
            vmov r6, s12",
            inout("r0") words.as_ptr() => _, inout("r1") panels.as_ptr() => _, inout("r2") row_sums.as_ptr() => _,
            inout("r3") out.as_mut_ptr() => _, inout("r4") stride => _, inout("r5") panels.as_ptr_range().end => _,
            inout("r8") panel - 8 => _, inout("r9") zero_point => _,
            out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
            out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _,
            options(nostack),
        );
    }
}

/// `round(sum·scale)`, as [`round`] does.
#[cfg(arm_fpu)]
#[inline(always)]
pub(super) fn scale_and_round(mut sum: i32, scale: f32) -> i32 {
    // SAFETY: arithmetic on registers; see `round`.
    unsafe {
        asm!(
            "vmov s0, s1, {sum}, {scale}
            vcvt.f32.s32 s0, s0
            vmul.f32 s0, s0, s1
            vcvtr.s32.f32 s0, s0
            vmov {sum}, s0",
            sum = inout(reg) sum, scale = in(reg) scale.to_bits(), out("s0") _, out("s1") _,
            options(pure, nomem, nostack),
        );
    }
    sum
}

/// The result of the sum in `s0`: the next two registers are the zero point and the scale, and the one after the bias
/// the end of the pairs.
#[cfg(all(arm_dsp, arm_fpu))]
macro_rules! finish {
    () => {
        "vcvt.f32.s32 s0, s0
        vmul.f32 s0, s0, s2
        vcvtr.s32.f32 s0, s0
        vmov r12, lr, s0, s1
        qadd r12, r12, lr
        usat r12, #8, r12
        strb r12, [r1]
        add r1, r2
        vmov lr, s4
        cmp r0, lr
        bne 2b"
    };
}

/// [`Int8::add_windows`](crate::simd::Int8::add_windows) of windows of three rows and columns. Panics as that does.
#[cfg(all(arm_dsp, arm_fpu))]
#[inline(never)]
pub(super) fn add_windows_of_three<const K: usize, const STRIDE: usize>(
    Windows { weights, bias, scale, zero_point }: &Windows<K>,
    pairs: &[i32],
    out: &mut [u8],
    pitch: usize,
) {
    let (columns, windows) = (pairs.len() / 2, out.len().div_ceil(pitch));
    assert!(K == 3 && windows > 0 && pairs.len() % 2 == 0 && columns == (windows - 1) * STRIDE + K);
    // The weights of rows 0 and 1, those of row 2 in columns 0 and 1, that in column 2; then what becomes of a sum.
    let constants = [
        weights[0][0],
        weights[1][0],
        weights[2][0],
        weights[0][1] & 0xffff | weights[1][1] << 16,
        weights[2][1],
        *zero_point,
        scale.to_bits() as i32,
        *bias,
    ];
    macro_rules! step {
        ($($instructions:expr),*) => {
            // SAFETY: reads the pairs up to their end, of which a row of windows takes all, and writes `out` once for
            // each window.
            unsafe {
                asm!(
                    "vldr s1, [r3, #20]
                    vldr s2, [r3, #24]
                    vldr s3, [r3, #28]
                    vmov s4, r4
                    ldm r3, {{r3, r4, r5, r8, r9}}",
                    $($instructions,)*
                    finish!(),
                    inout("r0") pairs.as_ptr() => _, inout("r1") out.as_mut_ptr() => _, in("r2") pitch,
                    inout("r3") constants.as_ptr() => _, inout("r4") pairs.as_ptr_range().end => _,
                    out("r5") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
                    out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _,
                    options(nostack),
                );
            }
        };
    }
    if STRIDE == 1 {
        // The sums of the window that ends next and of the one after it.
        step!(
            "vmov r10, s3
            ldrd r12, lr, [r0], #8
            smlad r10, r12, r3, r10
            smlabb r10, lr, r8, r10
            ldrd r12, lr, [r0], #8
            smlad r10, r12, r4, r10
            smlabt r10, lr, r8, r10
            vmov r11, s3
            smlad r11, r12, r3, r11
            smlabb r11, lr, r8, r11
            2:
            ldrd r12, lr, [r0], #8
            smlad r10, r12, r5, r10
            smlabb r10, lr, r9, r10
            vmov s0, r10
            smlad r10, r12, r4, r11
            smlabt r10, lr, r8, r10
            vmov r11, s3
            smlad r11, r12, r3, r11
            smlabb r11, lr, r8, r11"
        );
    } else {
        step!(
            "vmov r10, s3
            ldrd r12, lr, [r0], #8
            smlad r10, r12, r3, r10
            smlabb r10, lr, r8, r10
            2:
            ldrd r12, lr, [r0], #8
            smlad r10, r12, r4, r10
            smlabt r10, lr, r8, r10
            ldrd r12, lr, [r0], #8
            smlad r10, r12, r5, r10
            smlabb r10, lr, r9, r10
            vmov s0, r10
            vmov r10, s3
            smlad r10, r12, r3, r10
            smlabb r10, lr, r8, r10"
        );
    }
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
