//! The calls that programs make, on the network of `examples/colors.onnx`.

use std::path::Path;

use sepconv::onnx::{self, Metadata};
use sepconv::{
    Classifier, DType, ErrorKind, Format, GroundTruth, Image, Labels, Model, Options, Preprocess, Source, Tensor,
};

const COLOURS: &[u8] = include_bytes!("../../../examples/colors.onnx");
const NAMES: &str = include_str!("../../../examples/colors.txt");

fn model() -> Model {
    Model::from_bytes("colors.onnx", COLOURS).unwrap()
}

fn painted(color: [u8; 3]) -> Image {
    Image::from_rgb(33, 33, color.repeat(33 * 33)).unwrap()
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_name() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("byte_order_mark.txt");
    std::fs::write(&path, "\u{feff}a.jpg 7\n").unwrap();
    assert_eq!(GroundTruth::open(&path).unwrap().class("a.jpg"), Some(7));
    assert_eq!(Labels::open(&path).unwrap().names(), ["a.jpg 7"]);
}

#[test]
fn a_model_tells_what_it_is() {
    let model = model();
    assert_eq!((model.name(), model.format()), ("colors.onnx", Format::Onnx));
    let [input] = model.inputs() else { panic!("{:?}", model.inputs()) };
    assert_eq!((input.name.as_str(), &input.dims[..]), ("image", &[Some(1), Some(3), Some(33), Some(33)][..]));
    assert_eq!(model.outputs()[0].name, "scores");
    assert_eq!((model.embedded_preprocess(), model.labels()), (Ok(None), None));
    let preprocess = model.preprocess().unwrap();
    assert_eq!((preprocess.name(), preprocess.source()), ("torch", Source::Default));
}

/// The network of the example, whose file says this of itself.
fn stating(metadata: &Metadata) -> Model {
    let graph = model().import(&Options::default()).unwrap();
    Model::from_bytes("stated.onnx", onnx::write(&graph, metadata).unwrap()).unwrap()
}

#[test]
fn a_file_states_how_it_is_used() {
    let labels = Labels::parse(NAMES).unwrap();
    let metadata = Metadata {
        description: "names colors".into(),
        preprocess: Some("torch:no-crop".into()),
        labels: labels.names().to_vec(),
    };
    let model = stating(&metadata);
    assert_eq!((model.description(), model.labels()), (Some("names colors"), Some(labels)));
    assert_eq!(model.metadata(), Ok(metadata));
    let preprocess = model.preprocess().unwrap();
    assert_eq!((preprocess.text().as_str(), preprocess.source()), ("torch:no-crop", Source::File));

    let mut classifier = Classifier::new(&model, &Options::default()).unwrap();
    let blue = classifier.classify(&painted([10, 20, 250]), 1).unwrap().remove(0);
    assert_eq!(blue.label.as_deref(), Some("blue"));
    // A red frame that the usual margin would cut off: without it the network sees more red than blue.
    let framed = (0..33 * 33).map(|i| if (4..29).contains(&(i / 33)) && (4..29).contains(&(i % 33)) { 2 } else { 0 });
    let colors = [[220, 30, 20], [0; 3], [10, 20, 250]];
    let framed = Image::from_rgb(33, 33, framed.flat_map(|i: usize| colors[i]).collect()).unwrap();
    let red = |classifier: &mut Classifier| {
        let all = classifier.classify(&framed, 6).unwrap();
        all.into_iter().find(|prediction| prediction.class == Some(2)).unwrap().score
    };
    let whole = red(&mut classifier);
    let mut usual = classifier.with_preprocess(Preprocess::torch());
    assert!(red(&mut usual) < whole);
}

