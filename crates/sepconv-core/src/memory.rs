use crate::{Error, Result};

/// Below this an allocation is not asked about first.
const SMALL: usize = 1 << 20;

/// Fails where so many bytes cannot be allocated: under a limit of address space, or on a system that does not
/// overcommit.
///
/// Most code allocates without asking, and a program ends where that fails. What takes much asks here just before.
/// Nothing is reserved: the memory is free again when this returns, and was never touched.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) with the number of bytes.
pub fn probe_memory(bytes: usize) -> Result<()> {
    if bytes < SMALL || is_available(bytes) {
        return Ok(());
    }
    Err(Error::io("out of memory").expected(alloc::format!("{bytes} bytes more"), "none"))
}

/// Asks the system, not the allocator: that may keep what it was given.
#[cfg(all(feature = "std", target_os = "linux"))]
fn is_available(bytes: usize) -> bool {
    memmap2::MmapMut::map_anon(bytes).is_ok()
}

#[cfg(not(any(all(feature = "std", target_os = "linux"), target_family = "wasm")))]
fn is_available(bytes: usize) -> bool {
    alloc::vec::Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
}

/// In WebAssembly memory that was asked for once is never given back, and where there is none the module ends, not its
/// host.
#[cfg(target_family = "wasm")]
fn is_available(_: usize) -> bool {
    true
}
