//! Every pass keeps what a network computes and makes of it what the snapshots show.

use sepconv_core::op::{
    BinaryFunction, Concat, Gather, MatMul, Pad, Reduce, Reshape, Slice, Softmax, Transpose, UnaryFunction,
};
use sepconv_core::{
    Graph, Op, Shape, Tensor,
    analysis::blocks,
    interpret,
    op::PadMode,
    passes::{CANONICALIZING, FUSING, optimize},
};
use sepconv_kernels::{Activation, reduce::Reduction};

use crate::common::{Net, difference};

/// Interprets the graph before the first and after every pass, and prints it before and after all.
fn check(graph: Graph, seed: u64) -> String {
    let input_dims: Vec<Vec<usize>> = graph
        .inputs()
        .iter()
        .map(|port| {
            let shape = &graph.value(port.value).shape;
            let mut dims = vec![0; shape.len()];
            port.order.iter().zip(shape.iter()).for_each(|(&axis, &size)| dims[axis] = size);
            dims
        })
        .collect();
    let mut random = crate::common::Random(seed);
    let inputs: Vec<_> = input_dims.iter().map(|dims| random.tensor(dims)).collect();
    let expected = interpret(&graph, &inputs).unwrap();
    let before = graph.to_string();
    let mut now = graph;
    for pass in CANONICALIZING.iter().chain(FUSING) {
        now = (pass.run)(&now).unwrap();
        let got = interpret(&now, &inputs).unwrap();
        assert!(difference(&expected, &got) < 2e-5, "pass {:?} changes the answer of\n{now}", pass.name);
    }
    let blocks: String = blocks(&now).iter().map(|block| format!("{}: {:?}\n", block.kind, block.nodes)).collect();
    format!("before\n{before}\nafter\n{now}{blocks}")
}

#[test]
fn inverted_residual_with_batch_norm_from_nchw() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 8, 6, 5]);
    let conv = |net: &mut Net, x, filters, kernel, groups, activation: Option<Activation>| {
        let x = net.nhwc(x);
        let x = net.conv(x, filters, kernel, 1, groups);
        let x = net.nchw(x);
        let x = net.nhwc(x);
        let x = net.batch_norm(x);
        let x = net.nchw(x);
        activation.map_or(x, |activation| net.activation(x, activation))
    };
    let expand = conv(&mut net, x, 24, 1, 1, Some(Activation::RELU6));
    let depthwise = conv(&mut net, expand, 24, 3, 24, Some(Activation::RELU6));
    let project = conv(&mut net, depthwise, 8, 1, 1, None);
    let sum = net.node(BinaryFunction::Add, &[x, project]);
    insta::assert_snapshot!(check(net.finish(&[sum]), 2));
}

#[test]
fn squeeze_excite_with_spelled_hard_swish() {
    let mut net = Net::new(3);
    let image = net.input(&[1, 3, 9, 9]);
    let x = net.nhwc(image);
    let x = net.conv(x, 8, 3, 2, 1);
    let x = net.nchw(x);
    let hard_swish = |net: &mut Net, x| {
        let (three, six) = (net.scalar(3.0), net.scalar(6.0));
        let sum = net.node(BinaryFunction::Add, &[x, three]);
        let clip = net.activation(sum, Activation::RELU6);
        let product = net.node(BinaryFunction::Mul, &[x, clip]);
        net.node(BinaryFunction::Div, &[product, six])
    };
    let x = hard_swish(&mut net, x);
    let x = net.nhwc(x);
    let x = net.conv(x, 8, 3, 1, 8);
    let x = net.nchw(x);
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![2, 3], keep_dims: true });
    let squeezed = net.node(mean, &[x]);
    let gate = net.nhwc(squeezed);
    let gate = net.conv(gate, 2, 1, 1, 1);
    let gate = net.activation(gate, Activation::Relu);
    let gate = net.conv(gate, 8, 1, 1, 1);
    let gate = net.nchw(gate);
    let sigmoid = net.activation(gate, Activation::Sigmoid);
    let gated = net.node(BinaryFunction::Mul, &[x, sigmoid]);
    let x = net.nhwc(gated);
    let x = net.conv(x, 4, 1, 1, 1);
    let x = net.nchw(x);
    insta::assert_snapshot!(check(net.finish(&[x]), 4));
}

