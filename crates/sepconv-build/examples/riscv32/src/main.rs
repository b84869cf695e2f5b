//! A network on a RISC-V of 32 bits. See `shared/harness.rs` for where its inputs come from.
#![no_std]
#![no_main]

#[path = "../../shared/harness.rs"]
mod harness;

include!(concat!(env!("OUT_DIR"), "/network.rs"));

use core::arch::asm;

use semihosting::process::exit;

// SAFETY: the linker script has a symbol of this name. Only its address is taken.
unsafe extern "C" {
    static _stack_start: u32;
}

#[riscv_rt::entry]
fn main() -> ! {
    static mut ARENA: network::Arena = network::Arena::new();
    // SAFETY: this is the only reference, and `main` runs once.
    let arena = unsafe { &mut *&raw mut ARENA };
    let stack = harness::Stack::paint(&raw const _stack_start as usize);
    let now = || {
        let instructions: u32;
        // SAFETY: reads a counter.
        unsafe { asm!("csrr {0}, minstret", out(reg) instructions, options(nomem, nostack)) };
        instructions
    };
    let done = harness::run(arena, now).and_then(|()| stack.report());
    exit(if done.is_ok() { 0 } else { 1 })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(2)
}
