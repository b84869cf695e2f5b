//! What a network becomes, and what is refused.

use std::ops::ControlFlow;

use sepconv::{Limits, Model, Options, Preprocess, Quantizer, Tensor};
use sepconv_build::{Compilation, ErrorKind, Target};

fn float() -> Model {
    Model::named("mobilenet_v1@32x0.25").unwrap()
}

/// The same in int8, with f32 inputs and outputs.
fn quantized() -> Model {
    let options = Options::default().threads(1);
    let noise = |i: usize| (i.wrapping_mul(2_654_435_761) % 256) as f32 / 128.0 - 1.0;
    let pixels: Vec<f32> = (0..3 * 32 * 32).map(noise).collect();
    let samples = [vec![Tensor::f32([1, 3, 32, 32], pixels).unwrap()]];
    let graph = float().graph(&options).unwrap();
    let quantized = Quantizer::default().run(&graph, &samples, &options, &mut |_| ControlFlow::Continue(())).unwrap();
    Model::from_graph("folder/small network.onnx", quantized.graph, Preprocess::raw())
}

fn compilation() -> Compilation {
    Compilation::new(&quantized(), "small network", &Options::default()).unwrap()
}

#[test]
fn a_module_has_everything_that_a_program_needs() {
    let compilation = compilation().target(Target::CortexM4);
    assert_eq!(compilation.name(), "small_network");
    let (source, report) = (compilation.source().unwrap(), compilation.report().unwrap());
    for part in [
        "from small network.onnx for cortex-m4",
        "pub mod small_network {",
        "pub type Input = [f32; 3072];",
        "pub const fn new() -> Self",
        "pub fn run<'a>(input: &Input, arena: &'a mut Arena) -> &'a Output {",
        "pub fn run_step(step: usize, arena: &mut Arena) {",
        "depthwise_int8_on::<_, 3, 1, 3>(",
        "pointwise_int8_on(",
        "static WEIGHTS_",
    ] {
        assert!(source.contains(part), "{part}\n{}", &source[..4000]);
    }
    assert!(!source.contains("unsafe") && !source.contains("Isa"));
    assert!(report.layers.iter().all(|layer| layer.ram <= report.arena && layer.flash <= report.constants));
    assert!(report.arena <= report.layers.iter().map(|layer| layer.ram).max().unwrap() * 5 / 4, "{report}");
    assert_eq!(report.macs(), report.layers.iter().map(|layer| layer.macs).sum::<u64>());
}

#[test]
fn c_has_functions_and_a_header_that_declares_them() {
    let compilation = compilation().with_c();
    let (source, header) = (compilation.source().unwrap(), compilation.header().unwrap());
    for part in [
        "#[unsafe(no_mangle)]\n    pub extern \"C\" fn small_network_run(input: &Input, arena: &mut Arena) {",
        "pub extern \"C\" fn small_network_run_step(step: usize, arena: &mut Arena) {",
        "pub extern \"C\" fn small_network_output(arena: &Arena) -> &Output {\n        output(arena)\n    }",
    ] {
        assert!(source.contains(part), "{part}");
    }
    let report = compilation.report().unwrap();
    for part in [
        "#ifndef SMALL_NETWORK_H\n#define SMALL_NETWORK_H\n",
        "#define SMALL_NETWORK_INPUT_LEN 3072\n",
        &format!("uint8_t bytes[{}];\n}} small_network_arena;", report.arena),
        &format!("#define SMALL_NETWORK_STEPS {}\n", report.layers.len()),
        "void small_network_run(const float input[SMALL_NETWORK_INPUT_LEN], small_network_arena *arena);",
        "const float *small_network_output(const small_network_arena *arena);",
    ] {
        assert!(header.contains(part), "{part}\n{header}");
    }
}

#[test]
fn a_budget_that_is_passed_names_the_layer_and_the_bytes() {
    let report = compilation().report().unwrap();
    let enough = compilation().ram(report.ram().to_string()).flash(format!("{} kB", report.flash() / 1024 + 1));
    assert!(enough.source().is_ok());
    let most = |bytes: fn(&sepconv_build::LayerReport) -> usize| report.layers.iter().map(bytes).max().unwrap();
    for (compilation, memory, worst) in [
        (compilation().ram("8k"), "RAM", most(|layer| layer.ram)),
        (compilation().flash("100k"), "flash", most(|layer| layer.flash)),
    ] {
        let error = compilation.source().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        let text = error.to_string();
        assert!(text.contains(memory) && text.contains(&worst.to_string()) && error.node().is_some(), "{text}");
        assert!(error.advice().is_some() && text.contains("at most"), "{text}");
    }
    let error = compilation().ram("lots").source().unwrap_err().to_string();
    assert!(error.contains("lots") && error.contains("64k"), "{error}");
}

#[test]
fn a_layer_that_cannot_be_compiled_is_named_with_its_operator() {
    let error = Compilation::new(&float(), "float", &Options::default()).unwrap().report().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(error.node().is_some() && text.contains("conv2d") && text.contains("quantize"), "{text}");
}

#[test]
fn malformed_models_are_errors_of_the_build() {
    for bytes in [&b"junk"[..], &[0; 64], b"\x1c\0\0\0TFL3\xff\xff\xff\xff"] {
        let model = Model::from_bytes("junk.tflite", bytes.to_vec());
        let compiled = model.and_then(|model| Compilation::new(&model, "junk", &Options::default()));
        assert!(compiled.is_err(), "{bytes:?}");
    }
    let limits = Limits { max_memory: 1000, ..Limits::default() };
    assert!(Compilation::new(&quantized(), "large", &Options::default().limits(limits)).is_err());
}

#[test]
fn modules_are_written_whole_or_not_at_all() {
    let folder = std::env::temp_dir().join(format!("sepconv-build-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    assert!(compilation().ram("1k").write(&folder).is_err());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let path = compilation().write(&folder).unwrap();
    assert_eq!(path, folder.join("small_network.rs"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), compilation().source().unwrap());
    assert!(compilation().write(folder.join("absent")).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
