//! A network on a Cortex-M. See `shared/harness.rs` for where its inputs come from.
#![no_std]
#![no_main]

#[path = "../../shared/harness.rs"]
mod harness;

include!(concat!(env!("OUT_DIR"), "/network.rs"));

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use semihosting::process::exit;

// SAFETY: the linker script has a symbol of this name. Only its address is taken.
unsafe extern "C" {
    static _stack_start: u32;
}

#[cortex_m_rt::entry]
fn main() -> ! {
    // `entry` makes this a reference: no other code can have one.
    static mut ARENA: network::Arena = network::Arena::new();
    let stack = harness::Stack::paint(&raw const _stack_start as usize);
    if let Some(mut peripherals) = Peripherals::take() {
        peripherals.SYST.set_clock_source(SystClkSource::Core);
        peripherals.SYST.set_reload(0x00ff_ffff);
        peripherals.SYST.enable_counter();
    }
    // The counter has 24 bits and counts down.
    let now = || SYST::get_current().wrapping_neg() << 8;
    let done = harness::run(ARENA, now).and_then(|()| stack.report());
    exit(if done.is_ok() { 0 } else { 1 })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(2)
}
