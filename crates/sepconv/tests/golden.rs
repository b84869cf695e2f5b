//! Real networks on the photographs that came with them: outputs, classes and counts that other runtimes found.
//!
//! The data is not part of the project: it is looked for in `SEPCONV_DATA` or `../shared/data`. Without it these tests say so and pass,
//! unless `SEPCONV_REQUIRE_DATA` is set.

mod common;

use std::path::Path;

use common::data;
use sepconv::{Model, Options, Tensor};

/// A file, the side of its input, what its input is of a pixel, and whether its output is a softmax.
struct Case {
    file: &'static str,
    side: usize,
    pixel: fn(f32, usize) -> f32,
    softmax: bool,
}

fn torch(px: f32, channel: usize) -> f32 {
    (px / 255.0 - [0.485, 0.456, 0.406][channel]) / [0.229, 0.224, 0.225][channel]
}

const CASES: &[Case] = &[
    Case { file: "onnx/efficientnet_lite0_224_flowers_f32.onnx", side: 224, pixel: |px, _| px / 255.0, softmax: true },
    Case {
        file: "onnx/mcunet_320kb_1mb_176_bn_f32.onnx",
        side: 176,
        pixel: |px, _| (px - 127.5) / 127.5,
        softmax: false,
    },
    Case { file: "onnx/mobilenet_v1_0.25_224_bn_f32.onnx", side: 224, pixel: torch, softmax: false },
    Case { file: "onnx/mobilenet_v1_1.0_224_f32.onnx", side: 224, pixel: |px, _| (px - 128.0) / 128.0, softmax: true },
    Case { file: "onnx/mobilenet_v2_1.0_224_f32.onnx", side: 224, pixel: |px, _| (px - 128.0) / 128.0, softmax: true },
    Case {
        file: "onnx/mobilenet_v3_small_1.0_224_f32.onnx",
        side: 224,
        pixel: |px, _| (px - 128.0) / 127.0,
        softmax: true,
    },
    Case {
        file: "tflite/mobilenet_v1_0.25_224_f32.tflite",
        side: 224,
        pixel: |px, _| (px - 127.5) / 127.5,
        softmax: true,
    },
];

/// Softmax outputs within 1e-4, logits within 1e-3 of their size, the same class for every image: with one thread and with two.
#[test]
fn outputs_equal_the_golden_ones() {
    let Some(data) = data() else { return };
    for case in CASES {
        let (shape, pixels) = read_array(&data.join(format!("golden/inputs_8x{0}x{0}x3_u8.npy", case.side)));
        let name = case.file.split('/').next_back().unwrap();
        let (golden_shape, golden) = read_array(&data.join(format!("golden/{name}.out.npy")));
        assert_eq!((shape[0], golden_shape[0]), (8, 8));
        let model = Model::open(data.join("models").join(case.file)).unwrap();
        for threads in [1, 2] {
            let mut runner = model.compile(&Options::default().threads(threads)).unwrap();
            let images = pixels.chunks_exact(pixels.len() / 8).zip(golden.chunks_exact(golden.len() / 8));
            for (i, (image, expected)) in images.enumerate() {
                let got = runner.run(&input(case, image)).unwrap().as_f32().unwrap();
                let most = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
                let bound = if case.softmax { 1e-4 } else { 1e-3 * most };
                let worst = expected.iter().zip(got).map(|(e, g)| (e - g).abs()).fold(0f32, f32::max);
                assert!(
                    worst <= bound,
                    "{name}, image {i}, {threads} thread(s): differs by {worst}, allowed is {bound}"
                );
                assert_eq!(best(got), best(expected), "{name}, image {i}");
            }
        }
    }
}

fn input(case: &Case, image: &[f32]) -> Tensor {
    let side = case.side;
    if case.file.ends_with(".tflite") {
        let pixels: Vec<f32> = image.iter().enumerate().map(|(i, &px)| (case.pixel)(px, i % 3)).collect();
        return Tensor::f32([1, side, side, 3], pixels).unwrap();
    }
    let plane = side * side;
    let pixels: Vec<f32> = (0..3 * plane).map(|i| (case.pixel)(image[i % plane * 3 + i / plane], i / plane)).collect();
    Tensor::f32([1, 3, side, side], pixels).unwrap()
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
}

/// The shape and elements of a .npy file, as floats.
fn read_array(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let (_, tensor): (String, Tensor) = sepconv::npy::read(path, &sepconv::Limits::default()).unwrap().remove(0);
    let elements = match (tensor.as_f32(), tensor.as_u8()) {
        (Some(x), _) => x.to_vec(),
        (_, x) => x.unwrap().iter().map(|&x| x.into()).collect(),
    };
    (tensor.shape().to_vec(), elements)
}
