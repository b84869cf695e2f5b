//! Networks that go on from run to run: variables, and layers with variable tensors. The numbers follow from the layers'
//! definitions.

use sepconv_core::{Graph, Result, Tensor as Value, interpret_step};
use sepconv_formats::ImportOptions;
use sepconv_formats::tflite::Tflite;

use crate::operators::damage;
use crate::writer::Field::{Bool, Bytes, F32, I8, I32};
use crate::writer::{Node, Table, Tensor, file, file_of};

fn import(bytes: Vec<u8>) -> Result<Graph> {
    Tflite::parse(bytes)?.graph(&ImportOptions::default())
}

/// The first outputs of runs on these inputs, one after the other.
fn run(graph: &Graph, shape: &[usize], inputs: &[&[f32]]) -> Vec<Vec<f32>> {
    let mut states = vec![];
    let steps = inputs.iter().map(|&input| {
        let input = Value::f32(shape, input).unwrap();
        interpret_step(graph, &[input], &mut states).unwrap().remove(0).as_f32().unwrap().to_vec()
    });
    steps.collect()
}

#[track_caller]
fn assert_close(got: &[Vec<f32>], expected: &[&[f32]]) {
    let close = |(got, expected): (&Vec<f32>, &&[f32])| {
        got.len() == expected.len() && got.iter().zip(*expected).all(|(a, b)| (a - b).abs() <= 1e-6)
    };
    assert!(got.len() == expected.len() && got.iter().zip(expected).all(close), "{got:?} instead of {expected:?}");
}

fn node(code: i32, inputs: &[i32], outputs: &[i32], options: (i8, Table)) -> Node {
    Node { code, inputs: inputs.to_vec(), outputs: outputs.to_vec(), options }
}

/// Zeros that are kept from run to run.
fn variable(shape: &[i32]) -> Tensor {
    Tensor { more: vec![(5, Bool(true))], ..Tensor::open(shape) }
}

const NONE: (i8, Table) = (0, vec![]);
const ASSIGN: i32 = 144;
const READ: i32 = 143;

fn handle(output: i32, name: &[u8]) -> Node {
    node(142, &[], &[output], (111, vec![(1, Bytes(name.to_vec()))]))
}

fn resource() -> Tensor {
    Tensor { kind: 13, ..Tensor::open(&[]) }
}

/// A sum of all inputs so far, from `initial` on: the second subgraph assigns that.
fn running_sum(nodes: &[Node]) -> Vec<u8> {
    let main = [Tensor::open(&[2]), resource(), Tensor::open(&[2]), Tensor::open(&[2]), resource()];
    let first = [resource(), Tensor::floats(&[2], &[0.5, -1.0])];
    let initialize = [handle(0, b"sum"), node(ASSIGN, &[0, 1], &[], NONE)];
    let bytes = file_of(&[(&main, nodes, &[0], &[3]), (&first, &initialize, &[], &[])]);
    damage(&bytes);
    bytes
}

fn call_once(subgraph: i32) -> Node {
    node(129, &[], &[], (103, vec![(0, I32(subgraph))]))
}

#[test]
fn variables_are_read_as_they_were_assigned_last() {
    let add = |a: i32, b: i32, sum: i32| node(0, &[a, b], &[sum], NONE);
    let read = |handle: i32, value: i32| node(READ, &[handle], &[value], NONE);
    let assign = |handle: i32, value: i32| node(ASSIGN, &[handle, value], &[], NONE);
    let nodes = [call_once(1), handle(1, b"sum"), read(1, 2), add(2, 0, 3), assign(1, 3), call_once(1)];
    let inputs: [&[f32]; 3] = [&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]];
    let graph = import(running_sum(&nodes)).unwrap();
    assert_close(&run(&graph, &[2], &inputs), &[&[1.5, 1.0], &[4.5, 5.0], &[9.5, 11.0]]);
    // Another handle of the same variable, assigned before it is read.
    let nodes = [call_once(1), handle(1, b"sum"), handle(4, b"sum"), assign(4, 0), read(1, 2), add(2, 0, 3)];
    let graph = import(running_sum(&nodes)).unwrap();
    assert_close(&run(&graph, &[2], &inputs), &[&[2.0, 4.0], &[6.0, 8.0], &[10.0, 12.0]]);
}

