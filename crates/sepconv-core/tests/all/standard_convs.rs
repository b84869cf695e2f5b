//! The standard twin computes what pairs compute where nothing lies between them, costs what a standard network costs,
//! and leaves the rest.

use sepconv_core::op::{BinaryFunction, Dense, Reduce};
use sepconv_core::{
    ErrorKind, Graph, Limits, Op, Tensor, ValueId,
    analysis::{NotSeparable, SeparableConv, extract_subgraph, separable_convs},
    interpret,
    op::Conv2d,
    passes::{canonicalize_without_folding, optimize, with_standard_convs},
};
use sepconv_kernels::{Activation, Window, reduce::Reduction};

use crate::common::{Net, Random, difference};

fn found(graph: &Graph) -> Vec<SeparableConv> {
    separable_convs(graph).into_iter().flatten().collect()
}

/// Interprets both; gives the largest difference.
fn differ(a: &Graph, b: &Graph) -> f32 {
    let mut random = Random(99);
    let inputs: Vec<Tensor> = a.inputs().iter().map(|port| random.tensor(&outside(a, port))).collect();
    difference(&interpret(a, &inputs).unwrap(), &interpret(b, &inputs).unwrap())
}

fn outside(graph: &Graph, port: &sepconv_core::Port) -> Vec<usize> {
    let shape = &graph.value(port.value).shape;
    let mut dims = vec![0; shape.len()];
    port.order.iter().zip(shape.iter()).for_each(|(&axis, &size)| dims[axis] = size);
    dims
}

/// A depthwise convolution with `multiplier` filters for each channel and any window.
fn depthwise(net: &mut Net, x: ValueId, multiplier: usize, window: Window) -> ValueId {
    let channels = net.channels(x);
    let weights = net.constant(&[channels * multiplier, window.kernel[0], window.kernel[1], 1]);
    let bias = net.constant(&[channels * multiplier]);
    net.node(Conv2d { window, groups: channels, activation: Activation::Identity }, &[x, weights, bias])
}

/// A convolution without bias, then a batch normalization.
fn normalized(net: &mut Net, x: ValueId, filters: usize, kernel: usize, stride: usize, groups: usize) -> ValueId {
    let pad = [(kernel - 1) / 2; 2];
    let window = Window { stride: [stride; 2], before: pad, after: pad, ..Window::new(kernel, kernel) };
    let weights = net.constant(&[filters, kernel, kernel, net.channels(x) / groups]);
    let bias = net.builder.constant("none", Tensor::f32([filters], vec![0.0; filters]).unwrap()).unwrap();
    let y = net.node(Conv2d { window, groups, activation: Activation::Identity }, &[x, weights, bias]);
    net.batch_norm(y)
}

#[test]
fn a_linear_pair_and_its_twin_compute_the_same() {
    let symmetric = Window { before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    let windows = [
        (1, symmetric),
        (2, symmetric),
        (1, Window { stride: [2; 2], after: [1; 2], ..Window::new(3, 3) }),
        (3, Window { dilation: [2, 1], before: [2, 0], after: [1, 1], stride: [1, 2], ..Window::new(3, 2) }),
        (1, Window::new(1, 1)),
    ];
    for (multiplier, window) in windows {
        let mut net = Net::new(5);
        let x = net.input(&[2, 9, 8, 6]);
        let y = depthwise(&mut net, x, multiplier, window);
        let y = net.conv(y, 10, 1, 1, 1);
        let y = net.batch_norm(y);
        let y = net.activation(y, Activation::HardSwish);
        let graph = net.finish(&[y]);
        for graph in [optimize(graph.clone()).unwrap(), graph] {
            let standard = with_standard_convs(&graph, &Limits::default()).unwrap();
            assert_eq!(found(&standard), []);
            let convolutions = standard.nodes().iter().filter(|node| matches!(node.op, Op::Conv2d(_))).count();
            assert_eq!(convolutions, 1, "{standard}");
            let most = differ(&graph, &standard).max(differ(&graph, &optimize(standard).unwrap()));
            assert!(most < 2e-4, "{window:?}: {most}");
        }
    }
}

/// An inverted residual of an NCHW file with everything that can lie between and after, and a layer before and behind
/// it.
fn inverted_residual() -> Graph {
    let mut net = Net::new(3);
    let x = net.input(&[1, 8, 6, 6]);
    let x = net.nhwc(x);
    let expand = normalized(&mut net, x, 24, 1, 1, 1);
    let expand = net.activation(expand, Activation::RELU6);
    let y = normalized(&mut net, expand, 24, 3, 1, 24);
    let y = net.activation(y, Activation::Silu);
    let mean = net.node(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: true }, &[y]);
    let squeeze = net.conv(mean, 4, 1, 1, 1);
    let squeeze = net.activation(squeeze, Activation::Relu);
    let gate = net.conv(squeeze, 24, 1, 1, 1);
    let gate = net.activation(gate, Activation::Sigmoid);
    let y = net.node(BinaryFunction::Mul, &[y, gate]);
    let y = normalized(&mut net, y, 8, 1, 1, 1);
    let y = net.node(BinaryFunction::Add, &[x, y]);
    let y = net.conv(y, 5, 1, 1, 1);
    let y = net.nchw(y);
    net.finish(&[y])
}

