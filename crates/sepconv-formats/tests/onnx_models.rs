//! Real networks, and what is left of them when a file breaks off.

mod common;

use std::path::Path;

use bytes::Bytes;
use common::folder;
use sepconv_core::{ErrorKind, Graph, Limits, Node, Op, Result, Tensor, ValueId, interpret, passes};
use sepconv_formats::onnx::Onnx;
use sepconv_formats::{ImportOptions, npy};

fn read(data: &Path, name: &str) -> Bytes {
    std::fs::read(data.join("models/onnx").join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

fn graph(bytes: &Bytes, shapes: &[(&str, &[usize])]) -> Result<Graph> {
    let shapes = shapes.iter().map(|(name, dims)| (name.to_string(), dims.to_vec())).collect();
    Onnx::parse(bytes.clone())?.graph(&ImportOptions { shapes, ..ImportOptions::default() })
}

fn macs(graph: &Graph) -> u64 {
    let cost = |node: &Node| {
        let operands: Vec<_> = node.inputs.iter().map(|&id| graph.value(id)).collect();
        node.op.macs(&operands, &graph.value(node.output).shape)
    };
    graph.nodes().iter().map(cost).sum()
}

/// A file, the input's shape, the outputs' and the multiply-accumulates of convolutions and fully connected layers.
type Network = (&'static str, [usize; 4], &'static [&'static [usize]], u64);

const NETWORKS: &[Network] = &[
    ("efficientnet_lite0_224_flowers_f32.onnx", [1, 3, 224, 224], &[&[1, 5]], 383_913_952),
    (
        "efficientpose_rt_224_f32.onnx",
        [1, 3, 224, 224],
        &[&[1, 28, 28, 28], &[1, 16, 28, 28], &[1, 16, 28, 28], &[1, 16, 224, 224]],
        432_431_872,
    ),
    ("mcunet_320kb_1mb_176_bn_f32.onnx", [1, 3, 176, 176], &[&[1, 1000]], 81_785_520),
    ("mobilenet_v1_0.25_224_bn_f32.onnx", [1, 3, 224, 224], &[&[1, 1000]], 41_030_272),
    ("mobilenet_v1_1.0_224_f32.onnx", [1, 3, 224, 224], &[&[1, 1001]], 568_741_376),
    ("mobilenet_v2_1.0_224_f32.onnx", [1, 3, 224, 224], &[&[1, 1001]], 300_775_552),
    ("mobilenet_v3_small_1.0_224_f32.onnx", [1, 3, 224, 224], &[&[1, 1001]], 56_511_424),
    ("ppocr_det_mobilenetv3_f32.onnx", [1, 3, 640, 640], &[&[1, 1, 640, 640]], 1_911_763_200),
    ("ultraface_rfb320_bn_f32.onnx", [1, 3, 240, 320], &[&[1, 4420, 2], &[1, 4420, 4]], 100_418_560),
    ("ultraface_rfb320_folded_f32.onnx", [1, 3, 240, 320], &[&[1, 4420, 2], &[1, 4420, 4]], 100_418_560),
];

#[test]
fn every_f32_network_becomes_a_graph() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    for (name, input, outputs, cost) in NETWORKS {
        let onnx = Onnx::parse(read(&data, name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(onnx.inputs().len(), 1, "{name}: weights are not inputs");
        let shapes = [(onnx.inputs()[0].name.clone(), input.to_vec())].into();
        let graph = onnx.graph(&ImportOptions { shapes, ..ImportOptions::default() });
        let graph = graph.unwrap_or_else(|error| panic!("{name}: {error}"));
        let found: Vec<&[usize]> = graph.outputs().iter().map(|port| &graph.value(port.value).shape[..]).collect();
        assert_eq!(found, *outputs, "{name}");
        assert_eq!(macs(&graph), *cost, "{name}: multiply-accumulates");
    }
}

#[test]
fn open_sizes_are_asked_for() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    let bytes = read(&data, "ppocr_det_mobilenetv3_f32.onnx");
    let error = graph(&bytes, &[]).expect_err("height and width are open");
    assert_eq!(
        error.to_string(),
        "input leaves sizes open\n  --> input \"image\"\n   = expected one size for each axis, got f32 [?,3,?,?]\n   \
         = help: give its shape, e.g. Options::shape(\"image\", [1,3,640,640]) or --shape image=1,3,640,640"
    );
    let error = graph(&bytes, &[("image", &[1, 4, 640, 640])]).expect_err("the file says three channels");
    assert_eq!(error.kind(), ErrorKind::Argument);
    let error = graph(&bytes, &[("imaeg", &[1, 3, 640, 640])]).expect_err("no input has this name");
    assert!(error.to_string().contains("one of [\"image\"], got \"imaeg\""), "{error}");
}

const QUANTIZED: &[Network] = &[
    ("efficientnet_lite0_224_flowers_qdq.onnx", [1, 3, 224, 224], &[&[1, 5]], 383_913_952),
    ("mobilenet_v1_1.0_224_qdq.onnx", [1, 3, 224, 224], &[&[1, 1001]], 568_741_376),
    ("mobilenet_v2_1.0_224_qdq.onnx", [1, 3, 224, 224], &[&[1, 1001]], 300_775_552),
    ("mobilenet_v3_small_1.0_224_qdq.onnx", [1, 3, 224, 224], &[&[1, 1001]], 56_511_424),
    ("person_detect_96_qdq.onnx", [1, 1, 96, 96], &[&[1, 2]], 7_157_888),
];

/// Whether a value is what a convolution of bytes takes: constants or results of quantizations, dequantized.
fn is_dequantized(graph: &Graph, value: ValueId) -> bool {
    let maker = |value: ValueId| graph.nodes().iter().find(|node| node.output == value);
    let behind = |node: &Node| maker(node.inputs[0]);
    match maker(value) {
        Some(node) if matches!(node.op, Op::Transpose(_)) => is_dequantized(graph, node.inputs[0]),
        Some(node) if matches!(node.op, Op::Dequantize(_)) => behind(node)
            .map_or(graph.value(node.inputs[0]).constant.is_some(), |node| matches!(node.op, Op::Quantize(_))),
        _ => false,
    }
}

#[test]
fn every_quantized_network_becomes_a_graph() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    for (name, input, outputs, cost) in QUANTIZED {
        let graph = graph(&read(&data, name), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(graph.value(graph.inputs()[0].value).shape[..], *input, "{name}");
        let found: Vec<&[usize]> = graph.outputs().iter().map(|port| &graph.value(port.value).shape[..]).collect();
        assert_eq!(found, *outputs, "{name}");
        assert_eq!(macs(&graph), *cost, "{name}: multiply-accumulates");
        let layers = graph.nodes().iter().filter(|node| matches!(node.op, Op::Conv2d(_) | Op::Dense(_)));
        let dequantized = layers.flat_map(|layer| &layer.inputs).filter(|&&operand| !is_dequantized(&graph, operand));
        assert_eq!(dequantized.count(), 0, "{name}: every operand was bytes");
        let optimized = passes::optimize(graph).unwrap_or_else(|error| panic!("{name}: {error}"));
        let transposes = optimized.nodes().iter().filter(|node| matches!(node.op, Op::Transpose(_)));
        assert_eq!(transposes.count(), 0, "{name}:\n{optimized}");
    }
}

/// onnxruntime gives the same numbers with its optimizations off.
#[test]
fn quantized_networks_answer_as_onnxruntime_does() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    let array = |name: &str| npy::read(&data.join("golden").join(name), &Limits::default()).expect(name).remove(0).1;
    let (images, golden) = (array("inputs_8x224x224x3_u8.npy"), array("mobilenet_v2_1.0_224_qdq.onnx.out.npy"));
    let (images, golden) = (images.as_u8().expect("pixels"), golden.as_f32().expect("probabilities"));
    let plane = 224 * 224;
    let input: Vec<f32> =
        (0..3 * plane).map(|i| (f32::from(images[i % plane * 3 + i / plane]) - 128.0) / 128.0).collect();
    let output = answer(&data, "mobilenet_v2_1.0_224_qdq.onnx", Tensor::f32([1, 3, 224, 224], input));
    assert!(output.iter().zip(golden).all(|(ours, theirs)| (ours - theirs).abs() < 1e-6), "{output:?}");
}

/// The images that come with the TensorFlow Lite file of this network, and what onnxruntime sees in them to a step of
/// 1/256: its sums are of floats.
#[test]
fn a_person_is_told_from_none() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    for (name, scores) in [("person", [15.0, 241.0]), ("no_person", [188.0, 68.0])] {
        let bitmap = std::fs::read(data.join(format!("images/person_detect_{name}.bmp"))).expect(name);
        let rows = bitmap[bitmap.len() - 96 * 96..].chunks_exact(96).rev();
        let pixels: Vec<f32> =
            rows.flatten().map(|pixel| (f32::from(pixel.cast_signed()) + 1.0) * 0.007_843_14).collect();
        let output = answer(&data, "person_detect_96_qdq.onnx", Tensor::f32([1, 1, 96, 96], pixels));
        let close = output.iter().zip(scores).all(|(ours, theirs)| (ours * 256.0 - theirs).abs() <= 1.0);
        assert!(close, "{name}: {output:?}");
    }
}

fn answer(data: &Path, name: &str, input: Result<Tensor>) -> Vec<f32> {
    let graph = graph(&read(data, name), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
    let outputs = input.and_then(|input| interpret(&graph, &[input]));
    let output = outputs.unwrap_or_else(|error| panic!("{name}: {error}")).remove(0);
    output.as_f32().expect("numbers").to_vec()
}

#[test]
fn files_that_break_off_are_malformed() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    for name in ["person_detect_96_qdq.onnx", "ultraface_rfb320_folded_f32.onnx", "ultraface_rfb320_bn_f32.onnx"] {
        let bytes = read(&data, name);
        for length in 0..bytes.len() {
            let error = Onnx::parse(bytes.slice(..length)).err();
            let error = error.unwrap_or_else(|| panic!("{name} cut to {length} bytes is accepted"));
            assert_eq!(error.kind(), ErrorKind::Malformed, "{name} cut to {length} bytes: {error}");
        }
    }
}

#[test]
fn damaged_files_are_errors_or_graphs() {
    let Some(data) = folder("SEPCONV_DATA") else { return };
    let bytes = read(&data, "person_detect_96_qdq.onnx");
    let limits = Limits { max_memory: 4 << 20, max_macs: 1 << 30, max_nodes: 1000 };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let survives = |bytes: Vec<u8>| Onnx::parse(bytes).and_then(|onnx| onnx.graph(&options)).is_ok();
    assert!(survives(bytes.to_vec()));
    // Every few bytes one is wrong in turn: most are weights, which any value suits.
    let damaged = (0..bytes.len()).step_by(97).map(|place| {
        let mut damaged = bytes.to_vec();
        damaged[place] ^= 1 << (place % 8);
        survives(damaged)
    });
    let refused = damaged.filter(|survived| !survived).count();
    assert!(refused > 100, "only {refused} of the damaged files were refused");
}

#[test]
fn bytes_of_other_formats_are_malformed() {
    for bytes in [&b""[..], b"\0", b"TFL3", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"not a model at all", &[0xff; 64]] {
        let error = Onnx::parse(bytes).expect_err("not a model");
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}
