//! What has no form on bytes, or none that is right, stays as it is; and nothing that a file may ask for takes long.

use sepconv_core::op::{
    BinaryFunction, Broadcast, Concat, Dense, Dequantize, Quantize, Slice, Transpose, UnaryFunction,
};
use sepconv_core::{
    DType, Graph, Op, Shape, Tensor, ValueId, interpret,
    op::{Conv2d, Pool, QuantParams},
    passes::optimize,
};
use sepconv_kernels::{Activation, QuantizedConvParams, Window, pool::PoolKind};

use super::check_exact;
use super::quantized::{INT8, Quantized, Reals, Style, UINT8};
use crate::common::Net;

/// The operators that take or give real numbers, apart from what translates.
fn left(graph: Graph) -> Vec<&'static str> {
    let graph = check_exact(graph, 7);
    let inside = |op: &Op| !super::is_integer(op) && !matches!(op, Op::Quantize(_) | Op::Dequantize(_));
    graph.nodes().iter().filter(|node| inside(&node.op)).map(|node| node.op.name()).collect()
}

/// A pointwise layer with a single input, and everything about it as stated.
fn layer(weights: QuantParams, bias: f32, result: QuantParams) -> Graph {
    let mut q = Quantized::new(1, INT8);
    let x = q.input(&[1, 2, 2, 1]);
    let bytes = Tensor::i8([2, 1, 1, 1], [3, -5]).unwrap();
    let bytes = q.net.builder.constant("weights", bytes).unwrap();
    let weights = q.net.node(Dequantize(weights), &[bytes]);
    let bias = q.net.builder.constant("bias", Tensor::f32([2], [bias, 0.0]).unwrap()).unwrap();
    let conv = Conv2d { window: Window::new(1, 1), groups: 1, activation: Activation::Identity };
    let conv = q.net.node(conv, &[x.id, weights, bias]);
    let bytes = q.net.node(Quantize(result), &[conv]);
    q.net.finish(&[bytes])
}

fn whole(scale: f32) -> QuantParams {
    QuantParams::per_tensor(DType::I8, scale, 0)
}

#[test]
fn zero_points_that_differ() {
    let weights = |zeros: [i32; 2]| QuantParams { scale: vec![0.5; 2], zero_point: zeros.to_vec(), ..whole(1.0) };
    assert!(left(layer(weights([4, 4]), 0.0, whole(0.25))).is_empty());
    assert_eq!(left(layer(weights([4, 5]), 0.0, whole(0.25))), ["conv2d"]);
}

#[test]
fn scales_along_another_axis() {
    let other = QuantParams { axis: 1, ..whole(0.5) };
    assert!(left(layer(other, 0.0, whole(0.25))).is_empty(), "a single scale has no axis");
    // Of activations, one for each channel.
    let mut q = Quantized::new(2, UINT8);
    let x = q.input(&[1, 2, 2, 3]);
    let conv = q.pointwise(x, 2);
    let result = QuantParams { dtype: DType::U8, scale: vec![0.5, 0.25], zero_point: vec![128; 2], axis: 3 };
    let x = q.through(conv, result);
    let again = q.pointwise(x, 2);
    let names = left(q.finish(&[again]));
    assert_eq!(names, ["qconv2d", "conv2d"], "exact sums in real numbers, then real numbers");
}

/// Integers cannot hold a bias that is finer than they are and matters to the result.
#[test]
fn bias_between_integers() {
    // Sums are in steps of 1/32 here, or so.
    assert!(left(layer(whole(0.5), 0.25, whole(0.25))).is_empty());
    assert!(left(layer(whole(64.0), 64.0, whole(0.25))).is_empty());
    assert_eq!(left(layer(whole(64.0), 0.3, whole(0.25))), ["qconv2d", "binary"]);
}

#[test]
fn sums_beyond_32_bits() {
    let network = |inputs: usize, bias: i64| {
        let mut q = Quantized::new(3, UINT8);
        let x = q.input(&[1, inputs]);
        let weights = q.constant(&[1, inputs], vec![2f32.powi(-20)]);
        let integers = q.net.builder.constant("bias", Tensor::i64([1], [bias]).unwrap()).unwrap();
        let quantization = QuantParams::per_tensor(DType::I64, x.scale * 2f32.powi(-20), 0);
        let bias = q.net.node(Dequantize(quantization), &[integers]);
        let dense = q.net.node(Dense { activation: Activation::Relu }, &[x.id, weights, bias]);
        q.finish(&[dense])
    };
    let wide = |inputs, bias| left(network(inputs, bias));
    assert!(wide(64, 1 << 30).is_empty());
    assert_eq!(wide(64, 1 << 31), ["qconv2d", "binary"]);
    assert_eq!(wide(64, i64::MIN), ["qconv2d", "binary"]);
    // The last that fits runs as bytes, the first that does not in real numbers.
    let most = QuantizedConvParams::MAX_PRODUCTS;
    for (inputs, names) in [(most, &[][..]), (most + 1, &["dense"])] {
        assert_eq!(wide(inputs, 0), names);
        let graph = network(inputs, 0);
        let inputs = super::inputs(&graph, 8);
        super::check_plans(&optimize(graph).unwrap(), &inputs);
    }
}

