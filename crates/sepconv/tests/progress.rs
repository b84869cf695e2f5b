//! Long calls tell how far they are, and stop where the callback says so.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use sepconv::measure::compare::NetworkComparison;
use sepconv::{
    Classifier, ErrorKind, Image, LabeledImages, Model, Options, Preprocess, Progress, ProgressEvent, Quantizer,
    Result, Stage, Tensor,
};

const COLORS: &[u8] = include_bytes!("../../../examples/colors.onnx");

fn colors() -> Model {
    Model::from_bytes("colors.onnx", COLORS).unwrap()
}

fn options() -> Options {
    Options::default().threads(1)
}

/// Lets a call end, then cancels it at its first, middle and last event; returns the stages that it went through.
fn cancel(call: &mut dyn FnMut(Progress) -> Result<()>) -> Vec<Stage> {
    let mut events: Vec<ProgressEvent> = vec![];
    let mut keep = |event| {
        events.push(event);
        ControlFlow::Continue(())
    };
    call(&mut keep).unwrap();
    assert!(events.iter().all(|event| event.done <= event.total), "{events:?}");
    for last in [0, events.len() / 2, events.len() - 1] {
        let mut seen = 0;
        let mut stop = |_| {
            seen += 1;
            if seen > last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = call(&mut stop).unwrap_err();
        assert_eq!((error.kind(), seen), (ErrorKind::Cancelled, last + 1), "{error}");
        assert!(error.place().unwrap().starts_with(events[last].stage.name()), "{error}");
    }
    let mut stages: Vec<Stage> = events.iter().map(|event| event.stage).collect();
    stages.dedup();
    stages
}

#[test]
fn quantizing_is_cancelled_in_each_stage() {
    let graph = colors().graph(&options()).unwrap();
    let sample = |seed: usize| (0..3 * 33 * 33).map(|i| (i * seed % 255) as f32 / 127.0 - 1.0).collect::<Vec<_>>();
    let samples: Vec<_> = (1..5).map(|seed| vec![Tensor::f32([1, 3, 33, 33], sample(seed)).unwrap()]).collect();
    let quantizer = Quantizer::default().equalize(true).min_sqnr(5.0);
    let stages = cancel(&mut |progress| quantizer.run(&graph, &samples, &options(), progress).map(drop));
    assert_eq!(stages, [Stage::Calibrate, Stage::Search, Stage::Round]);
}

#[test]
fn timing_is_cancelled_between_runs() {
    let model = Model::named("mobilenet_v1@32x0.25").unwrap();
    let mut session = model.compile(&options()).unwrap().session().unwrap();
    let input = Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32]).unwrap();
    let scores = session.run(&[&input]).unwrap()[0].clone();
    assert_eq!(cancel(&mut |progress| session.profile(&[&input], 5, progress).map(drop)), [Stage::Profile]);
    assert_eq!(session.run(&[&input]).unwrap()[0], scores);

    let mut comparison = NetworkComparison::new(&model, &options()).unwrap();
    assert_eq!(cancel(&mut |progress| comparison.measure(2, progress)), [Stage::Compare]);
    let rounds = comparison.network().separable.times().all().len();
    let sides = comparison.pairs().iter().flat_map(|pair| [&pair.comparison.separable, &pair.comparison.standard]);
    assert!(sides.map(|side| side.times().all().len()).all(|count| count == rounds));
}

#[test]
fn evaluating_is_cancelled_between_images() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("progress_images");
    fs::create_dir_all(&folder).unwrap();
    let colors_of = [("r.png", [220, 30, 20]), ("g.png", [10, 140, 5]), ("b.png", [10, 20, 250])];
    for (name, color) in colors_of {
        let image = Image::from_rgb(33, 33, color.repeat(33 * 33)).unwrap();
        fs::write(folder.join(name), image.to_png()).unwrap();
    }
    let labels = folder.join("labels.txt");
    fs::write(&labels, "r.png 2\ng.png 3\nb.png 2\ngone.png 1\n").unwrap();
    let images = LabeledImages::open(&folder, Some(&labels), &[]).unwrap();
    let mut classifier = Classifier::new(&colors(), &options()).unwrap();

    let mut failures = vec![];
    let mut keep = |event: ProgressEvent| {
        failures.extend(event.failure);
        ControlFlow::Continue(())
    };
    let accuracy = classifier.evaluate(&images, &mut keep).unwrap();
    assert_eq!((accuracy.images, accuracy.top1, accuracy.failed, failures.len()), (3, 2, 1, 1));
    assert_eq!(cancel(&mut |progress| classifier.evaluate(&images, progress).map(drop)), [Stage::Evaluate]);
    assert_eq!(classifier.evaluate(&images, &mut ProgressEvent::ignore), Ok(accuracy));

    let files: Vec<_> = colors_of.iter().map(|(name, _)| folder.join(name)).collect();
    let input = classifier.input();
    let stages = cancel(&mut |progress| input.tensors(&files, &Preprocess::torch(), progress).map(drop));
    assert_eq!(stages, [Stage::Decode]);
}
