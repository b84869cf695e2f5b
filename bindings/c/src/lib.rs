//! sepconv for C: what `sepconv.h` declares. The comments of public items are the header's.
//!
//! What is allowed here: values that cross from C and back. `unsafe` only to follow C's pointers. No panic leaves: `status.rs`.
#![allow(clippy::missing_safety_doc, reason = "the header says what pointers must be, once for all functions")]

mod pointers;

// The header has what is public in this order.
mod status;

mod model;

mod options;

mod compiled;

mod session;

mod classifier;

use std::ffi::{CStr, c_char};

/// The version of the library, such as "0.1.0". Never NULL; it is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("versions hold no zero"),
    };
    VERSION.as_ptr()
}