/// Scales that single precision cannot hold, or only just.
#[test]
fn extreme_scales() {
    let (tiny, huge) = (1e-44, 2f32.powi(120));
    let cases = [(tiny, 1.0, "conv2d"), (huge, tiny, "qconv2d"), (1.0, tiny, "qconv2d"), (tiny, huge, "conv2d")];
    for (weights, result, layer_of) in cases {
        let mut q = Quantized::new(4, INT8);
        let x = q.input(&[1, 2]);
        let a = q.through(x.id, whole(weights));
        let sum = q.net.node(BinaryFunction::Mul, &[x.id, a.id]);
        let bytes = q.net.node(Quantize(whole(result)), &[sum]);
        // Tables take any scale: the product is a function of one byte.
        assert!(left(q.net.finish(&[bytes])).is_empty());
        let names = left(layer(whole(weights), 0.0, whole(result)));
        assert_eq!(names, [layer_of], "{weights} to {result}");
    }
}

/// Bytes times scales that single precision cannot add.
#[test]
fn sums_that_leave_single_precision() {
    for (scale, names) in [(2e-37, &["binary"][..]), (2e-30, &[])] {
        let mut q = Quantized::new(6, UINT8);
        let [a, b] = [0; 2].map(|_| q.input(&[1, 4]));
        let [a, b] = [a, b].map(|x| q.through(x.id, QuantParams::per_tensor(DType::U8, 10.0, 128)));
        let sum = q.net.node(BinaryFunction::Sub, &[a.id, b.id]);
        let bytes = q.net.node(Quantize(QuantParams::per_tensor(DType::U8, scale, 7)), &[sum]);
        assert_eq!(left(q.net.finish(&[bytes])), names, "{scale}");
    }
}

/// Windows that may see padding only: minus infinity in real numbers, the least byte in signed and unsigned ones.
#[test]
fn windows_without_taps() {
    let window = Window { dilation: [3; 2], before: [3; 2], after: [3; 2], ..Window::new(2, 2) };
    let pool = || Op::Pool(Pool { window, kind: PoolKind::Max, ceil_mode: false });
    let mut net = Net::new(9);
    let x = net.builder.input("x", Shape::new([1, 2, 2, 3]).unwrap(), DType::I8).unwrap();
    let y = net.node(pool(), &[x]);
    let graph = net.finish(&[y]);
    let inputs = super::inputs(&graph, 9);
    let expected = interpret(&graph, &inputs).unwrap();
    let optimized = optimize(graph).unwrap();
    assert_eq!(interpret(&optimized, &inputs).unwrap(), expected);
    super::check_plans(&optimized, &inputs);
    let mut q = Quantized::new(10, INT8);
    let x = q.input(&[1, 2, 2, 3]);
    let dequantized = q.net.node(pool(), &[x.id]);
    let bytes = q.net.node(Quantize(whole(0.5)), &[dequantized]);
    assert!(left(q.net.finish(&[bytes])).is_empty(), "minus infinity is the least byte");
    let mut q = Quantized::new(10, INT8);
    let x = q.input(&[1, 2, 2, 3]);
    let dequantized = q.net.node(pool(), &[x.id]);
    let values = |graph: &Graph| interpret(graph, &super::inputs(graph, 11)).unwrap().remove(0);
    let graph = check_exact(q.net.finish(&[dequantized]), 11);
    assert!(values(&graph).as_f32().unwrap().contains(&f32::NEG_INFINITY), "which no byte is");
}

/// Functions other than clips act on the sum before it is rounded.
#[test]
fn activations_of_real_sums() {
    let activated = |activation| {
        let mut q = Quantized::new(5, INT8);
        let x = q.input(&[1, 2, 2, 3]);
        let conv = q.pointwise(x, 2);
        let activated = q.net.activation(conv, activation);
        left(q.finish(&[activated]))
    };
    assert!(activated(Activation::Clip { low: f32::NAN, high: 1.0 }).is_empty());
    assert!(activated(Activation::Clip { low: 2.0, high: 1.0 }).is_empty());
    assert_eq!(activated(Activation::HardSwish), ["qconv2d", "unary"]);
    let mut q = Quantized::new(6, INT8);
    let x = q.input(&[1, 2, 2, 3]);
    let y = q.pointwise(x, 3);
    let y = q.stored(y);
    let sum = q.binary(BinaryFunction::Add, x, y);
    let swish = q.net.activation(sum, Activation::HardSwish);
    let quotient = q.binary(BinaryFunction::Div, x, y);
    assert_eq!(left(q.finish(&[swish, quotient])), ["binary", "binary"]);
}

