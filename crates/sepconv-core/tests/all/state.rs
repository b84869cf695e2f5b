//! What a network keeps from run to run, and layers that go from step to step.

use sepconv_core::op::{BinaryFunction, Cell, Concat, Recurrent, Reduce, Slice};
use sepconv_core::passes::{optimize, with_batch};
use sepconv_core::{
    Builder, DType, ErrorKind, Graph, Limits, Plan, Serial, Session, Shape, Tensor, TensorViewMut, interpret_step,
};
use sepconv_kernels::{Isa, reduce::Reduction};

use crate::common::{Net, Random, difference};
use crate::plan;

/// A session of a graph.
fn session(graph: &Graph, isa: Isa) -> Session {
    Session::new(Plan::new(graph, isa, 1, &Limits::default()).unwrap()).unwrap()
}

/// Runs steps in a session and in the interpreter, on the graph as it is and optimized, and after a reset again.
fn check(graph: &Graph, steps: &[Vec<Tensor>]) {
    let mut states = vec![];
    let expected: Vec<_> = steps.iter().map(|step| interpret_step(graph, step, &mut states).unwrap()).collect();
    for graph in [graph.clone(), optimize(graph.clone()).unwrap()] {
        for isa in Isa::available_f32() {
            let mut session = session(&graph, isa);
            for round in 0..2 {
                for (step, expected) in steps.iter().zip(&expected) {
                    let got = session.run(&step.iter().collect::<Vec<_>>(), &Serial).unwrap();
                    assert!(difference(expected, got) < 1e-5, "{isa}, round {round}:\n{graph}");
                }
                session.reset();
            }
        }
    }
}

fn steps(count: usize, dims: &[usize]) -> Vec<Vec<Tensor>> {
    let mut random = Random(1);
    (0..count).map(|_| vec![random.tensor(dims)]).collect()
}

/// The mean of a window over the last rows, whose transposes end at states' ports: a file in NCHW.
fn streaming() -> Graph {
    let mut net = Net::new(1);
    let x = net.input(&[1, 5, 1, 3]);
    let older = net.builder.state("rows", Tensor::f32([1, 5, 2, 3], vec![0.25; 30]).unwrap()).unwrap();
    let all = net.node(Concat { axis: 2 }, &[older, x]);
    let latest = Slice { starts: vec![0, 0, 1, 0], steps: vec![1; 4], sizes: vec![1, 5, 2, 3] };
    let latest = net.node(latest, &[all]);
    net.builder.assign(older, latest).unwrap();
    let all = net.nhwc(all);
    let conv = net.conv(all, 4, 3, 1, 1);
    let conv = net.nchw(conv);
    let mean = net.node(Reduce { reduction: Reduction::Mean, axes: vec![2], keep_dims: false }, &[conv]);
    net.builder.output("mean", mean);
    net.builder.finish()
}

#[test]
fn runs_go_on_from_each_other_until_a_reset() {
    let graph = streaming();
    assert_eq!((graph.inputs().len(), graph.outputs().len(), graph.states().len()), (1, 1, 1));
    check(&graph, &steps(5, &[1, 5, 1, 3]));
    let printed = graph.to_string();
    assert!(printed.contains("%1 = state \"rows\" f32 [1,5,2,3]\n") && printed.contains("\nstate \"rows\" = %"));
}

/// What is read stays what it is though it is assigned in the same run, by itself or by another state.
#[test]
fn states_are_read_before_they_are_assigned() {
    let mut net = Net::new(2);
    let x = net.input(&[7]);
    let zeros = || Tensor::f32([7], vec![0.0; 7]).unwrap();
    let [a, b, kept] = ["a", "b", "kept"].map(|name| net.builder.state(name, zeros()).unwrap());
    let sum = net.node(BinaryFunction::Add, &[a, x]);
    let (constant, relu) = (net.constant(&[7]), net.node(sepconv_kernels::Activation::Relu, &[b]));
    for (state, value) in [(a, sum), (b, a)] {
        net.builder.assign(state, value).unwrap();
    }
    for output in [relu, a, b, kept] {
        net.builder.output("output", output);
    }
    let fixed = net.builder.state("fixed", zeros()).unwrap();
    net.builder.assign(fixed, constant).unwrap();
    net.builder.output("fixed", fixed);
    check(&net.builder.finish(), &steps(4, &[7]));
}

#[test]
fn sessions_of_one_plan_do_not_share_states() {
    let (graph, steps) = (streaming(), steps(3, &[1, 5, 1, 3]));
    let plan = Plan::new(&graph, Isa::best(), 1, &Limits::default()).unwrap();
    let first = Session::new(plan).unwrap();
    let (plan, mut first) = (first.plan().clone(), first);
    let mut second = Session::new(plan).unwrap();
    let alone: Vec<Tensor> = steps.iter().map(|step| first.run(&[&step[0]], &Serial).unwrap()[0].clone()).collect();
    first.reset();
    for (step, expected) in steps.iter().zip(&alone) {
        let mut out = vec![0.0; expected.shape().elements()];
        let shape = expected.shape().to_vec();
        second.run(&[&step[0]], &Serial).unwrap();
        first.run_into(&[&step[0]], &mut [TensorViewMut::f32(&shape, &mut out).unwrap()], &Serial).unwrap();
        assert_eq!(Some(&out[..]), expected.as_f32());
        assert_eq!(second.outputs()[0], *expected);
    }
}

#[test]
fn what_states_cannot_be_is_an_error() {
    let mut builder = Builder::new(Limits { max_memory: 400, ..Limits::default() });
    let x = builder.input("x", Shape::new([1, 8]).unwrap(), DType::F32).unwrap();
    let state = builder.state("s", Tensor::f32([8], vec![0.0; 8]).unwrap()).unwrap();
    assert_eq!(builder.assign(state, x).unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!(builder.assign(x, x).unwrap_err().kind(), ErrorKind::Argument);
    let large = builder.state("large", Tensor::f32([100], vec![0.0; 100]).unwrap());
    assert_eq!(large.unwrap_err().kind(), ErrorKind::Limit);
    let error = with_batch(streaming(), 2, &Limits::default()).unwrap_err();
    assert_eq!(error.message(), "network keeps state, which is that of one image after the other");
}

#[test]
fn recurrent_layers() {
    let cells = [
        Cell::Lstm { clip: f32::INFINITY },
        Cell::Lstm { clip: 0.25 },
        Cell::Gru { reset_after: true },
        Cell::Gru { reset_after: false },
    ];
    for (cell, [steps, batch, input, hidden]) in
        cells.into_iter().zip([[1, 1, 9, 16], [6, 2, 3, 5]].into_iter().cycle())
    {
        let mut net = Net::new(3);
        let (x, h) = (net.input(&[steps, batch, input]), net.input(&[batch, hidden]));
        let rows = cell.gates() * hidden;
        let weights = [[rows, input], [rows, hidden]].map(|dims| net.constant(&dims));
        let mut operands = vec![x, weights[0], weights[1], net.constant(&[2 * rows]), h];
        if cell.has_cell_state() {
            operands.push(net.constant(&[batch, hidden]));
        }
        for reverse in [false, true] {
            let result = net.node(Recurrent { cell, reverse }, &operands);
            net.builder.output("states", result);
        }
        let inputs = [net.random.tensor(&[steps, batch, input]), net.random.tensor(&[batch, hidden])];
        let graph = net.builder.finish();
        let macs = 2 * steps * batch * rows * (input + hidden);
        assert_eq!(graph.macs(), macs as u64);
        plan::check(graph, &inputs);
    }
}