#[test]
fn classifier_head_and_silu() {
    let mut net = Net::new(5);
    let x = net.input(&[2, 6, 4, 4]);
    let sigmoid = net.activation(x, Activation::Sigmoid);
    let x = net.node(BinaryFunction::Mul, &[sigmoid, x]);
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![2, 3], keep_dims: false });
    let x = net.node(mean, &[x]);
    let (w, b) = (net.constant(&[6, 5]), net.constant(&[5]));
    let x = net.node(MatMul, &[x, w]);
    let x = net.node(BinaryFunction::Add, &[x, b]);
    let x = net.node(Softmax { axis: 1, log: false }, &[x]);
    insta::assert_snapshot!(check(net.finish(&[x]), 6));
}

#[test]
fn padding_joins_the_convolution() {
    let mut net = Net::new(7);
    let x = net.input(&[1, 7, 7, 4]);
    let pad = Op::Pad(Pad { before: vec![0, 0, 1, 0], after: vec![0, 1, 2, 0], mode: PadMode::Constant(0.0) });
    let padded = net.node(pad, &[x]);
    let x = net.conv(padded, 4, 3, 2, 4);
    insta::assert_snapshot!(check(net.finish(&[x]), 8));
}

/// Operators between two transposes, some of which care about axes.
#[test]
fn layout_goes_through_or_stops() {
    let mut net = Net::new(9);
    let input = net.input(&[2, 3, 4, 5]);
    let x = net.nhwc(input);
    let x = net.conv(x, 6, 3, 1, 1);
    let x = net.nchw(x);
    let per_channel = net.constant(&[6, 1, 1]);
    let scaled = net.node(BinaryFunction::Mul, &[per_channel, x]);
    let exp = net.node(UnaryFunction::Exp, &[x]);
    let both = net.node(Concat { axis: 1 }, &[scaled, exp, x]);
    let slice = Op::Slice(Slice { starts: vec![0, 17, 1, 0], steps: vec![1, -2, 1, 1], sizes: vec![2, 7, 3, 5] });
    let part = net.node(slice, &[both]);
    let softmax = net.node(Softmax { axis: 1, log: true }, &[part]);
    let max = Op::Reduce(Reduce { reduction: Reduction::Max, axes: vec![1], keep_dims: false });
    let max = net.node(max, &[part]);
    let flat = Op::Reshape(Reshape { shape: Shape::new([2, 7 * 15]).unwrap() });
    let flat = net.node(flat, &[part]);
    let edge = Op::Pad(Pad { before: vec![0, 1, 2, 0], after: vec![0, 0, 1, 1], mode: PadMode::Edge });
    let padded = net.node(edge, &[part]);
    insta::assert_snapshot!(check(net.finish(&[softmax, max, flat, padded]), 10));
}

/// A channel shuffle as exporters write it: what is left moves channels within pixels.
#[test]
fn channel_shuffles_stay_in_nhwc() {
    let mut net = Net::new(17);
    let mut x = net.input(&[1, 8, 6, 5]);
    let reshape = |net: &mut Net, x, dims: &[usize]| net.node(Reshape { shape: Shape::new(dims).unwrap() }, &[x]);
    let halves = |net: &mut Net, x| {
        [0, 4].map(|start| {
            let starts = vec![0, start, 0, 0];
            net.node(Op::Slice(Slice { starts, steps: vec![1; 4], sizes: vec![1, 4, 6, 5] }), &[x])
        })
    };
    for _ in 0..2 {
        let [kept, branch] = halves(&mut net, x);
        let branch = net.nhwc(branch);
        let branch = net.conv(branch, 4, 1, 1, 1);
        let branch = net.nchw(branch);
        let both = net.node(Concat { axis: 1 }, &[kept, branch]);
        let groups = reshape(&mut net, both, &[1, 2, 4, 6, 5]);
        let swapped = net.node(Transpose { order: vec![0, 2, 1, 3, 4] }, &[groups]);
        x = reshape(&mut net, swapped, &[1, 8, 6, 5]);
    }
    // The other spelling gathers the halves.
    let groups = reshape(&mut net, x, &[4, 2, 30]);
    let swapped = net.node(Transpose { order: vec![1, 0, 2] }, &[groups]);
    let halves = reshape(&mut net, swapped, &[2, 1, 4, 6, 5]);
    let index = net.builder.constant("index", Tensor::i64([], [1]).unwrap()).unwrap();
    let half = net.node(Gather { axis: 0 }, &[halves, index]);
    let half = net.nhwc(half);
    let half = net.conv(half, 4, 3, 1, 4);
    let half = net.nchw(half);
    let rows = reshape(&mut net, half, &[1, 4, 30]);
    let rows = net.node(Transpose { order: vec![0, 2, 1] }, &[rows]);
    insta::assert_snapshot!(check(net.finish(&[x, rows]), 18));
}

