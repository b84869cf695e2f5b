//! Layers whose weights are an input or are computed.

use sepconv_core::op::{Conv2d, Dense};
use sepconv_core::{Graph, Limits, Plan, Serial, Session, interpret, passes::optimize};
use sepconv_kernels::{Activation, Isa, Window};

use crate::common::{Net, Random, difference};

/// Compares every instruction set with the interpreter of the graph before the passes.
fn check(graph: Graph, dims: [&[usize]; 3]) {
    let mut random = Random(5);
    let inputs = dims.map(|dims| random.tensor(dims));
    let expected = interpret(&graph, &inputs).unwrap();
    let optimized = optimize(graph).unwrap();
    for isa in Isa::available_f32() {
        let mut session = Session::new(Plan::new(&optimized, isa, 1, &Limits::default()).unwrap()).unwrap();
        let got = session.run(&inputs.each_ref(), &Serial).unwrap();
        assert!(difference(&expected, got) < 5e-5, "{isa} differs from the definition:\n{optimized}");
    }
}

#[test]
fn convolutions_take_weights_from_inputs() {
    let window = Window { stride: [2, 1], dilation: [1, 2], before: [1, 0], after: [0, 2], ..Window::new(3, 2) };
    for (channels, filters, groups) in [(6, 6, 6), (6, 12, 6), (6, 9, 3), (5, 7, 1)] {
        let dims: [&[usize]; 3] = [&[2, 8, 7, channels], &[filters, 3, 2, channels / groups], &[filters]];
        let mut net = Net::new(1);
        let inputs = dims.map(|dims| net.input(dims));
        let conv = Conv2d { window, groups, activation: Activation::RELU6 };
        let y = net.node(conv, &inputs);
        check(net.finish(&[y]), dims);
    }
}

#[test]
fn fully_connected_layers_take_weights_from_inputs() {
    for leading in [&[3][..], &[2, 4]] {
        let x = [leading, &[5]].concat();
        let dims: [&[usize]; 3] = [&x, &[6, 5], &[6]];
        let mut net = Net::new(1);
        let inputs = dims.map(|dims| net.input(dims));
        let y = net.node(Dense { activation: Activation::Relu }, &inputs);
        check(net.finish(&[y]), dims);
    }
}
