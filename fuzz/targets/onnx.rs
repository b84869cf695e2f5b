//! The bytes of an ONNX file → graph → plan → one run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sepconv_formats::onnx::Onnx;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Onnx::parse(bytes.to_vec()) else { return };
    let options = sepconv_fuzz::import_options(file.inputs());
    _ = file.graph(&options).and_then(|graph| sepconv_fuzz::run(graph, &options.limits));
});
