//! Real networks on the photographs that came with them: outputs, classes and counts that other runtimes found.
//!
//! The data is not part of the project: it is looked for in `SEPCONV_DATA` or `../shared/data`. Without it these tests
//! say so and pass, unless `SEPCONV_REQUIRE_DATA` is set.

mod common;

use std::path::Path;

use common::data;
use sepconv::Isa;
use sepconv::{DType, Model, Options, Session, Tensor};

/// A file, the side of its input, what floats it takes for a pixel, how far its outputs may be from the golden ones.
struct Case {
    file: &'static str,
    side: usize,
    pixel: fn(f32, usize) -> f32,
    within: Within,
}

enum Within {
    /// 1e-4, as fits results of a softmax.
    Softmax,
    /// 1e-3 of the largest output.
    Logits,
    /// As much in units of the output, and another class for two of eight images at most. Between the kernels that gave
    /// the golden outputs and their optimized siblings lies the number behind `//`: a sum that is rounded otherwise
    /// once in 100,000 times ends there.
    Quantized(f32),
}

const fn case(file: &'static str, side: usize, pixel: fn(f32, usize) -> f32, within: Within) -> Case {
    Case { file, side, pixel, within }
}

const fn bytes(file: &'static str, side: usize, steps: f32) -> Case {
    case(file, side, raw, Within::Quantized(steps))
}

fn raw(px: f32, _: usize) -> f32 {
    px
}

fn unit(px: f32, _: usize) -> f32 {
    px / 255.0
}

fn torch(px: f32, channel: usize) -> f32 {
    (px / 255.0 - [0.485, 0.456, 0.406][channel]) / [0.229, 0.224, 0.225][channel]
}

fn tf(px: f32, _: usize) -> f32 {
    (px - 127.5) / 127.5
}

fn by_128(px: f32, _: usize) -> f32 {
    (px - 128.0) / 128.0
}

fn by_127(px: f32, _: usize) -> f32 {
    (px - 128.0) / 127.0
}

const CASES: &[Case] = &[
    case("onnx/efficientnet_lite0_224_flowers_f32.onnx", 224, unit, Within::Softmax),
    case("onnx/mcunet_320kb_1mb_176_bn_f32.onnx", 176, tf, Within::Logits),
    case("onnx/mobilenet_v1_0.25_224_bn_f32.onnx", 224, torch, Within::Logits),
    case("onnx/mobilenet_v1_1.0_224_f32.onnx", 224, by_128, Within::Softmax),
    case("onnx/mobilenet_v2_1.0_224_f32.onnx", 224, by_128, Within::Softmax),
    case("onnx/mobilenet_v3_small_1.0_224_f32.onnx", 224, by_127, Within::Softmax),
    case("tflite/mobilenet_v1_0.25_224_f32.tflite", 224, tf, Within::Softmax),
    case("onnx/efficientnet_lite0_224_flowers_qdq.onnx", 224, unit, Within::Quantized(0.012)), // 0.0117
    case("onnx/mobilenet_v1_1.0_224_qdq.onnx", 224, by_128, Within::Quantized(0.028)),         // 0.0273
    case("onnx/mobilenet_v2_1.0_224_qdq.onnx", 224, by_128, Within::Quantized(0.040)),         // 0.0117
    case("onnx/mobilenet_v3_small_1.0_224_qdq.onnx", 224, by_127, Within::Quantized(0.23)),    // 0.164
    bytes("tflite/efficientnet_lite0_224_flowers_int8.tflite", 224, 6.0),                      // 6
    bytes("tflite/mcunet_320kb_1mb_176_int8.tflite", 176, 9.0),                                // 9
    bytes("tflite/mobilenet_v1_0.25_128_quant.tflite", 128, 14.0),                             // 14
    bytes("tflite/mobilenet_v1_0.5_160_quant.tflite", 160, 10.0),                              // 10
    bytes("tflite/mobilenet_v1_0.75_192_quant.tflite", 192, 6.0),                              // 6
    bytes("tflite/mobilenet_v2_1.0_224_ptq_int8.tflite", 224, 22.0),                           // 22
    bytes("tflite/mobilenet_v2_1.0_224_quant.tflite", 224, 10.0),                              // 10
    bytes("tflite/mobilenet_v3_small_1.0_224_uint8.tflite", 224, 110.0),                       // 75
];

/// The same with one thread and with two, within the bounds, and the same class for every image.
#[test]
fn outputs_equal_the_golden_ones() {
    let Some(data) = data() else { return };
    for case in CASES {
        let name = case.file.split('/').next_back().unwrap();
        let golden = read_array(&data.join(format!("golden/{name}.out.npy")));
        let images = images(&data, case.side);
        assert_eq!((images.len(), golden.len() % 8), (8, 0), "{name}");
        let model = Model::open(data.join("models").join(case.file)).unwrap();
        let mut of_one_thread: Vec<Vec<f32>> = vec![];
        for threads in [1, 2] {
            let mut session = model.compile(&Options::default().threads(threads)).unwrap().session().unwrap();
            let got = images.iter().map(|image| elements(&session.run(&[&input(case, &session, image)]).unwrap()[0]));
            let got: Vec<Vec<f32>> = got.collect();
            check(case, &got, &golden);
            if let Within::Quantized(_) = case.within {
                assert!(of_one_thread.is_empty() || got == of_one_thread, "{name}: two threads compute otherwise");
                of_one_thread = got;
            }
        }
    }
}