#[test]
fn a_preprocess_that_nobody_knows_is_the_files_fault() {
    let model = stating(&Metadata { preprocess: Some("caffe".into()), ..Metadata::default() });
    let error = Classifier::new(&model, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let text = error.to_string();
    assert!(text.contains("stated.onnx") && text.contains("got \"caffe\""), "{text}");
    // What does not need it still works.
    assert!(model.compile(&Options::default()).is_ok());
}

#[test]
fn a_model_that_becomes_a_session_or_a_classifier_is_the_same() {
    let options = Options::default().threads(1);
    let (mut session, mut same) = (
        model().compile(&options).unwrap().session().unwrap(),
        model().into_compiled(&options).unwrap().session().unwrap(),
    );
    let input = Tensor::f32([1, 3, 33, 33], vec![0.25; 3 * 33 * 33]).unwrap();
    assert_eq!(session.run(&[&input]).unwrap()[0], same.run(&[&input]).unwrap()[0]);
    assert_eq!((session.inputs(), session.model().parameters()), (same.inputs(), same.model().parameters()));

    let stated = || stating(&Metadata { labels: NAMES.lines().map(str::to_owned).collect(), ..Metadata::default() });
    let blue = painted([10, 20, 250]);
    let [one, other] = [Classifier::new(&stated(), &options), stated().into_classifier(&options)]
        .map(|classifier| classifier.unwrap().classify(&blue, 6).unwrap());
    assert_eq!(one, other);

    let none = options.limits(sepconv::Limits { max_memory: 1 << 10, ..sepconv::Limits::default() });
    for error in [model().into_compiled(&none).unwrap_err(), model().into_classifier(&none).unwrap_err()] {
        assert!(error.to_string().contains("colors.onnx"), "{error}");
    }
}

#[test]
fn labels_of_another_network_are_not_used() {
    let model = stating(&Metadata { labels: vec!["one".into()], ..Metadata::default() });
    let mut classifier = Classifier::new(&model, &Options::default()).unwrap();
    assert_eq!(classifier.classify(&painted([0; 3]), 1).unwrap()[0].label, None);
}

#[test]
fn a_classifier_names_each_color() {
    let mut classifier =
        Classifier::new(&model(), &Options::default()).unwrap().with_labels(Labels::parse(NAMES).unwrap()).unwrap();
    for (color, name) in
        [([0, 0, 0], "black"), ([255, 255, 255], "white"), ([220, 30, 20], "red"), ([10, 20, 250], "blue")]
    {
        let predictions = classifier.classify_exact(&painted(color), 2).unwrap();
        assert_eq!((predictions.len(), predictions[0].label.as_deref()), (2, Some(name)));
        assert!(predictions[0].score >= predictions[1].score && !classifier.softmax_added());
    }
    // The same color in another size: fitted first.
    let wide = Image::from_rgb(90, 40, [10, 20, 250].repeat(3600)).unwrap();
    assert_eq!(classifier.classify(&wide, 1).unwrap()[0].class, Some(4));
    assert_eq!(classifier.classify_exact(&wide, 1).unwrap_err().kind(), ErrorKind::Argument);

    let mut raw = classifier.with_preprocess(Preprocess::raw());
    assert_eq!(raw.preprocess().source(), Source::Argument);
    assert_eq!(raw.classify_exact(&painted([220, 30, 20]), 9).unwrap().len(), 6);
}

#[test]
fn tensors_that_do_not_fit_are_errors_and_leave_the_session_usable() {
    let mut session = model().compile(&Options::default().threads(1)).unwrap().session().unwrap();
    let right = Tensor::zeros(session.inputs()[0].shape.clone(), DType::F32);
    let before = session.run(&[&right]).unwrap()[0].clone();
    assert_eq!(&before.shape()[..], [1, 6]);
    let wrong = Tensor::f32([1, 33, 33, 3], vec![0.0; 33 * 33 * 3]).unwrap();
    let integers = Tensor::i64([1, 3, 33, 33], vec![0; 33 * 33 * 3]).unwrap();
    for inputs in [&[&wrong][..], &[&integers], &[], &[&right, &right]] {
        assert!(session.run(inputs).is_err(), "{} inputs", inputs.len());
    }
    assert_eq!(session.run(&[&right]).unwrap()[0], before);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let noise: Vec<f32> = (0..3 * 33 * 33).map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0).collect();
    let input = Tensor::f32([1, 3, 33, 33], noise).unwrap();
    let outputs = [1, 2, 3, 4].map(|threads| {
        let mut session = model().compile(&Options::default().threads(threads)).unwrap().session().unwrap();
        assert_eq!(session.plan().threads(), threads);
        session.run(&[&input]).unwrap()[0].clone()
    });
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn bytes_that_are_no_model_are_errors_that_name_the_file() {
    for bytes in [&b""[..], b"TFL3", b"\0\0\0\0TFL3", b"not a model at all"] {
        let error = Model::from_bytes("some.file", bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains("some.file"), "{error}");
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    for threads in [0, Options::MAX_THREADS + 1] {
        assert_eq!(model().compile(&Options::default().threads(threads)).unwrap_err().kind(), ErrorKind::Argument);
    }
    assert_eq!(model().compile(&Options::default().isa("mmx")).unwrap_err().kind(), ErrorKind::Argument);
    assert!(model().compile(&Options::default().shape("image", [1, 3, 7])).is_err());
    assert!(model().compile(&Options::default().shape("nothing", [1])).is_err());
}

#[test]
fn a_plan_for_another_machine_is_read_and_not_run() {
    let names: Vec<_> = sepconv::Isa::available().map(sepconv::Isa::name).collect();
    for name in ["avx2vnni", "avx512", "neondot"].into_iter().filter(|name| !names.contains(name)) {
        let compiled = match model().compile(&Options::default().isa(name)) {
            Ok(compiled) => compiled,
            // Another architecture.
            Err(error) => {
                assert_eq!((error.kind(), error.place()), (ErrorKind::Argument, Some("Options::isa")), "{error}");
                continue;
            }
        };
        assert_eq!(compiled.plan().isa().name(), name);
        assert_eq!(compiled.session().unwrap_err().kind(), ErrorKind::Argument);
    }
}

#[test]
fn a_kernel_is_chosen_for_a_layer() {
    let compiled = model().compile(&Options::default()).unwrap();
    let (choices, layer) = (compiled.plan().kernel_choices(), &compiled.plan().layers()[0]);
    assert_eq!(choices.get(&layer.name), Some(layer.kernel.as_str()));
    let mut wrong = choices.clone();
    wrong.insert(&layer.name, "softmax");
    let error = model().compile(&Options::default().kernels(wrong)).unwrap_err();
    assert_eq!((error.kind(), error.node()), (ErrorKind::Argument, Some(layer.name.as_str())), "{error}");
}
