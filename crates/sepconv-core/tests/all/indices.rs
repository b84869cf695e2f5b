//! Comparisons, selections and indices: what a plan computes, on every instruction set, and what the interpreter does.

use sepconv_core::op::{
    ArgExtreme, Binary, BinaryFunction, Broadcast, Cast, CumSum, Dequantize, Gather, GatherElements, GatherNd,
    NonMaxSuppression, NonZero, Pairwise, QuantParams, Reduce, Reduction, Reshape, ScatterNd, Select, TopK, Transpose,
    UnaryFunction,
};
use sepconv_core::{
    Builder, DType, Data, ErrorKind, Graph, Limits, Op, Plan, Serial, Session, Shape, Tensor, interpret, passes,
};
use sepconv_kernels::{Activation, Isa};

fn f32s(dims: &[usize], data: &[f32]) -> Tensor {
    Tensor::f32(dims, data).unwrap()
}

fn i64s(dims: &[usize], data: &[i64]) -> Tensor {
    Tensor::i64(dims, data).unwrap()
}

/// The graph of one operator, every operand an input.
fn graph(op: Op, inputs: &[Tensor]) -> Graph {
    let mut builder = Builder::new(Limits::default());
    let input = |(i, tensor): (usize, &Tensor)| {
        let shape = Shape::new(&tensor.shape()[..]).unwrap();
        builder.input(&format!("x{i}"), shape, tensor.dtype()).unwrap()
    };
    let operands: Vec<_> = inputs.iter().enumerate().map(input).collect();
    let result = builder.node("node", op, &operands).unwrap();
    builder.output("y", result);
    builder.finish()
}

/// Runs a graph twice with each instruction set, before and after the passes.
fn expect_of_graph(graph: Graph, inputs: &[Tensor], expected: &[Tensor]) {
    assert_eq!(interpret(&graph, inputs).unwrap(), expected, "interpreted");
    let optimized = passes::optimize(graph.clone()).unwrap();
    assert_eq!(interpret(&optimized, inputs).unwrap(), expected, "interpreted after the passes");
    for (isa, graph) in Isa::available().flat_map(|isa| [(isa, &graph), (isa, &optimized)]) {
        let mut session = Session::new(Plan::new(graph, isa, 2, &Limits::default()).unwrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(session.run(&inputs.iter().collect::<Vec<_>>(), &Serial).unwrap(), expected, "{isa}");
        }
    }
}

fn expect(op: impl Into<Op>, inputs: &[Tensor], expected: &Tensor) {
    expect_of_graph(graph(op.into(), inputs), inputs, std::slice::from_ref(expected));
}

#[test]
fn comparisons_are_exact_and_broadcast() {
    let (a, b) = (f32s(&[2, 3], &[1.0, 2.0, f32::NAN, -0.0, 5.0, 6.0]), f32s(&[3], &[1.0, 3.0, 0.0]));
    expect(Pairwise::Equal, &[a.clone(), b.clone()], &i64s(&[2, 3], &[1, 0, 0, 0, 0, 0]));
    expect(Pairwise::NotEqual, &[a.clone(), b.clone()], &i64s(&[2, 3], &[0, 1, 1, 1, 1, 1]));
    expect(Pairwise::Less, &[a.clone(), b.clone()], &i64s(&[2, 3], &[0, 1, 0, 1, 0, 0]));
    expect(Pairwise::LessOrEqual, &[a, b], &i64s(&[2, 3], &[1, 1, 0, 1, 0, 0]));
    let big = 1 << 60;
    let (a, b) = (i64s(&[2, 1], &[big, big + 1]), i64s(&[1, 2], &[big, big + 1]));
    expect(Pairwise::Equal, &[a.clone(), b.clone()], &i64s(&[2, 2], &[1, 0, 0, 1]));
    expect(Pairwise::Less, &[a, b], &i64s(&[2, 2], &[0, 1, 0, 0]));
}

#[test]
fn quotients_are_whole_and_rests_have_a_sign() {
    let (a, b) = (i64s(&[6], &[7, -7, 7, -7, 6, 5]), i64s(&[6], &[2, 2, -2, -2, 3, 0]));
    expect(Pairwise::FloorDiv, &[a.clone(), b.clone()], &i64s(&[6], &[3, -4, -4, 3, 2, 0]));
    expect(Pairwise::FloorMod, &[a.clone(), b.clone()], &i64s(&[6], &[1, 1, -1, -1, 0, 0]));
    expect(Pairwise::Remainder, &[a, b], &i64s(&[6], &[1, -1, 1, -1, 0, 0]));
    let (a, b) = (f32s(&[4], &[7.5, -7.5, 7.5, -7.5]), f32s(&[4], &[2.0, 2.0, -2.0, -2.0]));
    expect(Pairwise::FloorDiv, &[a.clone(), b.clone()], &f32s(&[4], &[3.0, -4.0, -4.0, 3.0]));
    expect(Pairwise::FloorMod, &[a.clone(), b.clone()], &f32s(&[4], &[1.5, 0.5, -0.5, -1.5]));
    expect(Pairwise::Remainder, &[a, b], &f32s(&[4], &[1.5, -1.5, 1.5, -1.5]));
}