/// One network in two files: the bytes that the first gives are those that the second takes.
#[test]
fn halves_of_a_network_fit_together() {
    let Some(data) = data() else { return };
    let half = |name: &str| {
        let path = data.join(format!("models/tflite/mobilenet_v1_1.0_224_quant_{name}.tflite"));
        Model::open(path).unwrap().compile(&Options::default()).unwrap().session().unwrap()
    };
    let (mut features, mut head) = (half("features"), half("head"));
    let case = bytes("mobilenet_v1_1.0_224_quant_features+head", 224, 18.0); // 18
    let golden = read_array(&data.join(format!("golden/{}.out.npy", case.file)));
    let run = |image: &Vec<f32>| {
        let features = features.run(&[&input(&case, &features, image)]).unwrap()[0].clone();
        elements(&head.run(&[&features]).unwrap()[0])
    };
    check(&case, &images(&data, case.side).iter().map(run).collect::<Vec<_>>(), &golden);
}

/// Exact sums, and roundings in one order: the bits are the same with every instruction set.
#[test]
fn instruction_sets_agree_on_quantized_networks() {
    let Some(data) = data() else { return };
    for case in CASES.iter().filter(|case| matches!(case.within, Within::Quantized(_))) {
        let (model, image) = (Model::open(data.join("models").join(case.file)).unwrap(), &images(&data, case.side)[0]);
        let run = |isa: &str| {
            let mut session = model.compile(&Options::default().isa(isa).threads(1)).unwrap().session().unwrap();
            let input = input(case, &session, image);
            elements(&session.run(&[&input]).unwrap()[0])
        };
        let expected = run("scalar");
        for isa in Isa::available() {
            assert!(run(isa.name()) == expected, "{}: {isa} computes otherwise", case.file);
        }
    }
}

fn check(case: &Case, got: &[Vec<f32>], golden: &[f32]) {
    let expected: Vec<&[f32]> = golden.chunks_exact(golden.len() / got.len()).collect();
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let most = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
        let bound = match case.within {
            Within::Softmax => 1e-4,
            Within::Logits => 1e-3 * most,
            Within::Quantized(bound) => bound,
        };
        let worst = expected.iter().zip(got).map(|(e, g)| (e - g).abs()).fold(0f32, f32::max);
        assert!(worst <= bound, "{}, image {i}: differs by {worst}, allowed is {bound}", case.file);
    }
    let same = got.iter().zip(&expected).filter(|(got, expected)| best(got) == best(expected)).count();
    let least = if matches!(case.within, Within::Quantized(_)) { 6 } else { 8 };
    assert!(same >= least, "{}: {same} images have the same class", case.file);
}

/// What a network takes for an image.
fn input(case: &Case, session: &Session, image: &[f32]) -> Tensor {
    let (side, info) = (case.side, &session.inputs()[0]);
    match info.dtype {
        DType::U8 => Tensor::u8(info.shape.to_vec(), image.iter().map(|&px| px as u8).collect::<Vec<_>>()).unwrap(),
        DType::I8 => {
            Tensor::i8(info.shape.to_vec(), image.iter().map(|&px| (px - 128.0) as i8).collect::<Vec<_>>()).unwrap()
        }
        _ if case.file.ends_with(".tflite") => {
            let pixels: Vec<f32> = image.iter().enumerate().map(|(i, &px)| (case.pixel)(px, i % 3)).collect();
            Tensor::f32(info.shape.to_vec(), pixels).unwrap()
        }
        _ => {
            let plane = side * side;
            let pixel = |i: usize| (case.pixel)(image[i % plane * 3 + i / plane], i / plane);
            Tensor::f32(info.shape.to_vec(), (0..3 * plane).map(pixel).collect::<Vec<_>>()).unwrap()
        }
    }
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
}

/// The eight images of the golden outputs, of this side.
fn images(data: &Path, side: usize) -> Vec<Vec<f32>> {
    let pixels = read_array(&data.join(format!("golden/inputs_8x{side}x{side}x3_u8.npy")));
    pixels.chunks_exact(side * side * 3).map(<[f32]>::to_vec).collect()
}

/// The elements of a .npy file, as floats.
fn read_array(path: &Path) -> Vec<f32> {
    let (_, tensor): (String, Tensor) = sepconv::npy::read(path, &sepconv::Limits::default()).unwrap().remove(0);
    elements(&tensor)
}

fn elements(tensor: &Tensor) -> Vec<f32> {
    match (tensor.as_f32(), tensor.as_u8(), tensor.as_i8()) {
        (Some(x), _, _) => x.to_vec(),
        (_, Some(x), _) => x.iter().map(|&x| x.into()).collect(),
        (_, _, x) => x.expect("floats or bytes").iter().map(|&x| x.into()).collect(),
    }
}
