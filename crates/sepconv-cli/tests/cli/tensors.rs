//! `run`: tensors in and out of NumPy files, by name and by position.

use std::fs;
use std::path::{Path, PathBuf};

use sepconv::npy::{self, Array};
use sepconv::{Limits, Tensor};

use crate::program::{Outcome, folder, sepconv};
use crate::protobuf::{Message, file, node, value};

const F32: i64 = 1;
const F16: i64 = 10;

/// A network of ONNX. Output 0 is ReLU of input 0, each further output ReLU of the last input.
fn network(inputs: &[&str], outputs: &[&str], kind: i64, dims: &[i64]) -> Vec<u8> {
    let x = |i: usize| inputs[if i == 0 { 0 } else { inputs.len() - 1 }];
    let nodes: Vec<Message> = outputs.iter().enumerate().map(|(i, y)| node("Relu", &[x(i)], &[y])).collect();
    let ports = |names: &[&str]| names.iter().map(|name| value(name, kind, dims)).collect::<Vec<_>>();
    let graph = Message::default().messages(1, &nodes).messages(11, &ports(inputs)).messages(12, &ports(outputs));
    file(&graph, 18)
}

/// A folder with a network in it.
struct Spot(PathBuf);

impl Spot {
    fn new(test: &str, network: &[u8]) -> Self {
        let folder = folder(test);
        fs::write(folder.join("net.onnx"), network).unwrap();
        Self(folder)
    }

    /// Runs the network on arrays.
    fn run(&self, arrays: &[(&str, Tensor)], output: &str) -> Outcome {
        let arrays: Vec<_> = arrays.iter().map(|(name, tensor)| Array::new(name, tensor)).collect();
        let [model, input, output] = ["net.onnx", "x.npz", output].map(|name| self.0.join(name));
        npy::write(&input, &arrays).unwrap();
        sepconv([Path::new("run"), &model, Path::new("--input"), &input, Path::new("-o"), &output])
    }

    /// What a run without complaints wrote.
    fn arrays(&self, arrays: &[(&str, Tensor)]) -> Vec<(String, Tensor)> {
        let outcome = self.run(arrays, "y.npz");
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
        npy::read(&self.0.join("y.npz"), &Limits::default()).unwrap()
    }
}

fn pair(a: f32, b: f32) -> Tensor {
    Tensor::f32([2], [a, b]).unwrap()
}

#[test]
fn outputs_are_written_under_exactly_their_names() {
    for names in [["Identity:0", "Identity_1:0"], ["/a/b", "a/b"], ["c\\d", "c/d"], ["../x", "x"], ["ä:0", "ö:0"]] {
        let place = Spot::new("run_names", &network(&["p", "q"], &names, F32, &[2]));
        let arrays = place.arrays(&[("p", pair(1.0, -2.0)), ("q", pair(-3.0, 4.0))]);
        let expected = [(names[0].to_owned(), pair(1.0, 0.0)), (names[1].to_owned(), pair(0.0, 4.0))];
        assert_eq!(arrays, expected);
    }
}

#[test]
fn an_output_that_is_listed_twice_is_written_once() {
    let graph = Message::default().message(1, &node("Relu", &["x"], &["y"])).message(11, &value("x", F32, &[2]));
    let place = Spot::new("run_twice", &file(&graph.messages(12, &[value("y", F32, &[2]), value("y", F32, &[2])]), 18));
    assert_eq!(place.arrays(&[("x", pair(1.0, -2.0))]), [("y".to_owned(), pair(1.0, 0.0))]);
}

#[test]
fn inputs_are_given_by_name_or_by_position() {
    let place = Spot::new("run_inputs", &network(&["in:0", "in:1"], &["a", "b"], F32, &[2]));
    let (x, y) = (pair(1.0, 2.0), pair(10.0, 20.0));
    let expected = [("a".to_owned(), x.clone()), ("b".to_owned(), y.clone())];
    assert_eq!(place.arrays(&[("in:1", y.clone()), ("in:0", x.clone())]), expected);
    assert_eq!(place.arrays(&[("1", y.clone()), ("0", x.clone())]), expected);
    let missing = place.run(&[("in:0", x), ("z", y)], "y.npz");
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.starts_with("error: an input is missing\n  --> "), "{}", missing.err);
    assert!(missing.err.contains("expected arrays named \"in:0\", \"in:1\", got \"in:0\", \"z\""), "{}", missing.err);
}

#[test]
fn several_outputs_do_not_fit_one_array() {
    let place = Spot::new("run_several", &network(&["x"], &["a", "b"], F32, &[2]));
    let outcome = place.run(&[("x", pair(1.0, 2.0))], "y.npy");
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.err.starts_with("error: network has several outputs, and a .npy file holds one\n"),
        "{}",
        outcome.err
    );
    assert!(!place.0.join("y.npy").exists());
}

/// NumPy reads back what ONNX declares, though sepconv computes in f32.
#[test]
fn outputs_have_the_type_that_the_file_declares() {
    let place = Spot::new("run_f16", &network(&["x"], &["y"], F16, &[2]));
    let outcome = place.run(&[("x", pair(1.5, -2.0))], "y.npy");
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let bytes = fs::read(place.0.join("y.npy")).unwrap();
    assert!(bytes[..64].windows(5).any(|part| part == b"'<f2'"));
    assert_eq!(bytes[128..], [0, 0x3e, 0, 0], "1.5 and 0 in half precision");
}

#[test]
fn sizes_that_the_file_leaves_open_are_those_of_the_input() {
    let place = Spot::new("run_open_sizes", &network(&["x"], &["y"], F32, &[-1, 2]));
    for batch in [1, 3] {
        let x = Tensor::f32([batch, 2], vec![1.0; 2 * batch]).unwrap();
        assert_eq!(place.arrays(&[("x", x.clone())]), [("y".to_owned(), x)]);
    }
    let outcome = place.run(&[("x", Tensor::f32([2, 3], [0.0; 6]).unwrap())], "y.npz");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err.contains("expected f32 [?,2], got f32 [2,3]"), "{}", outcome.err);
    assert!(outcome.err.contains("--shape"), "{}", outcome.err);
}
