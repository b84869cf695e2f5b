//! Whatever a builder accepts, however odd, runs and gives what the interpreter gives: sizes of zero and one, windows
//! that see nothing but padding, steps that leave the plane, every rank, every operator.

mod check;
mod net;

use sepconv_core::op::{BinaryFunction, Dense};
use sepconv_core::{DType, Op, Shape, Tensor, op::Conv2d};
use sepconv_kernels::{Activation, Isa, Window};

use self::{check::check, net::Awkward};
use crate::common::Random;

#[test]
fn whatever_is_accepted_runs() {
    let (mut accepted, mut compared, mut excused) = (0, 0, 0);
    for seed in 0..4000 {
        let mut net = Awkward::new(Random(seed));
        net.input();
        for _ in 0..6 {
            accepted += usize::from(net.node());
        }
        let (graph, inputs) = net.finish();
        let checked = check(seed, graph, &inputs);
        (compared, excused) = (compared + checked.plans, excused + checked.excused);
    }
    // Too awkward a generator would test nothing.
    assert!(accepted > 6000 && compared > 6000, "{accepted} nodes were accepted and {compared} plans compared");
    assert_eq!(excused, 0, "none of these has an answer that rounding decides");
}

#[test]
fn windows_may_see_nothing_but_padding() {
    for (groups, kernel, far) in [(3, 3, 9), (3, 5, 20), (3, 2, 9), (1, 3, 9), (3, 7, 30)] {
        let mut net = Awkward::new(Random(1));
        let x = net.builder.input("input", Shape::new([1, 4, 3, 3]).unwrap(), DType::F32).unwrap();
        let input = net.tensor(&[1, 4, 3, 3]);
        net.inputs.push(input);
        let (weights, bias) = (net.constant(&[3, kernel, kernel, 3 / groups]), net.constant(&[3]));
        for stride in 1..=3 {
            let window =
                Window { stride: [stride; 2], before: [far; 2], after: [far + 1; 2], ..Window::new(kernel, kernel) };
            let op = Op::Conv2d(Conv2d { window, groups, activation: Activation::Relu });
            net.values.push(net.builder.node("node", op, &[x, weights, bias]).unwrap());
        }
        net.values.iter().for_each(|&id| net.builder.output("output", id));
        let compared = check(0, net.builder.finish(), &net.inputs);
        assert_eq!((compared.plans, compared.excused), (2 * Isa::available_f32().count(), 0));
    }
}

/// What a layer's sums are divided by goes into its weights, but zero would make NaN of those that are zero.
#[test]
fn sums_may_be_divided_by_zero() {
    let mut net = Awkward::new(Random(1));
    let x = net.builder.input("input", Shape::new([2, 17]).unwrap(), DType::F32).unwrap();
    let input = net.tensor(&[2, 17]);
    net.inputs.push(input);
    let (weights, bias) = (net.constant(&[3, 17]), net.constant(&[3]));
    let dense = Op::Dense(Dense { activation: Activation::Identity });
    let sums = net.builder.node("node", dense, &[x, weights, bias]).unwrap();
    let zero = net.builder.constant("zero", Tensor::f32([], [0.0]).unwrap()).unwrap();
    let quotient = net.builder.node("node", BinaryFunction::Div, &[sums, zero]).unwrap();
    net.builder.output("output", quotient);
    let compared = check(0, net.builder.finish(), &net.inputs);
    assert_eq!((compared.plans, compared.excused), (2 * Isa::available_f32().count(), 0));
}