/// What is read twice is not folded away.
#[test]
fn shared_values_stay() {
    let mut net = Net::new(11);
    let x = net.input(&[1, 5, 5, 4]);
    let conv = net.conv(x, 4, 3, 1, 1);
    let relu = net.activation(conv, Activation::Relu);
    let norm = net.batch_norm(conv);
    let sum = net.node(BinaryFunction::Add, &[relu, norm]);
    let graph = net.finish(&[sum, conv]);
    insta::assert_snapshot!(check(graph, 12));
}

/// Images that are scaled before they are transposed enter transposed too.
#[test]
fn inputs_enter_in_the_order_that_is_wanted_later() {
    let mut net = Net::new(15);
    let x = net.input(&[1, 3, 6, 6]);
    let mean = net.constant(&[3, 1, 1]);
    let centered = net.node(BinaryFunction::Sub, &[x, mean]);
    let x = net.nhwc(centered);
    let x = net.conv(x, 4, 3, 2, 1);
    let x = net.nchw(x);
    insta::assert_snapshot!(check(net.finish(&[x]), 16));
}

#[test]
fn optimizing_twice_changes_nothing() {
    let mut net = Net::new(13);
    let x = net.input(&[1, 4, 6, 6]);
    let x = net.nhwc(x);
    let x = net.conv(x, 4, 3, 1, 4);
    let x = net.batch_norm(x);
    let x = net.nchw(x);
    let once = optimize(net.finish(&[x])).unwrap();
    let printed = once.to_string();
    assert_eq!(optimize(once).unwrap().to_string(), printed);
}

/// The operators that are left of a graph.
fn operators(graph: Graph, seed: u64) -> Vec<String> {
    check(graph.clone(), seed);
    sepconv_core::passes::optimize(graph).unwrap().nodes().iter().map(|node| node.op.to_string()).collect()
}

#[test]
fn small_powers_are_products_and_roots() {
    for (exponent, expected) in
        [(1.0, &["abs"][..]), (2.0, &["abs", "mul"]), (3.0, &["abs", "mul", "mul"]), (0.5, &["abs", "sqrt"])]
    {
        let mut net = Net::new(21);
        let x = net.input(&[2, 3, 4]);
        let x = net.node(UnaryFunction::Abs, &[x]);
        let exponent = net.scalar(exponent);
        let power = net.node(BinaryFunction::Pow, &[x, exponent]);
        assert_eq!(operators(net.finish(&[power]), 22), expected);
    }
}

#[test]
fn a_parametric_relu_that_is_spelled_out() {
    let mut net = Net::new(23);
    let x = net.input(&[1, 4, 4, 6]);
    let slope = net.builder.constant("slope", net.random.tensor(&[1, 1, 6])).unwrap();
    let above = net.activation(x, Activation::Relu);
    let negated = net.node(UnaryFunction::Neg, &[x]);
    let magnitude = net.activation(negated, Activation::Relu);
    let below = net.node(UnaryFunction::Neg, &[magnitude]);
    let scaled = net.node(BinaryFunction::Mul, &[slope, below]);
    let sum = net.node(BinaryFunction::Add, &[above, scaled]);
    assert_eq!(operators(net.finish(&[sum]), 24), ["prelu"]);
}