#[test]
fn an_inverted_residual_keeps_its_expansion_and_its_residual() {
    let graph = inverted_residual();
    let canonical = canonicalize_without_folding(graph.clone()).unwrap();
    let [pair] = &found(&canonical)[..] else { panic!("{canonical}") };
    assert_eq!((pair.between.len(), pair.after.len()), (2 + 6, 2), "{canonical}");
    let standard = with_standard_convs(&graph, &Limits::default()).unwrap();
    // Expansion with its normalization, 3x3 with its own, last layer.
    let (expansion, last) = (24 * 8 + 2 * 24, 5 * 8 + 5);
    assert_eq!(standard.parameters(), expansion + 9 * 24 * 8 + 2 * 8 + last);
    assert_eq!(standard.macs(), 36 * (24 * 8 + 9 * 24 * 8 + 5 * 8));
    insta::assert_snapshot!(optimize(standard).unwrap());
}

#[test]
fn a_pair_by_itself_is_what_it_is_in_its_network() {
    let graph = canonicalize_without_folding(inverted_residual()).unwrap();
    let pair = extract_subgraph(&graph, &found(&graph)[0].nodes()).unwrap();
    assert_eq!(pair.inputs().len(), 2, "the expansion's result and the residual");
    assert_eq!(found(&pair).len(), 1);
    let squeeze_excite = 24 * 4 + 4 + 4 * 24 + 24;
    assert_eq!(pair.parameters(), 24 * 9 + 2 * 24 + squeeze_excite + 24 * 8 + 2 * 8);
    assert_eq!(pair.macs(), 36 * (24 * 9 + 24 * 8) + 2 * 24 * 4);
    assert!(differ(&pair, &optimize(pair.clone()).unwrap()) < 2e-5);
}

#[test]
fn what_is_no_pair_stays() {
    let mut net = Net::new(8);
    let x = net.input(&[1, 6, 6, 4]);
    let shared = net.conv(x, 4, 3, 1, 4);
    let a = net.conv(shared, 6, 1, 1, 1);
    let last = net.conv(a, 6, 3, 1, 6);
    let strided = net.conv(x, 4, 3, 1, 4);
    let strided = net.conv(strided, 4, 1, 2, 1);
    let mixed = net.input(&[4, 1, 1, 4]);
    let bias = net.constant(&[4]);
    let unknown = net.conv(x, 4, 3, 1, 4);
    let window = Window::new(1, 1);
    let unknown = net.node(Conv2d { window, groups: 1, activation: Activation::Identity }, &[unknown, mixed, bias]);
    let graph = net.finish(&[shared, last, strided, unknown]);
    let reasons: Vec<_> =
        separable_convs(&graph).into_iter().map(|pair| pair.map_err(|NotSeparable { reason, .. }| reason)).collect();
    let several = "its result is read by more than one layer";
    let none = "no pointwise convolution follows";
    assert_eq!(reasons, [Err(several), Err(several), Err(none), Err("its weights are not known before running")]);
    let canonical = canonicalize_without_folding(graph.clone()).unwrap();
    assert_eq!(with_standard_convs(&graph, &Limits::default()).unwrap().to_string(), canonical.to_string());
}

#[test]
fn a_twin_beyond_the_limits_is_refused_before_it_is_made() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 8, 8, 64]);
    let y = net.conv(x, 64, 7, 1, 64);
    let y = net.conv(y, 128, 1, 1, 1);
    let graph = net.finish(&[y]);
    let weights = 4 * 49 * 64 * 128;
    let memory = Limits { max_memory: weights - 1, ..Limits::default() };
    let error = with_standard_convs(&graph, &memory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("weights of its standard convolutions"), "{error}");
    let macs = Limits { max_macs: 64 * 49 * 64 * 128 - 1, ..Limits::default() };
    let error = with_standard_convs(&graph, &macs).unwrap_err().to_string();
    assert!(error.contains("standard convolutions cost too much arithmetic"), "{error}");
    assert!(
        with_standard_convs(&graph, &Limits { max_memory: weights, max_macs: 64 * 49 * 64 * 128, ..Limits::default() })
            .is_ok()
    );
}

/// Section 3 of the MobileNets paper (arXiv 1704.04861), table 1, with its counts and those of the network it is
/// compared with.
#[test]
fn mobilenet_v1_and_its_twin_have_the_counts_of_the_paper() {
    const SEPARABLE: [(usize, usize); 13] = [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ];
    let mut net = Net::new(1);
    let x = net.input(&[1, 224, 224, 3]);
    let layer = |net: &mut Net, x, filters, kernel, stride, groups| {
        let y = normalized(net, x, filters, kernel, stride, groups);
        net.activation(y, Activation::RELU6)
    };
    let mut y = layer(&mut net, x, 32, 3, 2, 1);
    for (filters, stride) in SEPARABLE {
        let channels = net.channels(y);
        y = layer(&mut net, y, channels, 3, stride, channels);
        y = layer(&mut net, y, filters, 1, 1, 1);
    }
    let mean = net.node(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: false }, &[y]);
    let (weights, bias) = (net.constant(&[1000, 1024]), net.constant(&[1000]));
    let scores = net.node(Dense { activation: Activation::Identity }, &[mean, weights, bias]);
    let graph = net.finish(&[scores]);
    let standard = with_standard_convs(&graph, &Limits::default()).unwrap();
    let mmacs = |graph: &Graph| format!("{:.1}", graph.macs() as f64 / 1e6);
    assert_eq!((graph.parameters(), mmacs(&graph)), (4_231_976, "568.7".to_owned()));
    assert_eq!((standard.parameters(), mmacs(&standard)), (29_294_088, "4867.3".to_owned()));
}
