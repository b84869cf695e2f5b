//! One compiled network, many sessions: answers are the same on all threads, and weights are in memory once.

use std::thread;

use sepconv::op::BinaryFunction;
use sepconv::{
    Builder, Classifier, CompiledModel, DType, ErrorKind, Image, Limits, Model, Options, Shape, Tensor, TensorView,
    TensorViewMut,
};

fn compiled(name: &str) -> CompiledModel {
    Model::named(name).unwrap().into_compiled(&Options::default().threads(1)).unwrap()
}

fn image(side: usize, seed: usize) -> Tensor {
    let pixel = |i: usize| ((i * 31 + seed * 7) % 251) as f32 / 251.0;
    Tensor::f32([1, 3, side, side], (0..3 * side * side).map(pixel).collect::<Vec<_>>()).unwrap()
}

#[test]
fn ten_threads_share_a_compiled_model() {
    let model = compiled("mobilenet_v2@96x0.35");
    let mut alone = model.session().unwrap();
    let expected: Vec<Tensor> = (0..10).map(|seed| alone.run(&[&image(96, seed)]).unwrap()[0].clone()).collect();
    assert_ne!(expected[0], expected[1]);
    thread::scope(|scope| {
        for first in 0..10 {
            let (model, expected) = (model.clone(), &expected);
            scope.spawn(move || {
                let mut session = model.session().unwrap();
                for seed in (first..10).chain(0..first) {
                    assert_eq!(session.run(&[&image(96, seed)]).unwrap()[0], expected[seed]);
                }
            });
        }
    });
}

#[test]
fn classifiers_of_one_network_answer_alike_on_all_threads() {
    let classifier = Classifier::new(&Model::default_classifier().unwrap(), &Options::default().threads(1)).unwrap();
    let image = Image::from_rgb(40, 50, (0..40 * 50 * 3).map(|i| (i * 31 % 251) as u8).collect()).unwrap();
    let expected = classifier.try_clone().unwrap().classify(&image, 3).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(classifier.try_clone().unwrap().classify(&image, 3).unwrap(), expected));
        }
    });
}

/// Resident memory of the process, huge pages included.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn sessions_add_their_arenas_and_no_weights() {
    let (sessions, huge_page) = (12, 2 << 20);
    let model = compiled("mobilenet_v2");
    let input = image(224, 1);
    let mut kept = vec![model.session().unwrap()];
    kept[0].run(&[&input]).unwrap();
    let before = resident_bytes();
    for _ in 0..sessions {
        let mut session = model.session().unwrap();
        session.run(&[&input]).unwrap();
        kept.push(session);
    }
    let grown = resident_bytes().saturating_sub(before);
    let plan = model.plan();
    // An arena ends within a huge page, and the other test of this process runs meanwhile.
    let most = sessions * (plan.session_bytes().next_multiple_of(huge_page) + huge_page) + (16 << 20);
    assert!(plan.weight_bytes() > 13_000_000, "{} bytes of weights", plan.weight_bytes());
    assert!(most < sessions * plan.weight_bytes(), "the bound of {most} bytes tells nothing");
    assert!(grown <= most, "{grown} bytes for {sessions} sessions, at most {most} expected");
}

#[test]
fn inputs_are_given_by_name_in_any_order() {
    let mut builder = Builder::new(Limits::default());
    let [a, b] = ["a", "b"].map(|name| builder.input(name, Shape::new([2]).unwrap(), DType::F32).unwrap());
    let difference = builder.node("difference", BinaryFunction::Sub, &[a, b]).unwrap();
    builder.output("y", difference);
    let model = CompiledModel::from_graph(builder.finish(), &Options::default().threads(1)).unwrap();
    let mut session = model.session().unwrap();
    let [a, b] = [[5.0, 7.0], [1.0, 2.0]];
    let [a, b] = [&a, &b].map(|data| TensorView::f32(&[2], data).unwrap());
    let by_position = session.run(&[a, b]).unwrap()[0].clone();
    assert_eq!(by_position.as_f32().unwrap(), [4.0, 5.0]);
    assert_eq!(session.run_named(&[("b", b), ("a", a)]).unwrap()[0], by_position);
    for (inputs, what) in [
        (vec![("a", a)], "input is missing"),
        (vec![("a", a), ("a", a)], "input occurs twice"),
        (vec![("a", a), ("c", b)], "network has no input of this name"),
    ] {
        let error = session.run_named(&inputs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().starts_with(what), "{error}");
    }
}

#[test]
fn outputs_go_to_buffers_of_the_caller() {
    let mut session = compiled("mobilenet_v1@32x0.25").session().unwrap();
    let input = image(32, 3);
    let expected = session.run(&[&input]).unwrap()[0].clone();
    let mut scores = vec![0.0; 1000];
    session.run_into(&[&input], &mut [TensorViewMut::f32(&[1, 1000], &mut scores).unwrap()]).unwrap();
    assert_eq!(scores, expected.as_f32().unwrap());
    let wrong = session.run_into(&[&input], &mut [TensorViewMut::f32(&[1000], &mut scores).unwrap()]).unwrap_err();
    assert!(wrong.to_string().contains("expected f32 [1,1000], got f32 [1000]"), "{wrong}");
    assert!(TensorViewMut::f32(&[1, 999], &mut scores).is_err());
}
