//! The TensorFlow Lite reader on real files: shapes and counts, and what becomes of damaged ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::common;
use sepconv_core::op::QuantParams;
use sepconv_core::{DType, ErrorKind, Graph, Limits, Node, Op, ValueId};
use sepconv_formats::ImportOptions;
use sepconv_formats::tflite::Tflite;

/// A file of the shared data.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    common::folder("SEPCONV_DATA").map(|folder| folder.join(path))
}

pub(crate) fn network(name: &str) -> Option<Tflite> {
    let bytes = fs::read(data(&format!("models/tflite/{name}.tflite"))?).unwrap();
    Some(Tflite::parse(bytes).unwrap())
}

/// Whether a value is a constant, or the real numbers that one stands for.
fn is_known(graph: &Graph, id: ValueId) -> bool {
    let dequantized = |node: &&Node| node.output == id && matches!(node.op, Op::Dequantize(_));
    let source = graph.nodes().iter().find(dequantized).map_or(id, |node| node.inputs[0]);
    graph.value(source).constant.is_some()
}

/// Parameters and multiply-accumulates of convolutions and fully connected layers.
fn cost(graph: &Graph) -> (usize, u64) {
    let layers =
        graph.nodes().iter().filter(|node| matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense(_)));
    layers.fold((0, 0), |(parameters, macs), node| {
        let operands: Vec<_> = node.inputs.iter().map(|&id| graph.value(id)).collect();
        let weights: usize = operands[1..3].iter().map(|value| value.shape.elements()).sum();
        assert!(node.inputs[1..3].iter().all(|&id| is_known(graph, id)), "{} has computed weights", node.name);
        (parameters + weights, macs + node.op.macs(&operands, &graph.value(node.output).shape))
    })
}

