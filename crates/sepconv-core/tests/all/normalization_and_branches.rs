//! What exporters decompose and what is trained with branches becomes one operator, with the same answer.

use sepconv_core::op::{BinaryFunction, Conv2d, Pool, Reduce, Reshape, UnaryFunction};
use sepconv_core::{Graph, Op, Shape, Tensor, ValueId, interpret, passes::optimize};
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::{Activation, Window, reduce::Reduction};

use crate::common::{Net, Random, difference};

/// The operators of the optimized graph, which answers as the graph does.
fn optimized(graph: Graph, input: &[usize]) -> Vec<String> {
    let inputs = [Random(7).tensor(input)];
    let expected = interpret(&graph, &inputs).unwrap();
    let graph = optimize(graph).unwrap();
    let got = interpret(&graph, &inputs).unwrap();
    assert!(difference(&expected, &got) < 2e-5, "the answer of\n{graph}");
    graph.nodes().iter().map(|node| node.op.to_string()).collect()
}

fn binary(net: &mut Net, function: BinaryFunction, a: ValueId, b: ValueId) -> ValueId {
    net.node(function, &[a, b])
}

/// `(x - mean) / √(variance + ε)` over `axes`; with the reciprocal root as a factor, or as a divisor.
fn normalized(net: &mut Net, x: ValueId, axes: &[usize], reciprocal: bool) -> ValueId {
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: axes.to_vec(), keep_dims: true });
    let average = net.node(mean.clone(), &[x]);
    let centered = binary(net, BinaryFunction::Sub, x, average);
    let two = net.scalar(2.0);
    let square = binary(net, BinaryFunction::Pow, centered, two);
    let variance = net.node(mean, &[square]);
    let epsilon = net.scalar(1e-5);
    let sum = binary(net, BinaryFunction::Add, epsilon, variance);
    let root = net.node(UnaryFunction::Sqrt, &[sum]);
    if reciprocal {
        let inverse = net.node(UnaryFunction::Reciprocal, &[root]);
        return binary(net, BinaryFunction::Mul, inverse, centered);
    }
    binary(net, BinaryFunction::Div, centered, root)
}

#[test]
fn layer_normalization_of_channels() {
    for reciprocal in [false, true] {
        let mut net = Net::new(1);
        let x = net.input(&[1, 5, 4, 12]);
        let y = normalized(&mut net, x, &[3], reciprocal);
        let (scale, shift) = (net.constant(&[12]), net.constant(&[12]));
        let y = binary(&mut net, BinaryFunction::Mul, y, scale);
        let y = binary(&mut net, BinaryFunction::Add, y, shift);
        assert_eq!(optimized(net.finish(&[y]), &[1, 5, 4, 12]), ["layer_norm"]);
    }
}

#[test]
fn layer_normalization_of_nchw_and_of_whole_images() {
    let mut net = Net::new(2);
    let x = net.input(&[2, 6, 4, 5]);
    let y = net.nhwc(x);
    let y = net.conv(y, 6, 1, 1, 1);
    let y = net.nchw(y);
    let y = normalized(&mut net, y, &[1], false);
    let y = normalized(&mut net, y, &[1, 2, 3], false);
    let z = net.nhwc(y);
    let y = net.conv(z, 3, 1, 1, 1);
    let operators = optimized(net.finish(&[y]), &[2, 6, 4, 5]);
    assert_eq!(operators, ["conv2d 1x1", "layer_norm", "layer_norm of 3 axes", "conv2d 1x1"]);
}

#[test]
fn what_is_no_layer_normalization_stays() {
    // Over a middle axis; of other values than those that are divided.
    let mut net = Net::new(3);
    let x = net.input(&[2, 6, 5]);
    let y = normalized(&mut net, x, &[1], false);
    assert!(!optimized(net.finish(&[y]), &[2, 6, 5]).iter().any(|op| op.contains("layer_norm")));
    let mut net = Net::new(4);
    let x = net.input(&[2, 5]);
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![1], keep_dims: true });
    let average = net.node(mean.clone(), &[x]);
    let centered = binary(&mut net, BinaryFunction::Sub, x, average);
    let square = binary(&mut net, BinaryFunction::Mul, centered, centered);
    let variance = net.node(mean, &[square]);
    let epsilon = net.scalar(1e-5);
    let sum = binary(&mut net, BinaryFunction::Add, variance, epsilon);
    let root = net.node(UnaryFunction::Sqrt, &[sum]);
    let y = binary(&mut net, BinaryFunction::Div, x, root);
    assert!(!optimized(net.finish(&[y]), &[2, 5]).iter().any(|op| op.contains("layer_norm")));
}