#[test]
fn conditions_select() {
    let condition = i64s(&[2, 1], &[1, 0]);
    let (a, b) = (f32s(&[3], &[1.0, 2.0, 3.0]), f32s(&[], &[9.0]));
    expect(Select, &[condition.clone(), a, b], &f32s(&[2, 3], &[1.0, 2.0, 3.0, 9.0, 9.0, 9.0]));
    expect(Select, &[condition, i64s(&[], &[4]), i64s(&[2, 1], &[5, 6])], &i64s(&[2, 1], &[4, 6]));
}

#[test]
fn numbers_are_cast() {
    expect(Cast { to: DType::I64 }, &[f32s(&[3], &[1.9, -1.9, 3e30])], &i64s(&[3], &[1, -1, i64::MAX]));
    expect(Cast { to: DType::F32 }, &[i64s(&[2], &[3, -4])], &f32s(&[2], &[3.0, -4.0]));
    expect(Cast { to: DType::I64 }, &[Tensor::u8([2], [0, 255]).unwrap()], &i64s(&[2], &[0, 255]));
    expect(Cast { to: DType::I64 }, &[Tensor::i8([2], [-128, 127]).unwrap()], &i64s(&[2], &[-128, 127]));
    expect(Cast { to: DType::U8 }, &[i64s(&[2], &[257, -1])], &Tensor::u8([2], [1, 255]).unwrap());
}

#[test]
fn the_first_of_equals_is_the_extreme() {
    let x = f32s(&[2, 3, 2], &[1.0, 5.0, 3.0, 5.0, 3.0, -1.0, 0.0, 0.0, -0.0, 2.0, -7.0, 2.0]);
    let arg = |axis, keep_dims, largest, last| ArgExtreme { axis, keep_dims, largest, last };
    expect(arg(1, true, true, false), std::slice::from_ref(&x), &i64s(&[2, 1, 2], &[1, 0, 0, 1]));
    expect(arg(1, false, true, true), std::slice::from_ref(&x), &i64s(&[2, 2], &[2, 1, 1, 2]));
    expect(arg(2, false, false, false), std::slice::from_ref(&x), &i64s(&[2, 3], &[0, 0, 1, 0, 0, 0]));
    expect(arg(2, false, true, true), &[x], &i64s(&[2, 3], &[1, 1, 0, 1, 1, 1]));
    let bytes = Tensor::i8([1, 4], [-5, 7, 7, -128]).unwrap();
    expect(arg(1, false, true, false), std::slice::from_ref(&bytes), &i64s(&[1], &[1]));
    expect(arg(1, false, false, false), &[bytes], &i64s(&[1], &[3]));
}

/// Bytes are not dequantized for the place of the greatest.
#[test]
#[cfg(feature = "int8")]
fn extremes_are_found_among_bytes() {
    let x = Tensor::i8([1, 2, 2, 3], [1, 2, 3, 3, 2, 1, 0, 9, 9, -1, -2, -3]).unwrap();
    let mut builder = Builder::new(Limits::default());
    let input = builder.input("x", x.shape().clone(), DType::I8).unwrap();
    let dequantized = builder.node("reals", Dequantize(QuantParams::per_tensor(DType::I8, 0.5, 3)), &[input]).unwrap();
    let op = ArgExtreme { axis: 3, keep_dims: false, largest: true, last: false };
    let result = builder.node("argmax", op, &[dequantized]).unwrap();
    builder.output("y", result);
    let graph = builder.finish();
    let optimized = passes::optimize(graph.clone()).unwrap();
    assert!(optimized.nodes().iter().all(|node| !matches!(node.op, Op::Dequantize(_))), "{optimized}");
    expect_of_graph(graph, &[x], &[i64s(&[1, 2, 2], &[2, 0, 1, 0])]);
}

