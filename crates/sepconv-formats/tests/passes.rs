//! What the passes leave of real networks: no transposes, no batch normalization, no real numbers between bytes, and
//! the blocks that the papers drew.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sepconv_core::analysis::{BlockKind, blocks};
use sepconv_core::passes::optimize;
use sepconv_core::{DType, Graph, Limits, Op, Plan, Port, ValueId};
use sepconv_formats::ImportOptions;
use sepconv_formats::onnx::Onnx;
use sepconv_formats::tflite::Tflite;
use sepconv_kernels::Isa;

/// How many blocks of each kind a network has.
#[derive(Debug, Default, PartialEq)]
struct Count {
    /// Depthwise and pointwise layers without an expansion before them.
    separable: usize,
    /// Expansion, depthwise and projection.
    inverted: usize,
    /// Inverted residuals that add their input.
    residual: usize,
    /// Blocks of either kind with a squeeze-excite inside.
    gated: usize,
    /// Squeeze-excites outside these blocks.
    lone: usize,
}

const fn separable(separable: usize) -> Count {
    Count { separable, inverted: 0, residual: 0, gated: 0, lone: 0 }
}

/// Table 2 of the MobileNetV2 paper: 17 bottlenecks, the first with expansion 1; all but the first of each row add
/// their input.
const MOBILENET_V2: Count = Count { separable: 1, inverted: 16, residual: 10, gated: 0, lone: 0 };

/// Table 2 of the MobileNetV3 paper: 11 bottlenecks, the first as wide inside as outside; two without squeeze-excite.
const MOBILENET_V3_SMALL: Count = Count { separable: 1, inverted: 10, residual: 6, gated: 9, lone: 0 };

/// Table 1 of the EfficientNet paper, without squeeze-excite: 1 + 2 + 2 + 3 + 3 + 4 + 1 blocks.
const LITE0: Count = Count { separable: 1, inverted: 15, residual: 9, gated: 0, lone: 0 };

/// The block list that lies beside the weights: 18 blocks, the first with expansion 1, 11 with a shortcut.
const MCUNET: Count = Count { separable: 1, inverted: 17, residual: 11, gated: 0, lone: 0 };

/// Every file of floats, with the blocks that its architecture has.
const NETWORKS: &[(&str, Count)] = &[
    // Section 3.2 of the MobileNet paper: 13 separable layers. Its fractions of the width have them too.
    ("onnx/mobilenet_v1_0.25_224_bn_f32.onnx", separable(13)),
    ("onnx/mobilenet_v1_1.0_224_f32.onnx", separable(13)),
    ("tflite/mobilenet_v1_0.25_224_f32.tflite", separable(13)),
    ("tflite/vww_96_f32.tflite", separable(13)),
    ("onnx/mobilenet_v2_1.0_224_f32.onnx", MOBILENET_V2),
    ("onnx/mobilenet_v3_small_1.0_224_f32.onnx", MOBILENET_V3_SMALL),
    // Table 1 there: 15 bottlenecks, here without squeeze-excite and with the first one's expansion kept, by a factor
    // of 1.
    ("onnx/ppocr_det_mobilenetv3_f32.onnx", Count { separable: 0, inverted: 15, residual: 10, gated: 0, lone: 0 }),
    ("onnx/efficientnet_lite0_224_flowers_f32.onnx", LITE0),
    // The first three rows of EfficientNet's, with squeeze-excite. What follows them gates by 1.25 · x · sigmoid(x),
    // which is no one operator.
    ("onnx/efficientpose_rt_224_f32.onnx", Count { separable: 1, inverted: 4, residual: 2, gated: 5, lone: 0 }),
    ("tflite/efficientpose_rt_224_f16w.tflite", Count { separable: 1, inverted: 4, residual: 2, gated: 5, lone: 0 }),
    ("onnx/mcunet_320kb_1mb_176_bn_f32.onnx", MCUNET),
    // 11 in the backbone, one before the last scale, six in the heads.
    ("onnx/ultraface_rfb320_bn_f32.onnx", separable(18)),
    ("onnx/ultraface_rfb320_folded_f32.onnx", separable(18)),
    ("tflite/kws_dscnn_f32.tflite", separable(4)),
    ("tflite/cifar10_resnet8_f32.tflite", separable(0)),
];

/// Every quantized file, with the blocks of its architecture, those of its floats where it has any.
const QUANTIZED: &[(&str, Count)] = &[
    ("onnx/efficientnet_lite0_224_flowers_qdq.onnx", LITE0),
    ("onnx/mobilenet_v1_1.0_224_qdq.onnx", separable(13)),
    ("onnx/mobilenet_v2_1.0_224_qdq.onnx", MOBILENET_V2),
    ("onnx/mobilenet_v3_small_1.0_224_qdq.onnx", MOBILENET_V3_SMALL),
    ("onnx/person_detect_96_qdq.onnx", separable(13)),
    ("tflite/cifar10_resnet8_int8.tflite", separable(0)),
    ("tflite/efficientnet_lite0_224_flowers_int8.tflite", LITE0),
    ("tflite/kws_dscnn_int8.tflite", separable(4)),
    ("tflite/mcunet_320kb_1mb_176_int8.tflite", MCUNET),
    ("tflite/mobilenet_v1_0.25_128_quant.tflite", separable(13)),
    ("tflite/mobilenet_v1_0.5_160_quant.tflite", separable(13)),
    ("tflite/mobilenet_v1_0.75_192_quant.tflite", separable(13)),
    ("tflite/mobilenet_v1_1.0_224_quant_features.tflite", separable(13)),
    ("tflite/mobilenet_v1_1.0_224_quant_head.tflite", separable(0)),
    ("tflite/mobilenet_v2_1.0_224_ptq_int8.tflite", MOBILENET_V2),
    ("tflite/mobilenet_v2_1.0_224_quant.tflite", MOBILENET_V2),
    ("tflite/mobilenet_v3_small_1.0_224_uint8.tflite", MOBILENET_V3_SMALL),
    ("tflite/person_detect_96_int8.tflite", separable(13)),
    ("tflite/vww_96_int8.tflite", separable(13)),
];