#[test]
fn gelu_in_every_order() {
    for order in 0..4 {
        let mut net = Net::new(5);
        let x = net.input(&[3, 9]);
        let (root, inverse) = (net.scalar(2f32.sqrt()), net.scalar(0.5f32.sqrt()));
        let scaled = match order % 2 {
            0 => binary(&mut net, BinaryFunction::Div, x, root),
            _ => binary(&mut net, BinaryFunction::Mul, inverse, x),
        };
        let erf = net.node(UnaryFunction::Erf, &[scaled]);
        let (one, half, two) = (net.scalar(1.0), net.scalar(0.5), net.scalar(2.0));
        let gate = binary(&mut net, BinaryFunction::Add, one, erf);
        let mut product = |a, b| binary(&mut net, BinaryFunction::Mul, a, b);
        let y = match order {
            0 => {
                let product = product(x, gate);
                binary(&mut net, BinaryFunction::Div, product, two)
            }
            1 => {
                let halved = product(half, gate);
                product(x, halved)
            }
            2 => {
                let halved = product(x, half);
                product(gate, halved)
            }
            _ => {
                let gated = product(gate, x);
                product(half, gated)
            }
        };
        assert_eq!(optimized(net.finish(&[y]), &[3, 9]), ["gelu { tanh: false }"], "order {order}");
    }
}

#[test]
fn branches_of_a_block_are_one_convolution() {
    for groups in [1, 2, 8] {
        let mut net = Net::new(6);
        let x = net.input(&[1, 7, 6, 8]);
        let (wide, narrow) = (net.conv(x, 8, 3, 1, groups), net.conv(x, 8, 1, 1, groups));
        let [wide, narrow, input] = [wide, narrow, x].map(|branch| net.batch_norm(branch));
        let sum = binary(&mut net, BinaryFunction::Add, narrow, input);
        let sum = binary(&mut net, BinaryFunction::Add, wide, sum);
        let y = net.batch_norm(sum);
        let y = net.activation(y, Activation::Relu);
        let operators = optimized(net.finish(&[y]), &[1, 7, 6, 8]);
        assert_eq!(operators.len(), 1, "{operators:?}");
        assert!(operators[0].starts_with("conv2d 3x3") && operators[0].ends_with("relu"), "{operators:?}");
    }
}

#[test]
fn differences_and_the_input_itself_join_a_depthwise_convolution() {
    // x + scale · (mixer(x) - norm(x)), as in FastViT.
    let mut net = Net::new(7);
    let x = net.input(&[1, 7, 6, 8]);
    let (mixer, norm) = (net.conv(x, 8, 3, 1, 8), net.batch_norm(x));
    let difference = binary(&mut net, BinaryFunction::Sub, mixer, norm);
    let scale = net.constant(&[8]);
    let scaled = binary(&mut net, BinaryFunction::Mul, difference, scale);
    let y = binary(&mut net, BinaryFunction::Add, x, scaled);
    assert_eq!(optimized(net.finish(&[y]), &[1, 7, 6, 8]).len(), 1);
    // The convolution is what is subtracted.
    let mut net = Net::new(8);
    let x = net.input(&[1, 5, 6, 4]);
    let conv = net.conv(x, 4, 5, 1, 4);
    let y = binary(&mut net, BinaryFunction::Sub, x, conv);
    assert_eq!(optimized(net.finish(&[y]), &[1, 5, 6, 4]).len(), 1);
}

#[test]
fn branches_that_differ_stay() {
    let branches: [fn(&mut Net, ValueId) -> [ValueId; 2]; 4] = [
        // Other inputs, other groups, a window between two taps, a branch that has another reader.
        |net, x| {
            let y = net.activation(x, Activation::Relu);
            [net.conv(x, 8, 3, 1, 1), net.conv(y, 8, 3, 1, 1)]
        },
        |net, x| [net.conv(x, 8, 3, 1, 8), net.conv(x, 8, 1, 1, 1)],
        |net, x| {
            let pool = Pool { window: Window::new(1, 1), kind: PoolKind::Max, ceil_mode: false };
            let pooled = net.node(pool, &[x]);
            [net.conv(x, 8, 3, 1, 4), net.conv(pooled, 8, 3, 1, 2)]
        },
        |net, x| {
            let conv = net.conv(x, 8, 3, 1, 1);
            let other = net.conv(x, 8, 1, 1, 1);
            let doubled = net.node(BinaryFunction::Mul, &[other, conv]);
            [doubled, conv]
        },
    ];
    for (i, branch) in branches.into_iter().enumerate() {
        let mut net = Net::new(9);
        let x = net.input(&[1, 6, 6, 8]);
        let [a, b] = branch(&mut net, x);
        let y = binary(&mut net, BinaryFunction::Add, a, b);
        let operators = optimized(net.finish(&[y]), &[1, 6, 6, 8]);
        assert!(operators.iter().filter(|op| op.starts_with("conv2d")).count() == 2, "case {i}: {operators:?}");
    }
}