#[test]
fn the_greatest_come_in_order() {
    let x = f32s(&[2, 4], &[1.0, 4.0, 4.0, 2.0, -1.0, -4.0, 0.0, -2.0]);
    let topk = |largest| TopK { axis: 1, k: 3, largest };
    expect(topk(true), std::slice::from_ref(&x), &i64s(&[2, 3], &[1, 2, 3, 2, 0, 3]));
    expect(topk(false), &[x], &i64s(&[2, 3], &[0, 3, 1, 1, 3, 0]));
    let columns = i64s(&[3, 2], &[1, 9, 5, 8, 3, 7]);
    expect(TopK { axis: 0, k: 2, largest: true }, &[columns], &i64s(&[2, 2], &[1, 0, 2, 1]));
}

#[test]
fn computed_indices_gather() {
    let x = f32s(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    expect(Gather { axis: 1 }, &[x.clone(), i64s(&[2], &[-1, 0])], &f32s(&[2, 2], &[2.0, 0.0, 5.0, 3.0]));
    expect(Gather { axis: 0 }, &[x.clone(), i64s(&[], &[1])], &f32s(&[3], &[3.0, 4.0, 5.0]));
    // An index out of range is an error where it is known, and gathers 0 where it is computed.
    let inputs = [x.clone(), i64s(&[1], &[7])];
    let graph = graph(Gather { axis: 0 }.into(), &inputs);
    assert_eq!(interpret(&graph, &inputs).unwrap_err().kind(), ErrorKind::Mismatch);
    let mut session = Session::new(Plan::new(&graph, Isa::best(), 1, &Limits::default()).unwrap()).unwrap();
    assert_eq!(session.run(&[&inputs[0], &inputs[1]], &Serial).unwrap(), [f32s(&[1, 3], &[0.0; 3])]);
    let places = i64s(&[2, 2], &[2, 0, -1, 9]);
    expect(GatherElements { axis: 1 }, &[x.clone(), places], &f32s(&[2, 2], &[2.0, 0.0, 5.0, 0.0]));
    let rows = i64s(&[3, 2], &[1, 2, 0, -1, 5, 0]);
    expect(GatherNd { batch_dims: 0 }, &[x.clone(), rows], &f32s(&[3], &[5.0, 2.0, 0.0]));
    expect(GatherNd { batch_dims: 1 }, &[x, i64s(&[2, 1], &[1, 0])], &f32s(&[2], &[1.0, 3.0]));
}

#[test]
fn slices_are_scattered() {
    let x = f32s(&[3, 2], &[0.0; 6]);
    let updates = f32s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let operands = [x, i64s(&[3, 1], &[2, -3, 2]), updates];
    expect(ScatterNd { reduction: None }, &operands, &f32s(&[3, 2], &[3.0, 4.0, 0.0, 0.0, 5.0, 6.0]));
    let sum = ScatterNd { reduction: Some(BinaryFunction::Add) };
    expect(sum, &operands, &f32s(&[3, 2], &[3.0, 4.0, 0.0, 0.0, 6.0, 8.0]));
}

#[test]
fn sums_run_along_an_axis() {
    let x = i64s(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let sum = |axis, exclusive, reverse| CumSum { axis, exclusive, reverse };
    expect(sum(1, false, false), std::slice::from_ref(&x), &i64s(&[2, 3], &[1, 3, 6, 4, 9, 15]));
    expect(sum(1, true, true), std::slice::from_ref(&x), &i64s(&[2, 3], &[5, 3, 0, 11, 6, 0]));
    expect(sum(0, false, false), &[x], &i64s(&[2, 3], &[1, 2, 3, 5, 7, 9]));
}

#[test]
fn integers_are_computed_and_moved() {
    let x = i64s(&[2, 3], &[1, -2, 3, -4, 5, -6]);
    let add = Binary { function: BinaryFunction::Add, activation: Activation::Identity };
    expect(add, &[x.clone(), i64s(&[1, 3], &[10, 20, 30])], &i64s(&[2, 3], &[11, 18, 33, 6, 25, 24]));
    expect(UnaryFunction::Neg, std::slice::from_ref(&x), &i64s(&[2, 3], &[-1, 2, -3, 4, -5, 6]));
    let reduce = |reduction| Reduce { reduction, axes: vec![1], keep_dims: false };
    expect(reduce(Reduction::Max), std::slice::from_ref(&x), &i64s(&[2], &[3, 5]));
    expect(reduce(Reduction::Sum), std::slice::from_ref(&x), &i64s(&[2], &[2, -5]));
    expect(Transpose { order: vec![1, 0] }, &[x], &i64s(&[3, 2], &[1, -4, -2, 5, 3, -6]));
    let wide = Broadcast { shape: Shape::new([2, 2]).unwrap() };
    expect(wide, &[i64s(&[2, 1], &[1, 2])], &i64s(&[2, 2], &[1, 1, 2, 2]));
    // Where folding fails a run has 0.
    let div = Binary { function: BinaryFunction::Div, activation: Activation::Identity };
    let graph = graph(div.into(), &[i64s(&[2], &[6, 1]), i64s(&[2], &[3, 0])]);
    let mut session = Session::new(Plan::new(&graph, Isa::best(), 1, &Limits::default()).unwrap()).unwrap();
    assert_eq!(session.run(&[&i64s(&[2], &[6, 1]), &i64s(&[2], &[3, 0])], &Serial).unwrap(), [i64s(&[2], &[2, 0])]);
}

/// As many indices as there are elements that are not zero, through what moves them.
#[test]
fn results_are_as_long_as_the_data_says() {
    let build = |reads_all: bool| {
        let mut builder = Builder::new(Limits::default());
        let x = builder.input("x", Shape::new([5]).unwrap(), DType::F32).unwrap();
        let rows = builder.input("rows", Shape::new([5, 2]).unwrap(), DType::F32).unwrap();
        let found = builder.node("found", NonZero, &[x]).unwrap();
        let column = builder.node("column", Transpose { order: vec![1, 0] }, &[found]).unwrap();
        let list = builder.node("list", Reshape { shape: Shape::new([5]).unwrap() }, &[column]).unwrap();
        let picked = builder.node("picked", Gather { axis: 0 }, &[rows, list]).unwrap();
        builder.output("found", found);
        builder.output("picked", picked);
        if reads_all {
            let op = Reduce { reduction: Reduction::Sum, axes: vec![0], keep_dims: false };
            let sum = builder.node("sum", op, &[picked]).unwrap();
            builder.output("sum", sum);
        }
        builder.finish()
    };
    let rows = f32s(&[5, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let graph = build(false);
    let some = f32s(&[5], &[0.0, 1.0, 0.0, -1.0, 0.0]);
    let expected = [i64s(&[1, 2], &[1, 3]), f32s(&[2, 2], &[2.0, 3.0, 6.0, 7.0])];
    expect_of_graph(graph.clone(), &[some.clone(), rows.clone()], &expected);
    let none = f32s(&[5], &[0.0; 5]);
    expect_of_graph(graph.clone(), &[none.clone(), rows.clone()], &[i64s(&[1, 0], &[]), f32s(&[0, 2], &[])]);
    // The same session, fewer and then more.
    let mut session = Session::new(Plan::new(&graph, Isa::best(), 1, &Limits::default()).unwrap()).unwrap();
    assert!(session.plan().outputs().iter().all(|output| output.is_open()));
    session.run(&[&none, &rows], &Serial).unwrap();
    assert_eq!(session.run(&[&some, &rows], &Serial).unwrap(), expected);

    let error = Plan::new(&build(true), Isa::best(), 1, &Limits::default()).unwrap_err();
    assert_eq!((error.kind(), error.node()), (ErrorKind::Unsupported, Some("sum")));
}

#[test]
fn overlapping_boxes_are_suppressed() {
    let boxes =
        f32s(&[1, 4, 4], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 10.0, 1.0, 11.0, 1.0, 101.0, 0.0, 100.0]);
    let scores = f32s(&[1, 2, 4], &[0.9, 0.95, 0.6, 0.3, 0.1, 0.2, 0.8, 0.7]);
    let parameters = |most| [i64s(&[1], &[most]), f32s(&[1], &[0.5]), f32s(&[], &[0.25])];
    let operands = |most| [[boxes.clone(), scores.clone()].as_slice(), &parameters(most)].concat();
    let op = NonMaxSuppression { is_centered: false };
    let all = [0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 1, 2, 0, 1, 3];
    expect(op, &operands(4), &i64s(&[5, 3], &all));
    expect(op, &operands(1), &i64s(&[2, 3], &[0, 0, 1, 0, 1, 2]));
    expect(op, &operands(0), &i64s(&[0, 3], &[]));
}

#[test]
fn known_integers_fold() {
    let mut builder = Builder::new(Limits::default());
    let mut known = |data: &[i64]| builder.constant("known", i64s(&[data.len()], data)).unwrap();
    let (a, b) = (known(&[1, -1, 3]), known(&[1, 1, 1]));
    let is_open = builder.node("equal", Pairwise::Less, &[a, b]).unwrap();
    let shape = builder.node("where", Select, &[is_open, b, a]).unwrap();
    assert_eq!(builder.constant_of(shape).map(|tensor| tensor.data()), Some(&Data::I64(vec![1, 1, 3])));
    let op = Reduce { reduction: Reduction::Prod, axes: vec![0], keep_dims: false };
    let size = builder.node("size", op, &[shape]).unwrap();
    assert_eq!(builder.constant_of(size).map(|tensor| tensor.data()), Some(&Data::I64(vec![3])));
}