#[test]
fn networks_of_floats_become_graphs() {
    // The counts are those of the tensors in the files, added up with another reader; EfficientPose's three transposed
    // convolutions have no bias in the file and 16 zeros each here.
    let files: [(&str, &[&[usize]], usize, u64); 5] = [
        ("cifar10_resnet8_f32", &[&[1, 10]], 77_706, 12_501_632),
        ("kws_dscnn_f32", &[&[1, 12]], 22_604, 2_656_768),
        ("vww_96_f32", &[&[1, 2]], 210_850, 7_489_664),
        ("mobilenet_v1_0.25_224_f32", &[&[1, 1001]], 467_593, 41_030_528),
        (
            "efficientpose_rt_224_f16w",
            &[&[1, 28, 28, 28], &[1, 28, 28, 16], &[1, 28, 28, 16], &[1, 224, 224, 16]],
            447_152 + 3 * 16,
            432_431_872,
        ),
    ];
    for (name, outputs, parameters, macs) in files {
        let Some(file) = network(name) else { return };
        let graph = file.graph(&ImportOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shapes: Vec<_> = graph.outputs().iter().map(|port| graph.value(port.value).shape.to_vec()).collect();
        assert_eq!(shapes, outputs, "{name}");
        for (port, tensor_spec) in graph.outputs().iter().zip(file.outputs()) {
            assert_eq!(port.name, tensor_spec.name);
        }
        assert_eq!(cost(&graph), (parameters, macs), "{name}");
    }
}

/// A quantized file: the type, scale and zero point of its input and of its output, its parameters and its cost. These
/// two are those of the same f32 network.
type Quantized = (&'static str, (DType, f32, i32), (DType, f32, i32), usize, u64);

const QUANTIZED: &[Quantized] = &[
    ("cifar10_resnet8_int8", (DType::I8, 1.0, -128), (DType::I8, 1.0 / 256.0, -128), 77_706, 12_501_632),
    (
        "efficientnet_lite0_224_flowers_int8",
        (DType::U8, 0.003_921_569, 0),
        (DType::U8, 1.0 / 256.0, 0),
        3_356_405,
        383_913_952,
    ),
    ("kws_dscnn_int8", (DType::I8, 0.584_702_9, 83), (DType::I8, 1.0 / 256.0, -128), 22_604, 2_656_768),
    ("mcunet_320kb_1mb_176_int8", (DType::I8, 0.007_874_016, 0), (DType::I8, 0.201_788, -44), 729_720, 81_785_520),
    ("mobilenet_v1_0.25_128_quant", (DType::U8, 1.0 / 128.0, 128), (DType::U8, 1.0 / 256.0, 0), 467_593, 13_570_304),
    ("mobilenet_v1_0.5_160_quant", (DType::U8, 1.0 / 128.0, 128), (DType::U8, 1.0 / 256.0, 0), 1_326_633, 76_525_312),
    ("mobilenet_v1_0.75_192_quant", (DType::U8, 1.0 / 128.0, 128), (DType::U8, 1.0 / 256.0, 0), 2_578_121, 239_274_240),
    (
        "mobilenet_v1_1.0_224_quant_features",
        (DType::U8, 1.0 / 128.0, 128),
        (DType::U8, 0.023_528_477, 0),
        3_196_032,
        567_716_352,
    ),
    (
        "mobilenet_v1_1.0_224_quant_head",
        (DType::U8, 0.023_528_477, 0),
        (DType::U8, 1.0 / 256.0, 0),
        1_026_025,
        1_025_024,
    ),
    (
        "mobilenet_v2_1.0_224_ptq_int8",
        (DType::U8, 0.007_843_138, 127),
        (DType::U8, 1.0 / 256.0, 0),
        3_489_097,
        300_775_552,
    ),
    ("mobilenet_v2_1.0_224_quant", (DType::U8, 1.0 / 128.0, 128), (DType::U8, 1.0 / 256.0, 0), 3_489_097, 300_775_552),
    (
        "mobilenet_v3_small_1.0_224_uint8",
        (DType::U8, 0.007_874_016, 128),
        (DType::U8, 1.0 / 256.0, 0),
        2_537_825,
        56_511_424,
    ),
    ("person_detect_96_int8", (DType::I8, 0.007_843_138, -1), (DType::I8, 1.0 / 256.0, -128), 210_706, 7_157_888),
    ("vww_96_int8", (DType::I8, 0.003_921_569, -128), (DType::I8, 1.0 / 256.0, -128), 210_850, 7_489_664),
];

#[test]
fn quantized_networks_become_graphs() {
    let Some(folder) = data("models/tflite") else { return };
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let found: BTreeSet<String> = names.filter(|name| !name.ends_with("f32") && !name.ends_with("f16w")).collect();
    assert_eq!(found, QUANTIZED.iter().map(|(name, ..)| (*name).to_owned()).collect());
    for (name, input, output, parameters, macs) in QUANTIZED {
        let file = network(name).unwrap();
        let graph = file.graph(&ImportOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(cost(&graph), (*parameters, *macs), "{name}");
        let ports = [(file.inputs(), graph.inputs(), input), (file.outputs(), graph.outputs(), output)];
        for (tensor_specs, ports, &(dtype, scale, zero_point)) in ports {
            let expected = QuantParams::per_tensor(dtype, scale, zero_point);
            assert_eq!(
                (tensor_specs[0].dtype, tensor_specs[0].quantization.as_ref()),
                (dtype, Some(&expected)),
                "{name}"
            );
            assert_eq!(graph.value(ports[0].value).dtype, dtype, "{name}");
        }
        // Whatever computes with real numbers takes them from bytes and leaves bytes.
        let moves = |op: &Op| matches!(op, Op::Reshape(_) | Op::Pad(_));
        let dequantized = |node: &&Node| !moves(&node.op) && !matches!(node.op, Op::Quantize(_) | Op::Dequantize(_));
        for node in graph.nodes().iter().filter(dequantized) {
            let makers = node.inputs.iter().map(|&id| graph.nodes().iter().find(|maker| maker.output == id));
            let dequantized = |maker: Option<&Node>| maker.is_none_or(|maker| matches!(maker.op, Op::Dequantize(_)));
            assert!(makers.into_iter().all(dequantized), "{name}: {}", node.name);
        }
    }
}

#[test]
fn an_open_batch_is_one_unless_it_is_bound() {
    let Some(file) = network("vww_96_f32") else { return };
    assert_eq!(file.inputs()[0].dims, [None, Some(96), Some(96), Some(3)]);
    let bind = |shape: Vec<usize>| {
        let mut options = ImportOptions::default();
        options.shapes.insert("input_1".into(), shape);
        options
    };
    let shape = |graph: &Graph| graph.value(graph.inputs()[0].value).shape.to_vec();
    assert_eq!(shape(&file.graph(&ImportOptions::default()).unwrap()), [1, 96, 96, 3]);
    for wrong in [vec![1, 96, 96, 1], vec![1, 96, 96]] {
        assert_eq!(file.graph(&bind(wrong)).unwrap_err().kind(), ErrorKind::Argument);
    }
    let mut unknown = ImportOptions::default();
    unknown.shapes.insert("input".into(), vec![1, 96, 96, 3]);
    assert!(file.graph(&unknown).unwrap_err().to_string().starts_with("no input has this name"));
}

#[test]
fn metadata_names_normalization_and_classes() {
    let Some(file) = network("efficientnet_lite0_224_flowers_int8") else { return };
    let metadata = file.metadata().unwrap();
    let normalization = metadata.normalization.unwrap();
    assert_eq!((normalization.mean, normalization.std), (vec![0.0], vec![255.0]));
    assert_eq!(metadata.labels, ["daisy", "dandelion", "roses", "sunflowers", "tulips"]);

    let metadata = network("mobilenet_v1_0.25_128_quant").unwrap().metadata().unwrap();
    assert_eq!((metadata.labels.len(), &*metadata.labels[0]), (1001, "background"));
    assert_eq!(network("mobilenet_v1_0.25_224_f32").unwrap().metadata(), None);
}

/// Whether damaged bytes still made a graph. The limits keep what a size from a damaged file can cost small.
fn survives(bytes: &[u8]) -> bool {
    let limits = Limits { max_memory: 4 << 20, max_macs: 100_000_000, max_nodes: 200 };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    Tflite::parse(bytes.to_vec()).and_then(|file| file.graph(&options)).is_ok()
}

#[test]
fn cut_files_are_errors() {
    for name in ["kws_dscnn_f32", "kws_dscnn_int8", "cifar10_resnet8_f32"] {
        let Some(path) = data(&format!("models/tflite/{name}.tflite")) else { return };
        let bytes = fs::read(path).unwrap();
        assert!(survives(&bytes));
        for len in 0..bytes.len() {
            survives(&bytes[..len]);
        }
        assert!(!survives(&bytes[..bytes.len() / 2]));
    }
}

#[test]
fn damaged_files_are_errors_or_graphs() {
    for name in ["kws_dscnn_f32", "kws_dscnn_int8", "cifar10_resnet8_f32"] {
        let Some(path) = data(&format!("models/tflite/{name}.tflite")) else { return };
        let bytes = fs::read(path).unwrap();
        let mut random = Random(0x5eed);
        // Most bytes are weights, which any value suits: half of the damage goes where the outline lies.
        let outline: Vec<usize> =
            (0..bytes.len()).filter(|&i| bytes[i.saturating_sub(8)..bytes.len().min(i + 8)].contains(&0)).collect();
        let mut refused = 0;
        for round in 0..2000 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random.below(3) {
                let place =
                    if round % 2 == 0 { random.below(bytes.len()) } else { outline[random.below(outline.len())] };
                damaged[place] = random.below(256) as u8;
            }
            refused += usize::from(!survives(&damaged));
        }
        assert!(refused > 20, "{name}: only {refused} of the damaged files were refused");
    }
}

/// A linear congruential generator (Knuth's constants): the same damage on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