#[test]
fn strided_and_dilated_branches_merge_where_taps_meet() {
    let mut net = Net::new(10);
    let x = net.input(&[1, 9, 9, 4]);
    let (wide, narrow) = (net.conv(x, 6, 3, 2, 1), net.conv(x, 6, 1, 2, 1));
    let y = binary(&mut net, BinaryFunction::Add, narrow, wide);
    assert_eq!(optimized(net.finish(&[y]), &[1, 9, 9, 4]).len(), 1);
}

#[test]
fn taps_that_see_only_padding_leave() {
    // Dilated by 6 on maps of 5x9: of the rows the middle tap is left, of the columns all are.
    let mut net = Net::new(13);
    let x = net.input(&[1, 5, 9, 4]);
    let window = Window { dilation: [6; 2], before: [6; 2], after: [6; 2], ..Window::new(3, 3) };
    let (weights, bias) = (net.constant(&[2, 3, 3, 4]), net.constant(&[2]));
    let y = net.node(Conv2d { window, groups: 1, activation: Activation::Identity }, &[x, weights, bias]);
    assert_eq!(optimized(net.finish(&[y]), &[1, 5, 9, 4]), ["conv2d 1x3 d6"]);
}

#[test]
fn subnormal_weights_are_zero() {
    let mut net = Net::new(15);
    let x = net.input(&[1, 6, 5, 4]);
    let weights = [f32::MIN_POSITIVE, -1e-40, 0.5, -1e-45, 2.0, 1e-39, -3.0, -f32::MIN_POSITIVE];
    let weights = net.builder.constant("weights", Tensor::f32([2, 1, 1, 4], weights).unwrap()).unwrap();
    let bias = net.builder.constant("bias", Tensor::f32([2], [1e-41, 1.0]).unwrap()).unwrap();
    let op = Conv2d { window: Window::new(1, 1), groups: 1, activation: Activation::Identity };
    let y = net.node(op, &[x, weights, bias]);
    let graph = optimize(net.finish(&[y])).unwrap();
    let inputs = &graph.nodes()[0].inputs;
    let [weights, bias] = [1, 2].map(|i| graph.value(inputs[i]).constant.as_ref().unwrap().as_f32().unwrap());
    assert_eq!(weights, [f32::MIN_POSITIVE, 0.0, 0.5, 0.0, 2.0, 0.0, -3.0, -f32::MIN_POSITIVE]);
    assert_eq!(bias, [0.0, 1.0]);
}

#[test]
fn filters_of_a_channel_have_a_copy_each() {
    let mut net = Net::new(14);
    let x = net.input(&[1, 6, 5, 4]);
    let y = net.conv(x, 12, 3, 2, 4);
    let operators = optimized(net.finish(&[y]), &[1, 6, 5, 4]);
    assert_eq!(operators, ["reshape", "broadcast", "reshape", "conv2d 3x3/2 g12"]);
}

#[test]
fn reshapes_in_a_row_leave_no_copy() {
    let mut net = Net::new(11);
    let x = net.input(&[1, 6, 4, 5]);
    let nhwc = net.nhwc(x);
    let y = net.conv(nhwc, 6, 1, 1, 1);
    let y = net.nchw(y);
    let flat = net.node(Reshape { shape: Shape::new([1, 1, 120]).unwrap() }, &[y]);
    let back = net.node(Reshape { shape: Shape::new([1, 6, 4, 5]).unwrap() }, &[flat]);
    let y = net.nhwc(back);
    let y = net.conv(y, 3, 1, 1, 1);
    let operators = optimized(net.finish(&[y]), &[1, 6, 4, 5]);
    assert_eq!(operators, ["conv2d 1x1", "conv2d 1x1"]);
}

#[test]
fn a_normalization_of_equal_values_is_its_shift() {
    let mut net = Net::new(12);
    let x = net.input(&[2, 4]);
    let y = normalized(&mut net, x, &[1], true);
    let graph = optimize(net.finish(&[y])).unwrap();
    let got = interpret(&graph, &[Tensor::f32([2, 4], vec![3.0; 8]).unwrap()]).unwrap();
    assert_eq!(got[0].as_f32().unwrap(), [0.0; 8]);
}
