//! Networks that take and give bytes, from pixels to classes.

use sepconv::op::{BinaryFunction, Dequantize, QuantParams, Quantize, Reduce, Reduction};
use sepconv::{Builder, Limits, ValueId};
use sepconv::{Classifier, DType, Error, Image, Model, Op, Options, Preprocess, Session, Shape, Source, Tensor, onnx};

const COLOUR: [u8; 3] = [200, 90, 90];

/// Halves of a number above 3 or below.
fn halves(dtype: DType) -> QuantParams {
    QuantParams::per_tensor(dtype, 0.5, 3)
}

/// The mean of each channel of two by two pixels, from `input` to `output`: bytes of [`halves`] or floats.
fn means(input: DType, output: DType) -> Model {
    let mut builder = Builder::new(Limits::default());
    let mut node = builder.input("image", Shape::new([1, 3, 2, 2]).unwrap(), input).unwrap();
    let bytes = if input == DType::F32 { DType::U8 } else { input };
    if input == DType::F32 {
        node = builder.node("quantize", Quantize(halves(bytes)), &[node]).unwrap();
    }
    node = builder.node("dequantize", Dequantize(halves(bytes)), &[node]).unwrap();
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![2, 3], keep_dims: false });
    node = builder.node("mean", mean, &[node]).unwrap();
    if output != DType::F32 {
        node = builder.node("scores", Quantize(halves(output)), &[node]).unwrap();
    }
    builder.output("scores", node);
    Model::from_bytes("means.onnx", onnx::write(&builder.finish(), &onnx::Metadata::default()).unwrap()).unwrap()
}

fn classifier(input: DType, output: DType) -> Classifier {
    Classifier::new(&means(input, output), &Options::default().threads(1)).unwrap()
}

/// The image's classes in order, and their scores.
fn classify(classifier: &mut Classifier) -> (Vec<usize>, Vec<f32>) {
    let picture = Image::from_rgb(2, 2, COLOUR.repeat(4)).unwrap();
    let predictions = classifier.classify_exact(&picture, 3).unwrap();
    predictions.iter().map(|prediction| (prediction.output, prediction.score)).unzip()
}

/// `e^x` of the channels' values in parts of their sum.
fn softmax(values: [f32; 3]) -> Vec<f32> {
    let exp = values.map(|x| (x - values[0]).exp());
    exp.map(|x| x / exp.iter().sum::<f32>()).to_vec()
}

fn close(got: &[f32], expected: &[f32]) {
    assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-6), "{got:?} {expected:?}");
}

#[test]
fn ports_of_bytes_say_what_they_stand_for() {
    let session = means(DType::I8, DType::U8).compile(&Options::default()).unwrap().session().unwrap();
    let (input, output) = (&session.inputs()[0], &session.outputs()[0]);
    assert_eq!((input.dtype, &input.quantization), (DType::I8, &Some(halves(DType::I8))));
    assert_eq!((output.dtype, &output.quantization), (DType::U8, &Some(halves(DType::U8))));
    let floats = means(DType::F32, DType::F32).compile(&Options::default()).unwrap();
    assert_eq!((&floats.inputs()[0].quantization, &floats.outputs()[0].quantization), (&None, &None));
}

#[test]
fn pixels_are_the_bytes_of_a_network_that_takes_such() {
    for (dtype, formula, lowest) in [(DType::U8, "px", 0i16), (DType::I8, "px - 128", -128)] {
        let mut classifier = classifier(dtype, DType::F32);
        let stated = classifier.preprocess();
        assert_eq!((stated.name(), stated.formula(), stated.source()), ("raw", formula, Source::File));
        let values = COLOUR.map(|px| f32::from(i16::from(px) + lowest - 3) * 0.5);
        let (order, scores) = classify(&mut classifier);
        assert_eq!(order, [0, 1, 2], "equal scores keep the order of the classes");
        close(&scores, &softmax(values));

        // Asked for as such they are the same; anything else is a real number first.
        let (_, raw) = classify(&mut classifier.with_preprocess(Preprocess::raw()));
        close(&raw, &scores);
    }
    let unit = classifier(DType::U8, DType::F32).with_preprocess(Preprocess::unit());
    // 200/255 and 90/255 in halves, halves to even: 2 and 1.
    close(&classify(&mut { unit }).1, &softmax([1.0, 0.5, 0.5]));
}

#[test]
fn a_network_that_makes_bytes_of_pixels_itself_is_given_these() {
    let mut bytes = classifier(DType::F32, DType::F32).with_preprocess(Preprocess::custom(&[10.0], &[2.0]).unwrap());
    let values = COLOUR.map(|px| ((f32::from(px) - 10.0) / 2.0 * 2.0).round() / 2.0);
    close(&classify(&mut bytes).1, &softmax(values));
    assert_eq!((bytes.preprocess().name(), bytes.preprocess().source()), ("custom", Source::Argument));
    // Its floats, from the same pixels.
    let model = means(DType::F32, DType::F32);
    let mut session = model.compile(&Options::default().threads(1)).unwrap().session().unwrap();
    let pixels: Vec<f32> = COLOUR.iter().flat_map(|&px| [(f32::from(px) - 10.0) / 2.0; 4]).collect();
    let scores = &session.run(&[&Tensor::f32([1, 3, 2, 2], pixels).unwrap()]).unwrap()[0];
    close(scores.as_f32().unwrap(), &values);
}