#[test]
fn means_that_count_padding() {
    let mean = |count_padding: bool, pad: usize| {
        let mut q = Quantized::new(7, UINT8);
        let x = q.input(&[1, 4, 4, 3]);
        let window = Window { stride: [2; 2], before: [pad; 2], ..Window::new(2, 2) };
        let pool = Pool { window, kind: PoolKind::Average { count_padding }, ceil_mode: true };
        let mean = q.net.node(pool, &[x.id]);
        left(q.finish(&[mean]))
    };
    assert!(mean(true, 0).is_empty() && mean(false, 1).is_empty());
    assert_eq!(mean(true, 1), ["average_pool"]);
}

/// A real number that is added to bytes on the way to bytes is no function of one of them.
#[test]
fn operands_that_are_no_bytes() {
    let mut q = Quantized::new(8, INT8);
    let x = q.input(&[1, 2, 2, 3]);
    let dequantized = q.net.input(&[1, 2, 2, 3]);
    let sum = q.net.node(BinaryFunction::Add, &[x.id, dequantized]);
    let per_channel = q.net.constant(&[3]);
    let scaled = q.net.node(BinaryFunction::Mul, &[x.id, per_channel]);
    let wider = q.net.scalar(2.0);
    let wider = q.net.node(Broadcast { shape: sepconv_core::Shape::new([1, 1, 1, 1, 1]).unwrap() }, &[wider]);
    let wider = q.net.node(BinaryFunction::Mul, &[x.id, wider]);
    assert_eq!(left(q.finish(&[sum, scaled, wider])), ["binary", "binary", "binary"]);
}

/// Compositions of many functions, and sums that double what they are sums of, are computed in steps.
#[test]
fn deep_graphs_end() {
    let mut q = Quantized::new(9, INT8);
    let x = q.input(&[1, 2]);
    let repeat = |q: &mut Quantized, mut id: ValueId, times: usize, f: &dyn Fn(&mut Quantized, ValueId) -> ValueId| {
        for _ in 0..times {
            id = f(q, id);
        }
        id
    };
    let unary = repeat(&mut q, x.id, 2000, &|q, id| q.net.node(UnaryFunction::Neg, &[id]));
    let doubled = repeat(&mut q, x.id, 60, &|q, id| q.net.node(BinaryFunction::Add, &[id, id]));
    let clipped = repeat(&mut q, x.id, 2000, &|q, id| q.net.activation(id, Activation::RELU6));
    let scaled = repeat(&mut q, clipped, 2000, &|q, id| {
        let constant = q.net.constant(&[2]);
        q.net.node(BinaryFunction::Mul, &[id, constant])
    });
    let shapes = repeat(&mut q, scaled, 500, &|q, id| {
        let turned = q.net.node(Transpose { order: vec![1, 0] }, &[id]);
        let copies = q.net.node(Concat { axis: 0 }, &[turned, turned]);
        let slice = Op::Slice(Slice { starts: vec![1, 0], steps: vec![1, 1], sizes: vec![2, 1] });
        let part = q.net.node(slice, &[copies]);
        q.net.node(Transpose { order: vec![1, 0] }, &[part])
    });
    let tables = repeat(&mut q, x.id, 500, &|q, id| {
        let id = q.net.activation(id, Activation::Silu);
        q.stored(id).id
    });
    let both = Reals { id: tables, ..x };
    let product = q.binary(BinaryFunction::Mul, x, both);
    check_exact(q.finish(&[unary, doubled, clipped, shapes, product]), 10);
}

/// Values of no elements, and layers with no outputs.
#[test]
fn empty_values() {
    for style in [INT8, UINT8, Style { per_channel: true, ..UINT8 }] {
        let mut q = Quantized::new(11, style);
        let x = q.input(&[0, 4, 4, 2]);
        let block = q.inverted_residual(x, 2, 1, true);
        let rows = q.input(&[0, 3]);
        let dense = q.dense(rows, 2);
        let row = q.input(&[1, 3]);
        let none = q.dense(row, 0);
        check_exact(q.finish(&[block.id, dense, none]), 12);
    }
}