#[test]
fn variables_without_a_value_are_errors() {
    let read = || node(READ, &[1], &[3], NONE);
    let message = |nodes: &[Node]| import(running_sum(nodes)).unwrap_err().message().to_owned();
    assert_eq!(message(&[call_once(1), handle(1, b"other"), read()]), "variable is read before it is assigned");
    assert_eq!(message(&[handle(1, b"sum"), read()]), "variable is read before it is assigned");
    assert_eq!(message(&[call_once(2)]), "subgraph does not exist");
    assert_eq!(message(&[call_once(0)]), "subgraph cannot be called");
    let shapes = [call_once(1), handle(1, b"sum"), node(READ, &[1], &[2], NONE), node(READ, &[0], &[3], NONE)];
    assert_eq!(message(&shapes), "input 0 must be known when the network is loaded");
}

#[test]
fn lstm_keeps_its_states() {
    // One input, one unit; weights 1, 2, 3 and 4 of the input gate, the forget gate, the cell and the output gate.
    let mut tensors = vec![Tensor::open(&[1, 2, 1])];
    let weights = |scale: f32| [1.0, 2.0, 3.0, 4.0].map(|x| Tensor::floats(&[1, 1], &[x * scale]));
    tensors.extend(weights(0.5));
    tensors.extend(weights(-0.25));
    tensors.extend([0.0, 1.0, 0.0, 0.5].map(|x| Tensor::floats(&[1], &[x])));
    tensors.extend([variable(&[1, 1]), variable(&[1, 1]), Tensor::open(&[1, 2, 1])]);
    let mut inputs: Vec<i32> = (0..9).chain([-1; 3]).chain(9..13).chain([-1; 2]).chain(13..15).collect();
    inputs.extend([-1; 4]);
    let options = (71, vec![(0, I8(4)), (1, F32(10.0))]);
    let bytes = file(&tensors, &[node(44, &inputs, &[15], options)], &[0], &[15]);
    damage(&bytes);
    let got = run(&import(bytes).unwrap(), &[1, 2, 1], &[&[1.0, -0.5], &[0.25, 2.0], &[0.0, 0.0]]);
    assert_close(&got, LSTM);
}

#[test]
fn svdf_keeps_its_last_features() {
    for (rank, expected) in [(1, SVDF_OF_RANK_1), (2, SVDF_OF_RANK_2)] {
        let units = 2 / rank;
        let tensors = [
            Tensor::open(&[1, 2]),
            Tensor::floats(&[2, 2], &[1.0, -1.0, 0.5, 2.0]),
            Tensor::floats(&[2, 3], &[0.25, 0.5, 1.0, -1.0, 2.0, 0.5]),
            Tensor::floats(&[units], &[0.125, -0.25][..units as usize]),
            variable(&[1, 6]),
            Tensor::open(&[1, units]),
        ];
        let options = (22, vec![(0, I32(rank)), (1, I8(0))]);
        let bytes = file(&tensors, &[node(27, &[0, 1, 2, 3, 4], &[5], options)], &[0], &[5]);
        damage(&bytes);
        let got = run(&import(bytes).unwrap(), &[1, 2], &[&[1.0, 2.0], &[3.0, -1.0], &[0.5, 0.5], &[0.0, 1.0]]);
        assert_close(&got, expected);
    }
}

const LSTM: &[&[f32]] =
    &[&[0.471_782_74, -0.002_553_295], &[0.133_160_86, 0.704_842_8], &[0.157_578_57, 0.117_968_254]];
const SVDF_OF_RANK_1: &[&[f32]] = &[&[-0.875, 2.0], &[3.625, 8.5], &[1.875, -5.125], &[0.125, 3.75]];
const SVDF_OF_RANK_2: &[&[f32]] = &[&[1.375], &[12.375], &[-3.0], &[4.125]];