fn import(path: &Path) -> Graph {
    let mut options = ImportOptions::default();
    if path.ends_with("ppocr_det_mobilenetv3_f32.onnx") {
        options.shapes.insert("image".into(), vec![1, 3, 640, 640]);
    }
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let graph = match path.extension().is_some_and(|extension| extension == "onnx") {
        true => Onnx::parse(bytes).and_then(|file| file.graph(&options)),
        false => Tflite::parse(bytes).and_then(|file| file.graph(&options)),
    };
    graph.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn count(graph: &Graph) -> Count {
    let mut count = Count::default();
    for block in blocks(graph) {
        match block.kind {
            BlockKind::Separable { squeeze_excite } => {
                count.separable += 1;
                count.gated += usize::from(squeeze_excite);
            }
            BlockKind::InvertedResidual { squeeze_excite, residual } => {
                count.inverted += 1;
                count.gated += usize::from(squeeze_excite);
                count.residual += usize::from(residual);
            }
            BlockKind::SqueezeExcite => count.lone += 1,
        }
    }
    count
}

#[test]
fn every_file_is_listed() {
    let Some(data) = common::folder("SEPCONV_DATA") else { return };
    let listed: BTreeSet<String> = NETWORKS.iter().chain(QUANTIZED).map(|(name, _)| (*name).to_owned()).collect();
    let mut found = BTreeSet::new();
    for format in ["onnx", "tflite"] {
        for entry in fs::read_dir(data.join("models").join(format)).unwrap() {
            found.insert(format!("{format}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    assert_eq!(listed, found);
}

#[test]
fn no_transpose_and_no_batch_normalization_is_left() {
    let Some(data) = common::folder("SEPCONV_DATA") else { return };
    for (name, _) in NETWORKS {
        let graph = import(&data.join("models").join(name));
        let has = |graph: &Graph, wanted: fn(&Op) -> bool| graph.nodes().iter().any(|node| wanted(&node.op));
        let (transpose, norm) = (|op: &Op| matches!(op, Op::Transpose(_)), |op: &Op| matches!(op, Op::BatchNorm(_)));
        assert_eq!(has(&graph, transpose), name.ends_with("onnx"), "{name}: transposes before");
        let has_norm = name.contains("_bn_") || name.contains("ppocr");
        assert_eq!(has(&graph, norm), has_norm, "{name}: batch normalization before");
        let optimized = optimize(graph).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!has(&optimized, transpose), "{name}: transposes after\n{optimized}");
        assert!(!has(&optimized, norm), "{name}: batch normalization after\n{optimized}");
        let plan = Plan::new(&optimized, Isa::best(), 1, &Limits::default());
        let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!plan.layers().iter().any(|layer| layer.op.starts_with("transpose")), "{name}:\n{plan}");
    }
}

#[test]
fn blocks_are_those_of_the_architectures() {
    let Some(data) = common::folder("SEPCONV_DATA") else { return };
    for (name, expected) in NETWORKS.iter().chain(QUANTIZED) {
        let optimized = optimize(import(&data.join("models").join(name))).unwrap();
        assert_eq!(count(&optimized), *expected, "{name}\n{optimized}");
    }
}

/// Real numbers are where the file has them at its edges, and in the softmax: everything else computes with bytes.
#[test]
fn quantized_networks_become_integers() {
    let Some(data) = common::folder("SEPCONV_DATA") else { return };
    for (name, _) in QUANTIZED {
        let graph = optimize(import(&data.join("models").join(name))).unwrap();
        for node in graph.nodes() {
            let dequantized =
                |id: &ValueId| graph.value(*id).dtype == DType::F32 && graph.value(*id).constant.is_none();
            let dequantized = node.inputs.iter().chain([&node.output]).any(dequantized);
            let expected = matches!(node.op, Op::Quantize(_) | Op::Dequantize(_) | Op::Softmax(_));
            assert_eq!(dequantized, expected, "{name}: {} {}\n{graph}", node.op, node.name);
        }
        let count = |wanted: fn(&Op) -> bool| graph.nodes().iter().filter(|node| wanted(&node.op)).count();
        let dequantized = |port: &&Port| graph.value(port.value).dtype == DType::F32;
        let (entering, leaving) =
            (graph.inputs().iter().filter(dequantized), graph.outputs().iter().filter(dequantized));
        let softmax = count(|op| matches!(op, Op::Softmax(_)));
        assert!(softmax <= 1, "{name}:\n{graph}");
        assert_eq!(count(|op| matches!(op, Op::Quantize(_))), entering.count() + softmax, "{name}:\n{graph}");
        assert_eq!(count(|op| matches!(op, Op::Dequantize(_))), leaving.count() + softmax, "{name}:\n{graph}");
        let moved = count(|op| matches!(op, Op::Pad(_) | Op::Transpose(_)));
        assert_eq!(moved, 0, "{name}:\n{graph}");
    }
}
