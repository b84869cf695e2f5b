//! Whatever a plan computes, on any instruction set and for any number of threads, is what the interpreter computes.

use std::ops::RangeInclusive;

use sepconv_core::op::{BinaryFunction, Concat, Dense, Pad, Reduce, Slice, UnaryFunction};
use sepconv_core::{
    BufferRef, ErrorKind, Graph, Limits, Op, Plan, Serial, Session, Tensor, ValueId, interpret,
    op::{Conv2d, PadMode, Pool},
    passes::optimize,
};
use sepconv_kernels::{Activation, Isa, Window, pool::PoolKind, reduce::Reduction};

use crate::common::{Backwards, Net, Random, difference, run};

/// Compares every instruction set and several thread counts with the interpreter, on the graph as it is and optimized.
/// Results of one instruction set must not depend on the threads at all.
pub(crate) fn check(graph: Graph, inputs: &[Tensor]) {
    let expected = interpret(&graph, inputs).unwrap();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    // A plan takes batch normalization only as the passes leave it.
    let plain = (!graph.nodes().iter().any(|node| matches!(node.op, Op::BatchNorm(_)))).then(|| graph.clone());
    for graph in plain.into_iter().chain([optimize(graph).unwrap()]) {
        for isa in Isa::available_f32() {
            let run = |threads: usize| {
                let plan = Plan::new(&graph, isa, threads, &Limits::default()).unwrap();
                check_places(&plan);
                let mut session = Session::new(plan).unwrap();
                session.run(&inputs, &Backwards(threads)).unwrap();
                // A second run must not see what the first left behind.
                session.run(&inputs, &Backwards(threads)).unwrap().to_vec()
            };
            let one = run(1);
            assert!(difference(&expected, &one) < 5e-5, "{isa} differs from the definition:\n{graph}");
            assert!([2, 3, 7].iter().all(|&threads| run(threads) == one), "{isa} depends on threads:\n{graph}");
        }
    }
}

/// Small networks of random operators, all shapes odd. A plan says where each step reads and writes: no result
/// overwrites an operand of its step, unless it takes exactly its place.
fn check_places(plan: &Plan) {
    let mut layers = 0;
    for (i, step) in plan.steps().iter().enumerate() {
        assert_eq!(step.layers().start, layers, "steps run the layers in order");
        layers = step.layers().end;
        assert!(plan.layers()[step.layers()].iter().all(|layer| layer.step == i && layer.threads == step.threads()));
        assert!((1..=plan.threads()).contains(&step.threads()));
        let out = step.output();
        assert!(out.end <= plan.arena_bytes());
        for operand in step.operands() {
            match operand {
                BufferRef::Arena(range) => {
                    let apart = range.end <= out.start || out.end <= range.start;
                    assert!(range.end <= plan.arena_bytes() && (apart || *range == out), "{range:?} {out:?}");
                }
                BufferRef::Weights(range) => assert!(range.end <= plan.weights().len()),
            }
        }
    }
    assert_eq!(layers, plan.layers().len());
    for output in plan.outputs() {
        let bytes = output.shape().elements() * output.dtype().size();
        assert!(output.range().is_none_or(|range| range.len() == bytes && range.end <= plan.arena_bytes()));
    }
}

#[test]
fn random_networks() {
    for seed in 0..60 {
        let mut net = Net::new(seed);
        let batch = 1 + net.random.below(2);
        let dims = [batch, 5 + net.random.below(20), 4 + net.random.below(21), 1 + net.random.below(19)];
        let x = net.input(&dims);
        let mut values = vec![x];
        for _ in 0..8 {
            let x = values[net.random.below(values.len())];
            if let Some(y) = random_node(&mut net, x, &values) {
                values.push(y);
            }
        }
        let last = *values.last().unwrap();
        let middle = values[values.len() / 2];
        let input = Random(seed + 1000).tensor(&dims);
        check(net.finish(&[last, middle]), &[input]);
    }
}

