//! Tuning: what is measured is kept, used where it fits, and changes answers by rounding at most.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use sepconv::tune::{Tuned, Tuner};
use sepconv::{ErrorKind, Model, Options, ProgressEvent, Tensor};

const DIMS: [usize; 4] = [1, 3, 64, 64];

fn model() -> Model {
    Model::named("mobilenet_v1@64x0.25").unwrap()
}

fn input() -> Tensor {
    let noise = (0..DIMS.iter().product()).map(|i: usize| ((i * 7919) % 1013) as f32 / 500.0 - 1.0);
    Tensor::f32(DIMS, noise.collect::<Vec<_>>()).unwrap()
}

/// A path where nothing is yet.
fn path(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_file(&path).unwrap();
    }
    path
}

fn tuner(path: &PathBuf) -> Tuner {
    Tuner::new(path).budget(Duration::from_secs(600))
}

#[test]
fn a_tuned_network_answers_as_before() {
    let (path, options, input) = (path("answers.tuned.json"), Options::default().threads(2), input());
    let tuned = tuner(&path).run(&model(), &options, &[&input], &mut ProgressEvent::ignore).unwrap();
    assert!(Tuned::open(&path).unwrap() == tuned, "what is read back differs");
    let verdict = tuned.verdict().unwrap();
    assert!(0.0 < verdict.tuned_ms && verdict.tuned_ms <= verdict.untuned_ms, "{verdict:?}");
    assert!([1, 2].contains(&verdict.threads));

    let untuned = model().compile(&options).unwrap();
    assert!(untuned.tuned().is_none() && untuned.unused_tuning().is_none());
    // Every kernel of every layer was timed.
    for layer in untuned.plan().layers() {
        let mut measured: Vec<_> = tuned.measured(&layer.name).into_iter().map(|(kernel, _)| kernel).collect();
        measured.sort_unstable();
        measured.retain(|kernel| layer.alternatives.iter().any(|alternative| alternative == kernel));
        let mut alternatives: Vec<_> = layer.alternatives.iter().map(String::as_str).collect();
        alternatives.sort_unstable();
        assert_eq!(measured, alternatives, "{}", layer.name);
    }
    let compiled = model().compile(&options.tuned(tuned)).unwrap();
    assert!(compiled.tuned().is_some() && compiled.unused_tuning().is_none());
    let [before, after] =
        [untuned, compiled].map(|compiled| compiled.session().unwrap().run(&[&input]).unwrap()[0].clone());
    let pairs = before.as_f32().unwrap().iter().zip(after.as_f32().unwrap());
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 1e-4 * a.abs().max(1e-3)), "{:?}", pairs.collect::<Vec<_>>());
}

#[test]
fn what_was_measured_before_a_stop_is_not_measured_again() {
    let (path, options, input) = (path("stopped.tuned.json"), Options::default().threads(1), input());
    let mut told = 0;
    let mut stop = |_: ProgressEvent| {
        told += 1;
        if told < 6 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let error = tuner(&path).run(&model(), &options, &[&input], &mut stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    let stopped = Tuned::open(&path).unwrap();
    assert!(stopped.verdict().is_none());

    // It says why it is not used, and the network runs as the planner chose.
    let compiled = model().compile(&options.clone().tuned(stopped.clone())).unwrap();
    assert!(compiled.unused_tuning().unwrap().contains("stopped"), "{:?}", compiled.unused_tuning());

    // What was timed before counts: the least time of a kernel only falls.
    let finished = tuner(&path).run(&model(), &options, &[&input], &mut ProgressEvent::ignore).unwrap();
    let mut kept = 0;
    for layer in compiled.plan().layers() {
        let after = finished.measured(&layer.name);
        for (kernel, ms) in stopped.measured(&layer.name) {
            let is_kept = after.iter().any(|&(other, least)| other == kernel && least <= ms);
            assert!(is_kept, "{} with {kernel}: {ms} became {after:?}", layer.name);
            kept += 1;
        }
    }
    assert!(kept > 0, "nothing was kept");

    // A finished file begins anew: stopped at once, it has no verdict any more.
    let mut stop = |_: ProgressEvent| ControlFlow::Break(());
    tuner(&path).run(&model(), &options, &[&input], &mut stop).unwrap_err();
    assert!(Tuned::open(&path).unwrap().verdict().is_none());
}

#[test]
fn measurements_of_other_conditions_are_not_used() {
    let (path, input) = (path("conditions.tuned.json"), input());
    let options = Options::default().threads(1);
    let tuner = Tuner::new(&path).budget(Duration::from_millis(1));
    let tuned = tuner.run(&model(), &options, &[&input], &mut ProgressEvent::ignore).unwrap();
    let unused = |model: Model, options: Options| {
        let compiled = model.compile(&options.tuned(tuned.clone())).unwrap();
        compiled.unused_tuning().map(str::to_owned)
    };
    assert_eq!(unused(model(), options.clone()), None);
    assert!(unused(model(), options.clone().threads(2)).unwrap().contains("threads"));
    assert!(unused(model(), options.clone().isa("scalar")).unwrap().contains("instruction set"));
    assert!(unused(Model::named("mobilenet_v1@32x0.25").unwrap(), options).unwrap().contains("multiply-adds"));
}

#[test]
fn a_file_of_something_else_is_not_replaced() {
    let path = path("other.json");
    for text in ["", "{}", "[1, 2]", "not JSON"] {
        std::fs::write(&path, text).unwrap();
        let error =
            tuner(&path).run(&model(), &Options::default(), &[&input()], &mut ProgressEvent::ignore).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains("other.json"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
