//! The bytes of a TensorFlow Lite file → graph → plan → one run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sepconv_formats::tflite::Tflite;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Tflite::parse(bytes.to_vec()) else { return };
    file.metadata();
    let options = sepconv_fuzz::import_options(file.inputs());
    _ = file.graph(&options).and_then(|graph| sepconv_fuzz::run(graph, &options.limits));
});