fn random_node(net: &mut Net, x: ValueId, values: &[ValueId]) -> Option<ValueId> {
    let shape = net.builder.shape(x).clone();
    let channels = net.channels(x);
    let activations = [Activation::Relu, Activation::RELU6, Activation::HardSwish, Activation::Silu, Activation::Tanh];
    let stride = 1 + net.random.below(2);
    Some(match net.random.below(12) {
        0 | 1 => net.conv(x, channels, 3 + 2 * (stride - 1), stride, channels),
        2 | 3 => {
            let filters = 1 + net.random.below(40);
            net.conv(x, filters, 1, 1, 1)
        }
        4 => net.conv(x, 9, 3, stride, 1),
        5 => {
            let activation = activations[net.random.below(activations.len())];
            net.activation(x, activation)
        }
        6 => net.batch_norm(x),
        7 => {
            let same: Vec<_> = values.iter().copied().filter(|&y| *net.builder.shape(y) == shape).collect();
            let y = same[net.random.below(same.len())];
            net.node(BinaryFunction::Add, &[x, y])
        }
        8 => {
            let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: true });
            let gate = net.node(mean, &[x]);
            let gate = net.conv(gate, channels, 1, 1, 1);
            let gate = net.activation(gate, Activation::Sigmoid);
            net.node(BinaryFunction::Mul, &[x, gate])
        }
        9 => net.node(
            Concat { axis: 3 },
            &[x, values[0]].map(|y| if net.builder.shape(y)[..3] == shape[..3] { y } else { x }),
        ),
        10 => {
            let kind = [PoolKind::Max, PoolKind::Average { count_padding: false }][net.random.below(2)];
            let window = Window { stride: [stride; 2], before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
            net.node(Pool { window, kind, ceil_mode: false }, &[x])
        }
        _ => {
            let fill = PadMode::Constant(0.0);
            let padded = net.node(Pad { before: vec![0, 1, 0, 0], after: vec![0, 0, 2, 0], mode: fill }, &[x]);
            net.conv(padded, channels, 3, 1, channels)
        }
    })
}

/// A block whose inner tensors are large runs a few rows at a time. Every bit is that of the layers run one by one,
/// which is how they run when the inner tensors are asked for too.
#[test]
fn fused_blocks_equal_their_layers() {
    for (kernel, stride, batch, expand, gate) in [
        (3, 1, 1, true, false),
        (3, 2, 2, true, false),
        (5, 1, 1, true, false),
        (5, 2, 1, true, true),
        (7, 1, 1, false, false),
        (5, 1, 2, false, false),
    ] {
        let dims = [batch, 41, 38, if expand { 12 } else { 150 }];
        let build = |with_inner: bool| {
            let mut net = Net::new(kernel as u64);
            let x = net.input(&dims);
            let mut inner = vec![];
            let mut y = x;
            if expand {
                y = net.conv(y, 150, 1, 1, 1);
                y = net.activation(y, Activation::RELU6);
                inner.push(y);
            }
            y = net.conv(y, 150, kernel, stride, 150);
            y = net.activation(y, Activation::Silu);
            inner.push(y);
            if gate {
                let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: true });
                let mean = net.node(mean, &[y]);
                let scale = net.conv(mean, 150, 1, 1, 1);
                y = net.node(BinaryFunction::Mul, &[y, scale]);
                y = net.conv(y, 12, 1, 1, 1);
            } else {
                y = net.conv(y, 12, 1, 1, 1);
                if expand && stride == 1 {
                    y = net.node(BinaryFunction::Add, &[x, y]);
                }
            }
            inner.truncate(if with_inner { 2 } else { 0 });
            inner.insert(0, y);
            optimize(net.finish(&inner)).unwrap()
        };
        let (together, apart) = (build(false), build(true));
        let unfused = Plan::unfused_bytes(&together);
        let input = Random(7).tensor(&dims);
        for isa in Isa::available_f32() {
            for threads in [1, 2, 3, 7] {
                let run = |graph: &Graph| run(graph, &input, isa, threads);
                let ((fused, few, small), (expected, many, large)) = (run(&together), run(&apart));
                assert!(few < many, "{few} steps instead of {many}");
                assert!(fused == expected, "kernel {kernel}, stride {stride}, {isa}, {threads} threads");
                assert!(threads > 1 || small < large, "fusing saves memory: {small} of {large} bytes");
                assert!(threads > 1 || small < unfused, "fusing saves memory: {small} of {unfused} bytes");
            }
        }
    }
}

