//! The bytes of a `.npy` or `.npz` file → tensors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sepconv_formats::npy;

fuzz_target!(|bytes: &[u8]| {
    _ = npy::parse(bytes, "array", &sepconv_fuzz::LIMITS);
});