#[test]
fn scores_of_bytes_are_dequantized() {
    for output in [DType::U8, DType::I8] {
        let mut classifier = classifier(DType::U8, output);
        let (_, scores) = classify(&mut classifier);
        // What signed bytes cannot hold ends at 127.
        let most = if output == DType::U8 { 255 } else { 127 };
        close(&scores, &softmax(COLOUR.map(|px| f32::from(i16::from(px).min(most) - 3) * 0.5)));
        assert!(classifier.softmax_added());
    }
}

/// The mean of each channel in parts of 400, rounded to bytes as probabilities are; from bytes to these or their real
/// numbers.
fn parts(output: DType) -> Model {
    let mut builder = Builder::new(Limits::default());
    let image = builder.input("image", Shape::new([1, 3, 2, 2]).unwrap(), DType::U8).unwrap();
    let pixels = Op::Dequantize(Dequantize(QuantParams::per_tensor(DType::U8, 1.0, 0)));
    let mut node = builder.node("pixels", pixels, &[image]).unwrap();
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![2, 3], keep_dims: false });
    node = builder.node("mean", mean, &[node]).unwrap();
    let scale = builder.constant("scale", Tensor::f32([1], [1.0 / 400.0]).unwrap()).unwrap();
    node = builder.node("score", BinaryFunction::Mul, &[node, scale]).unwrap();
    let parts = QuantParams::per_tensor(DType::U8, 1.0 / 256.0, 0);
    node = builder.node("bytes", Quantize(parts.clone()), &[node]).unwrap();
    if output == DType::F32 {
        node = builder.node("reals", Dequantize(parts), &[node]).unwrap();
    }
    builder.output("scores", node);
    Model::from_bytes("parts.onnx", onnx::write(&builder.finish(), &onnx::Metadata::default()).unwrap()).unwrap()
}

/// The bytes of a softmax seldom add up to 1: that is no reason for another.
#[test]
fn rounded_probabilities_stay() {
    for output in [DType::U8, DType::F32] {
        let mut classifier = Classifier::new(&parts(output), &Options::default()).unwrap();
        let (_, scores) = classify(&mut classifier);
        close(&scores, &[128.0 / 256.0, 58.0 / 256.0, 58.0 / 256.0]);
        assert!(!classifier.softmax_added(), "{output}");
    }
}

#[test]
fn tensors_of_another_type_are_refused() -> Result<(), Error> {
    let mut session: Session = means(DType::I8, DType::I8).compile(&Options::default().threads(1))?.session()?;
    let error = session.run(&[&Tensor::u8([1, 3, 2, 2], vec![0; 12])?]).unwrap_err().to_string();
    assert!(error.contains("expected i8 [1,3,2,2], got u8 [1,3,2,2]"), "{error}");
    let output = &session.run(&[&Tensor::i8([1, 3, 2, 2], (0i8..12).collect::<Vec<_>>())?])?[0];
    // The means of 0 to 3 and so on, 1.5 below the zero point of 3 or 2.5 and 6.5 above: halves to even.
    assert_eq!(output.as_i8(), Some(&[1, 5, 9][..]));
    Ok(())
}

/// The error for a classifier of the network that `build` makes of an image of unsigned bytes.
fn unsuitable(build: impl FnOnce(&mut Builder, ValueId) -> ValueId) -> String {
    let mut builder = Builder::new(Limits::default());
    let image = builder.input("image", Shape::new([1, 3, 2, 2]).unwrap(), DType::U8).unwrap();
    let output = build(&mut builder, image);
    builder.output("scores", output);
    let model =
        Model::from_bytes("odd.onnx", onnx::write(&builder.finish(), &onnx::Metadata::default()).unwrap()).unwrap();
    Classifier::new(&model, &Options::default()).unwrap_err().to_string()
}

#[test]
fn scores_with_several_scales_are_refused() {
    let several = QuantParams { scale: vec![0.5, 0.25, 1.0], zero_point: vec![0; 3], ..halves(DType::U8) };
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![2, 3], keep_dims: false });
    let error = unsuitable(|builder, image| {
        let dequantized = builder.node("reals", Dequantize(halves(DType::U8)), &[image]).unwrap();
        let mean = builder.node("mean", mean.clone(), &[dequantized]).unwrap();
        builder.node("bytes", Quantize(QuantParams { axis: 1, ..several.clone() }), &[mean]).unwrap()
    });
    assert!(error.contains("several scales"), "{error}");
    let error = unsuitable(|builder, image| {
        let dequantized = Op::Dequantize(Dequantize(QuantParams { axis: 1, ..several.clone() }));
        let dequantized = builder.node("reals", dequantized, &[image]).unwrap();
        builder.node("mean", mean.clone(), &[dequantized]).unwrap()
    });
    assert!(error.contains("several scales"), "{error}");
}