/// A stem and the blocks after it run together too, through several rings. Every bit is that of the layers run one by
/// one.
#[test]
fn chains_of_blocks_equal_their_layers() {
    let dims = [2, 101, 95, 3];
    let build = |with_inner: bool| {
        let mut net = Net::new(5);
        let x = net.input(&dims);
        let mut inner = vec![];
        let mut y = x;
        for (filters, kernel, stride, groups) in
            [(40, 3, 2, 1), (40, 5, 1, 40), (120, 1, 1, 1), (120, 3, 2, 120), (60, 1, 1, 1)]
        {
            y = net.conv(y, filters, kernel, stride, groups);
            y = net.activation(y, if groups == 1 { Activation::RELU6 } else { Activation::HardSwish });
            inner.push(y);
        }
        inner.reverse();
        inner.truncate(if with_inner { 5 } else { 1 });
        optimize(net.finish(&inner)).unwrap()
    };
    let (together, apart) = (build(false), build(true));
    let input = Random(9).tensor(&dims);
    for isa in Isa::available_f32() {
        for threads in [1, 2, 3, 7] {
            let run = |graph: &Graph, steps: RangeInclusive<usize>| {
                let plan = Plan::new(graph, isa, threads, &Limits::default()).unwrap();
                assert!(steps.contains(&plan.step_count()), "{plan}");
                Session::new(plan).unwrap().run(&[&input], &Backwards(threads)).unwrap()[0].clone()
            };
            // The more threads meet, the less pays.
            let few = if threads < 3 { 1..=1 } else { 2..=4 };
            assert!(run(&together, few) == run(&apart, 5..=5), "{isa}, {threads} threads");
        }
    }
}

/// Only the last layer of a fused block adds a residual: an expansion or a depthwise convolution that has one runs by
/// itself.
#[test]
fn residuals_inside_blocks_are_not_lost() {
    let dims = [1, 41, 38, 150];
    let depthwise = Conv2d { window: Window::new(1, 1), groups: 150, activation: Activation::Identity };
    for in_depthwise in [false, true] {
        let run = |with_inner: bool| {
            let mut net = Net::new(3);
            let x = net.input(&dims);
            let expanded = net.conv(x, 150, 1, 1, 1);
            let y = if in_depthwise {
                let (w, b) = (net.constant(&[150, 1, 1, 1]), net.constant(&[150]));
                net.node(depthwise.clone(), &[expanded, w, b, x])
            } else {
                // Not of the convolution's own input, which its weights would take in.
                let other = net.activation(x, Activation::Relu);
                let sum = net.node(BinaryFunction::Add, &[other, expanded]);
                net.conv(sum, 150, 3, 1, 150)
            };
            let projected = net.conv(y, 12, 1, 1, 1);
            let outputs = if with_inner { vec![projected, expanded, y] } else { vec![projected] };
            let plan = Plan::new(&optimize(net.finish(&outputs)).unwrap(), Isa::best(), 1, &Limits::default()).unwrap();
            Session::new(plan).unwrap().run(&[&Random(8).tensor(&dims)], &Serial).unwrap()[0].clone()
        };
        let (together, apart) = (run(false), run(true));
        assert!(difference(&[apart], &[together]) < 1e-6, "residual lost, in the depthwise layer: {in_depthwise}");
    }
}

#[test]
fn broadcasts_of_every_kind() {
    let full = [2, 3, 4, 5];
    let others: [&[usize]; 9] =
        [&[], &[1], &[5], &[4, 1], &[1, 5], &[3, 1, 1], &[2, 1, 1, 5], &[2, 3, 1, 1], &[1, 3, 4, 1]];
    for other in others {
        for function in [BinaryFunction::Sub, BinaryFunction::Div, BinaryFunction::Pow] {
            for swapped in [false, true] {
                let mut net = Net::new(1);
                let x = net.input(&full);
                let positive = net.node(UnaryFunction::Exp, &[x]);
                let y = net.constant(other);
                let y = net.node(UnaryFunction::Exp, &[y]);
                let operands = if swapped { [y, positive] } else { [positive, y] };
                let z = net.node(function, &operands);
                check(net.finish(&[z]), &[Random(2).tensor(&full)]);
            }
        }
    }
}

#[test]
fn a_value_may_be_both_operands() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 3, 3, 20]);
    let y = net.activation(x, Activation::Relu);
    let z = net.node(BinaryFunction::Mul, &[y, y]);
    check(net.finish(&[z, y]), &[Random(3).tensor(&[1, 3, 3, 20])]);
}

#[test]
fn outputs_may_be_inputs_or_constants() {
    let mut net = Net::new(1);
    let x = net.input(&[2, 3]);
    let c = net.constant(&[4]);
    let input = Random(4).tensor(&[2, 3]);
    check(net.finish(&[x, c, x]), &[input]);
}

