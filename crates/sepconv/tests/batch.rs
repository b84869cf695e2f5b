//! A network at a batch of N computes what N runs of one image compute.

mod common;

use sepconv::op::{Activation, Reshape, Softmax};
use sepconv::{Builder, DType, ErrorKind, Limits, Model, Options, Preprocess, Result, Shape, Tensor};

const BATCH: usize = 3;

fn options() -> Options {
    Options::default().threads(1)
}

/// Runs a model on `BATCH` images one by one and at once; returns the largest difference of an output, in units of its
/// largest element.
fn difference(model: &Model) -> f32 {
    let compiled = model.compile(&options()).unwrap();
    let batched = model.compile(&options().batch(BATCH)).unwrap();
    let (one, many) = (&compiled.inputs()[0], &batched.inputs()[0]);
    assert_eq!(many.shape[0], BATCH);
    assert_eq!(many.shape[1..], one.shape[1..]);
    assert_eq!(batched.outputs()[0].shape.elements(), BATCH * compiled.outputs()[0].shape.elements());
    let len = one.shape.elements();
    let pixel = |i: usize| (i * 7919 + i / len * 31) % 251;
    let tensor = |shape: &[usize], range: std::ops::Range<usize>| match one.dtype {
        DType::F32 => Tensor::f32(shape, range.map(|i| pixel(i) as f32 / 125.0 - 1.0).collect::<Vec<_>>()).unwrap(),
        DType::U8 => Tensor::u8(shape, range.map(|i| pixel(i) as u8).collect::<Vec<_>>()).unwrap(),
        DType::I8 => Tensor::i8(shape, range.map(|i| pixel(i) as u8 as i8).collect::<Vec<_>>()).unwrap(),
        DType::I64 => unreachable!("images are no integers of 64 bits"),
    };
    let mut session = compiled.session().unwrap();
    let singly: Vec<f32> = (0..BATCH)
        .flat_map(|i| numbers(&session.run(&[&tensor(&one.shape, i * len..(i + 1) * len)]).unwrap()[0]))
        .collect();
    let mut session = batched.session().unwrap();
    let at_once = numbers(&session.run(&[&tensor(&many.shape, 0..BATCH * len)]).unwrap()[0]);
    let largest = singly.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    assert!(
        singly[..singly.len() / BATCH] != singly[singly.len() / BATCH..][..singly.len() / BATCH],
        "images are alike"
    );
    singly.iter().zip(&at_once).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs() / largest))
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    match tensor.data() {
        sepconv::Data::F32(data) => data.clone(),
        sepconv::Data::U8(data) => data.iter().map(|&x| x.into()).collect(),
        sepconv::Data::I8(data) => data.iter().map(|&x| x.into()).collect(),
        sepconv::Data::I64(data) => data.iter().map(|&x| x as f32).collect(),
    }
}

#[test]
fn networks_compute_the_same_at_any_batch() {
    for name in ["mobilenet_v1@32x0.25", "mobilenet_v3_small@64", "efficientnet_b0@64"] {
        let difference = difference(&Model::named(name).unwrap());
        assert!(difference < 1e-5, "{name}: {difference}");
    }
}

/// Files of a fixed and of an open batch, of f32 and int8, of both formats.
#[test]
fn files_compute_the_same_at_any_batch() {
    let Some(data) = common::data() else { return };
    for file in [
        "onnx/mobilenet_v2_1.0_224_f32.onnx",
        "onnx/mobilenet_v2_1.0_224_qdq.onnx",
        "tflite/mobilenet_v1_0.25_128_quant.tflite",
    ] {
        let difference = difference(&Model::open(data.join("models").join(file)).unwrap());
        assert!(difference < 1e-4, "{file}: {difference}");
    }
}

fn refusal(build: impl Fn(&mut Builder, sepconv::ValueId) -> Result<sepconv::ValueId>) -> sepconv::Error {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1, 4]).unwrap(), DType::F32).unwrap();
    let y = build(&mut builder, x).unwrap();
    builder.output("y", y);
    let model = Model::from_graph("it", builder.finish(), Preprocess::raw());
    assert!(model.compile(&options()).is_ok());
    model.compile(&options().batch(2)).unwrap_err()
}

#[test]
fn the_node_that_forbids_a_batch_is_named() {
    let flat = |builder: &mut Builder, x| builder.node("flat", Reshape { shape: Shape::new([4])? }, &[x]);
    let mixing = |builder: &mut Builder, x| builder.node("mixing", Softmax { axis: 0, log: false }, &[x]);
    for (error, node) in [(refusal(flat), "node \"flat\""), (refusal(mixing), "node \"mixing\"")] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(node), "{error}");
    }
    let model = Model::named("mobilenet_v1@32x0.25").unwrap();
    assert_eq!(model.compile(&options().batch(0)).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(model.compile(&options().batch(1 << 40)).unwrap_err().kind(), ErrorKind::Limit);
    let relu = |builder: &mut Builder, x| builder.node("relu", Activation::Relu, &[x]);
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([4]).unwrap(), DType::F32).unwrap();
    let y = relu(&mut builder, x).unwrap();
    builder.output("y", y);
    let error = Model::from_graph("it", builder.finish(), Preprocess::raw()).compile(&options().batch(2)).unwrap_err();
    assert!(error.to_string().starts_with("input has no batch axis"), "{error}");
}
