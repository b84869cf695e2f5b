//! A network for C: what `sepconv compile --c` wrote to the folder that `NETWORK` names.
#![no_std]

include!(concat!(env!("NETWORK"), "/network.rs"));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
