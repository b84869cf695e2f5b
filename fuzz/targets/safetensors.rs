//! The bytes of a `.safetensors` file → tensors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sepconv_formats::safetensors;

fuzz_target!(|bytes: &[u8]| {
    _ = safetensors::parse(bytes, &sepconv_fuzz::LIMITS);
});