#[test]
fn memory_is_reused() {
    let mut net = Net::new(1);
    let mut x = net.input(&[1, 32, 32, 16]);
    for _ in 0..10 {
        x = net.conv(x, 16, 3, 1, 16);
    }
    let graph = net.finish(&[x]);
    let plan = Plan::new(&graph, Isa::best(), 1, &Limits::default()).unwrap();
    assert_eq!(plan.arena_bytes(), 2 * 32 * 32 * 16 * 4, "a chain needs two buffers");
    assert_eq!(Plan::unfused_bytes(&graph), plan.arena_bytes(), "no layers run together");
}

/// A mean of nothing is not a number, as it is for the interpreter.
#[test]
fn reductions_of_empty_planes_run() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 0, 4, 3]);
    let y = net.node(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: true }, &[x]);
    let mut session = Session::new(Plan::new(&net.finish(&[y]), Isa::best(), 1, &Limits::default()).unwrap()).unwrap();
    let output = session.run(&[&Tensor::f32([1, 0, 4, 3], []).unwrap()], &Serial).unwrap()[0].clone();
    assert!(output.as_f32().unwrap().iter().all(|x| x.is_nan()), "{output:?}");
}

/// Nothing can be seen on them; kernels would find no row to read.
#[test]
fn empty_planes_are_refused() {
    for dims in [[1, 0, 4, 3], [1, 4, 0, 3]] {
        let mut net = Net::new(1);
        let (x, w, b) = (net.input(&dims), net.constant(&[2, 1, 1, 3]), net.constant(&[2]));
        let window = Window { before: [1; 2], after: [1; 2], ..Window::new(1, 1) };
        let conv = Conv2d { window, groups: 1, activation: Activation::Identity };
        assert!(net.try_node(conv, &[x, w, b]).is_err());
        let window = Window { before: [1; 2], after: [1; 2], ..Window::new(2, 2) };
        assert!(net.try_node(Pool { window, kind: PoolKind::Max, ceil_mode: true }, &[x]).is_err());
    }
    let mut net = Net::new(1);
    let (x, w, b) = (net.input(&[2, 0]), net.constant(&[3, 0]), net.constant(&[3]));
    assert!(net.try_node(Dense { activation: Activation::Identity }, &[x, w, b]).is_err());
}

#[test]
fn slices_of_one_element_take_any_step() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 2, 3, 4]);
    let slice = Op::Slice(Slice {
        starts: vec![0, 1, 2, 0],
        steps: vec![1, isize::MIN, isize::MAX, 1],
        sizes: vec![1, 1, 1, 4],
    });
    let y = net.node(slice, &[x]);
    check(net.finish(&[y]), &[Random(5).tensor(&[1, 2, 3, 4])]);
}

#[test]
fn wrong_inputs_are_refused() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 4]);
    let y = net.activation(x, Activation::Relu);
    let plan = Plan::new(&net.finish(&[y]), Isa::best(), 1, &Limits::default()).unwrap();
    let mut session = Session::new(plan).unwrap();
    assert!(session.run::<&Tensor>(&[], &Serial).is_err());
    let wrong = [Tensor::f32([4, 1], [0.0; 4]).unwrap(), Tensor::i64([1, 4], [0; 4]).unwrap()];
    for tensor in &wrong {
        let error = session.run(&[tensor], &Serial).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().contains("f32 [1,4]"), "{error}");
    }
}

/// Threads share what meets by repetition, wherever a period begins.
#[test]
fn operands_that_repeat_are_shared_among_threads() {
    let dims = [2, 40, 50, 40];
    let others: [&[usize]; 6] = [&[40], &[], &[2, 1, 1, 40], &[50, 40], &[2, 40, 1, 1], &dims];
    for (other, swap) in others.iter().flat_map(|other| [(other, false), (other, true)]) {
        let mut net = Net::new(11);
        let [x, y] = [net.input(&dims), net.input(other)];
        let difference = net.node(BinaryFunction::Sub, &if swap { [y, x] } else { [x, y] });
        let graph = net.finish(&[difference]);
        let inputs = [Random(1).tensor(&dims), Random(2).tensor(other)];
        let expected = interpret(&graph, &inputs).unwrap();
        for threads in [1, 2, 3, 7] {
            let plan = Plan::new(&graph, Isa::best(), threads, &Limits::default()).unwrap();
            let mut session = Session::new(plan).unwrap();
            let got = session.run(&[&inputs[0], &inputs[1]], &Backwards(threads)).unwrap();
            assert!(got[0] == expected[0], "{other:?}, swapped: {swap}, {threads} threads");
        }
    }
}
