//! The TensorFlow Lite reader on real files: shapes and counts, answers, and what becomes of damaged ones.

use std::fs;
use std::path::PathBuf;

use crate::common;
use sepconv_core::{ErrorKind, Graph, Limits, Op, Tensor, interpret};
use sepconv_formats::tflite::Tflite;
use sepconv_formats::{Binding, npy};

/// A file of the shared data.
fn data(path: &str) -> Option<PathBuf> {
    common::folder("SEPCONV_DATA").map(|folder| folder.join(path))
}

fn network(name: &str) -> Option<Tflite> {
    let bytes = fs::read(data(&format!("models/tflite/{name}.tflite"))?).unwrap();
    Some(Tflite::parse(bytes).unwrap())
}

/// Parameters and multiply-accumulates of convolutions and fully connected layers.
fn cost(graph: &Graph) -> (usize, u64) {
    let layers =
        graph.nodes().iter().filter(|node| matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense { .. }));
    layers.fold((0, 0), |(parameters, macs), node| {
        let operands: Vec<_> = node.inputs.iter().map(|&id| graph.value(id)).collect();
        let weights: usize = operands[1..3].iter().map(|value| value.shape.elements()).sum();
        assert!(operands[1..3].iter().all(|value| value.constant.is_some()), "{} has computed weights", node.name);
        (parameters + weights, macs + node.op.macs(&operands, &graph.value(node.output).shape))
    })
}

#[test]
fn networks_of_floats_become_graphs() {
    // The counts are those of the tensors in the files, added up with another reader; EfficientPose's three transposed convolutions
    // have no bias in the file and 16 zeros each here.
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
        let graph = file.graph(&Binding::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shapes: Vec<_> = graph.outputs().iter().map(|port| graph.value(port.value).shape.to_vec()).collect();
        assert_eq!(shapes, outputs, "{name}");
        for (port, signature) in graph.outputs().iter().zip(file.outputs()) {
            assert_eq!(port.name, signature.name);
        }
        assert_eq!(cost(&graph), (parameters, macs), "{name}");
    }
}

#[test]
fn quantised_networks_are_refused_by_name() {
    let Some(folder) = data("models/tflite") else { return };
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name.ends_with("f32") || name.ends_with("f16w") {
            continue;
        }
        count += 1;
        let error = Tflite::parse(fs::read(&path).unwrap()).unwrap().graph(&Binding::default()).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {text}");
        assert!(text.starts_with("int8 is not supported yet\n  --> input"), "{name}: {text}");
        assert!(text.contains("help: use the float32 or float16 file of this network"), "{name}: {text}");
    }
    assert!(count >= 14, "{count} files");
}

#[test]
fn an_open_batch_is_one_unless_it_is_bound() {
    let Some(file) = network("vww_96_f32") else { return };
    assert_eq!(file.inputs()[0].dims, [None, Some(96), Some(96), Some(3)]);
    let bind = |shape: Vec<usize>| {
        let mut binding = Binding::default();
        binding.shapes.insert("input_1".into(), shape);
        binding
    };
    let shape = |graph: &Graph| graph.value(graph.inputs()[0].value).shape.to_vec();
    assert_eq!(shape(&file.graph(&Binding::default()).unwrap()), [1, 96, 96, 3]);
    for wrong in [vec![1, 96, 96, 1], vec![1, 96, 96]] {
        assert_eq!(file.graph(&bind(wrong)).unwrap_err().kind(), ErrorKind::Argument);
    }
    let mut unknown = Binding::default();
    unknown.shapes.insert("input".into(), vec![1, 96, 96, 3]);
    assert!(file.graph(&unknown).unwrap_err().to_string().starts_with("no input has this name"));
}

#[test]
fn metadata_names_normalisation_and_classes() {
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
    let binding = Binding { limits, ..Binding::default() };
    Tflite::parse(bytes.to_vec()).and_then(|file| file.graph(&binding)).is_ok()
}

#[test]
fn cut_files_are_errors() {
    for name in ["kws_dscnn_f32", "cifar10_resnet8_f32"] {
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
    for name in ["kws_dscnn_f32", "cifar10_resnet8_f32"] {
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

/// The tensors of a `.npy` file of the shared data.
fn array(path: &str) -> Option<Tensor> {
    Some(npy::read(&data(path)?, &Limits::default()).unwrap().remove(0).1)
}

#[test]
fn mobilenet_answers_as_the_reference_kernels_do() {
    let Some(file) = network("mobilenet_v1_0.25_224_f32") else { return };
    let (Some(images), Some(golden)) =
        (array("golden/inputs_8x224x224x3_u8.npy"), array("golden/mobilenet_v1_0.25_224_f32.tflite.out.npy"))
    else {
        return;
    };
    let graph = file.graph(&Binding::default()).unwrap();
    let pixels = images.as_i64().unwrap().chunks_exact(224 * 224 * 3);
    for (pixels, golden) in pixels.zip(golden.as_f32().unwrap().chunks_exact(1001)) {
        let input: Vec<f32> = pixels.iter().map(|&pixel| (pixel as f32 - 127.5) / 127.5).collect();
        let output = interpret(&graph, &[Tensor::f32([1, 224, 224, 3], input).unwrap()]).unwrap().remove(0);
        for (ours, theirs) in output.as_f32().unwrap().iter().zip(golden) {
            assert!((ours - theirs).abs() <= 1e-4, "{ours} instead of {theirs}");
        }
    }
}

/// DS-CNN's weights are 8-bit in this file. The count is that of the same network written out in NumPy.
#[test]
fn keywords_are_spotted() {
    let Some(file) = network("kws_dscnn_f32") else { return };
    let Some(features) = data("datasets/mlperf_tiny/kws01_500_int8_49x10.bin") else { return };
    let features = fs::read(features).unwrap();
    let labels = fs::read_to_string(data("datasets/mlperf_tiny/kws01_500_int8_49x10_labels.txt").unwrap()).unwrap();
    let graph = file.graph(&Binding::default()).unwrap();
    let samples = features.chunks_exact(490).zip(labels.lines());
    let right = samples.filter(|(sample, line)| {
        let input: Vec<f32> = sample.iter().map(|byte| (f32::from(byte.cast_signed()) - 83.0) * 0.584_702_9).collect();
        let output = interpret(&graph, &[Tensor::f32([1, 49, 10, 1], input).unwrap()]).unwrap().remove(0);
        let scores = output.as_f32().unwrap();
        let best = (0..12).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        line.ends_with(&format!(" {best}"))
    });
    let right = right.count();
    assert_eq!(right, 447);
}
