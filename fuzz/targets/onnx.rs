//! The bytes of an ONNX file → graph → plan → one run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sepconv_formats::onnx::Onnx;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Onnx::parse(bytes.to_vec()) else { return };
    let binding = sepconv_fuzz::binding(file.inputs());
    _ = file.graph(&binding).and_then(|graph| sepconv_fuzz::run(graph, &binding.limits));
});
