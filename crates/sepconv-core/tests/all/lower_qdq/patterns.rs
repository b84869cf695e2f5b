//! What each pattern becomes.

use sepconv_core::op::{
    BinaryFunction, Broadcast, Concat, Dequantize, Gather, MatMul, Pad, Quantize, Reduce, Reshape, Slice, Softmax,
    Transpose,
};
use sepconv_core::{
    DType, Op, Tensor,
    analysis::{BlockKind, blocks},
    op::{PadMode, QuantParams, Resize},
};
use sepconv_kernels::{
    Activation, Window,
    pool::PoolKind,
    resize::{AxisMap, Coordinates, Mode, Rounding},
};

use super::quantized::{INT8, Quantized, UINT8};
use super::{check_exact, check_plans, inputs};

#[test]
fn signed_inverted_residual() {
    let mut q = Quantized::new(1, INT8);
    let x = q.input(&[1, 8, 8, 8]);
    let x = q.inverted_residual(x, 8, 1, false);
    insta::assert_snapshot!(check_exact(q.finish(&[x.id]), 2));
}

#[test]
fn unsigned_squeeze_excite() {
    let mut q = Quantized::new(3, UINT8);
    let x = q.input(&[1, 8, 8, 8]);
    let x = q.inverted_residual(x, 8, 1, true);
    insta::assert_snapshot!(check_exact(q.finish(&[x.id]), 4));
}

/// Blocks are recognized as those of real numbers are.
#[test]
fn blocks_of_bytes() {
    let mut q = Quantized::new(5, UINT8);
    let x = q.input(&[1, 8, 8, 8]);
    let x = q.inverted_residual(x, 8, 1, true);
    let x = q.inverted_residual(x, 12, 2, false);
    let depthwise = q.depthwise(x, 3, 1);
    let depthwise = q.stored(depthwise);
    let pointwise = q.pointwise(depthwise, 16);
    let pointwise = q.net.activation(pointwise, Activation::Relu);
    let pointwise = q.stored(pointwise);
    let gated = q.squeeze_excite(pointwise);
    let graph = check_exact(q.finish(&[gated.id]), 6);
    let kinds: Vec<BlockKind> = blocks(&graph).iter().map(|block| block.kind).collect();
    let expected = [
        BlockKind::InvertedResidual { squeeze_excite: true, residual: true },
        BlockKind::InvertedResidual { squeeze_excite: false, residual: false },
        BlockKind::Separable { squeeze_excite: false },
        BlockKind::SqueezeExcite,
    ];
    assert_eq!(kinds, expected, "{graph}");
}

/// A clip is a range, wherever between two convolutions it stands.
#[test]
fn clips_are_ranges() {
    let mut q = Quantized::new(7, INT8);
    let x = q.input(&[1, 4, 4, 4]);
    let before = q.pointwise(x, 4);
    let before = q.net.activation(before, Activation::RELU6);
    let before = q.net.activation(before, Activation::Clip { low: 0.5, high: 9.0 });
    let x = q.stored(before);
    let quantization = q.quantization(1.0 / 32.0);
    let after = q.pointwise(x, 4);
    let after = q.through(after, quantization.clone());
    let after = q.net.activation(after.id, Activation::Relu);
    let x = q.through(after, quantization.clone());
    let sum = q.binary(BinaryFunction::Sub, x, x);
    let sum = q.through(sum, quantization.clone());
    let max = q.pool(sum, PoolKind::Max, 2, 2);
    let max = q.through(max, quantization);
    insta::assert_snapshot!(check_exact(q.finish(&[max.id, x.id]), 8));
}

/// Whatever is computed of one byte is a table, which joins the layer before it.
#[test]
fn functions_of_a_byte_are_tables() {
    let mut q = Quantized::new(9, UINT8);
    let x = q.input(&[1, 4, 4, 4]);
    let conv = q.pointwise(x, 4);
    let conv = q.stored(conv);
    // A hard-swish in steps, all but the first two stored as bytes.
    let three = q.net.scalar(3.0);
    let sum = q.net.node(BinaryFunction::Add, &[conv.id, three]);
    let clip = q.net.activation(sum, Activation::RELU6);
    let clip = q.stored(clip);
    let sixth = q.constant(&[1], vec![1.0 / 1024.0]);
    let sixth = q.net.node(BinaryFunction::Mul, &[clip.id, sixth]);
    let sixth = q.stored(sixth);
    let product = q.binary(BinaryFunction::Mul, sixth, conv);
    let swish = q.stored(product);
    let silu = q.net.activation(swish.id, Activation::Silu);
    insta::assert_snapshot!(check_exact(q.finish(&[silu]), 10));
}

/// Operators that move elements do so to bytes, wherever their operands come from.
#[test]
fn moves_are_of_bytes() {
    let mut q = Quantized::new(11, INT8);
    let x = q.input(&[1, 4, 4, 6]);
    let quantization = q.quantization(1.0 / 32.0);
    let left = q.pointwise(x, 2);
    let left = q.through(left, quantization.clone());
    let mean = q.mean(x, true);
    let wide = q.net.node(Broadcast { shape: q.net.builder.shape(left.id).clone() }, &[left.id]);
    let slice = Op::Slice(Slice { starts: vec![0, 3, 0, 0], steps: vec![1, -1, 1, 2], sizes: vec![1, 4, 4, 3] });
    let part = q.net.node(slice, &[x.id]);
    let pad = Op::Pad(Pad { before: vec![0, 0, 0, 1], after: vec![0; 4], mode: PadMode::Constant(100.0) });
    let padded = q.net.node(pad, &[part]);
    let both = q.net.node(Concat { axis: 3 }, &[wide, padded, x.id]);
    let both = q.through(both, quantization);
    let order = q.net.node(Transpose { order: vec![0, 2, 1, 3] }, &[both.id]);
    let flat = sepconv_core::Shape::new([16, 12]).unwrap();
    let flat = q.net.node(Reshape { shape: flat }, &[order]);
    let indices = q.net.builder.constant("indices", Tensor::i64([2], [3, 1]).unwrap()).unwrap();
    let rows = q.net.node(Gather { axis: 0 }, &[flat, indices]);
    insta::assert_snapshot!(check_exact(q.finish(&[rows, mean]), 12));
}

/// The nearest pixel is a byte as it is; what lies between pixels is not.
#[test]
fn nearest_pixels_are_bytes() {
    let resized = |mode| {
        let mut q = Quantized::new(19, UINT8);
        let x = q.input(&[1, 3, 4, 2]);
        let map = AxisMap { mode, coordinates: Coordinates::HalfPixel, scale: 1.5 };
        let resized = q.net.node(Resize { maps: [map; 2], size: [5, 6] }, &[x.id]);
        let graph = check_exact(q.finish(&[resized]), 20);
        graph.nodes().iter().map(|node| node.op.name()).collect::<Vec<_>>()
    };
    assert_eq!(resized(Mode::Nearest(Rounding::PreferFloor)), ["gather", "gather", "lut"]);
    assert_eq!(resized(Mode::Linear), ["dequantize", "resize", "quantize"]);
}

/// Between bytes of the same scale and zero point, pixels are interpolated as bytes.
#[test]
fn lines_between_pixels_are_bytes_where_both_ends_agree() {
    for style in [UINT8, INT8] {
        let mut q = Quantized::new(19, style);
        let x =
            q.net.builder.input("input", sepconv_core::Shape::new([2, 3, 4, 5]).unwrap(), style.activations).unwrap();
        // An even zero point, as ties go to even integers with it and without it.
        let quantization = QuantParams::per_tensor(style.activations, 1.0 / 64.0, 34);
        let x = q.net.node(Dequantize(quantization.clone()), &[x]);
        let map = AxisMap { mode: Mode::Linear, coordinates: Coordinates::HalfPixel, scale: 2.0 };
        let resized = q.net.node(Resize { maps: [map; 2], size: [6, 8] }, &[x]);
        let relu = q.net.activation(resized, Activation::Relu);
        let resized = q.net.node(Quantize(quantization), &[relu]);
        let graph = check_exact(q.net.finish(&[resized]), 20);
        let names = graph.nodes().iter().map(|node| node.op.name()).collect::<Vec<_>>();
        assert_eq!(names.iter().filter(|name| **name == "resize").count(), 1, "{names:?}");
        assert!(names.iter().all(|name| ["lut", "resize"].contains(name)), "{names:?}");
        check_plans(&graph, &inputs(&graph, 25));
    }
}

/// As an importer of an NCHW file with explicit padding, a matrix product and a bias writes it.
#[test]
fn classifier_from_nchw() {
    let mut q = Quantized::new(13, INT8);
    let image = q.input(&[1, 3, 8, 8]);
    let padded = Op::Pad(Pad { before: vec![0, 0, 0, 0], after: vec![0, 0, 1, 1], mode: PadMode::Constant(0.0) });
    let padded = q.net.node(padded, &[image.id]);
    let x = super::quantized::Reals { id: q.net.nhwc(padded), ..image };
    let conv = q.conv(x, 4, Window { stride: [2; 2], ..Window::new(3, 3) }, 1);
    let conv = q.net.nchw(conv);
    let conv = q.stored(conv);
    let mean = sepconv_kernels::reduce::Reduction::Mean;
    let mean = q.net.node(Reduce { reduction: mean, axes: vec![2, 3], keep_dims: true }, &[conv.id]);
    let flat = q.net.node(Reshape { shape: sepconv_core::Shape::new([1, 4]).unwrap() }, &[mean]);
    let flat = q.stored(flat);
    let weights = q.constant(&[4, 5], vec![1.0 / 64.0]);
    let product = q.net.node(MatMul, &[flat.id, weights]);
    let bias: Vec<f32> = (0..5).map(|i| i as f32 / 4.0).collect();
    let bias = q.net.builder.constant("bias", Tensor::f32([5], bias).unwrap()).unwrap();
    let sum = q.net.node(BinaryFunction::Add, &[product, bias]);
    let sum = q.stored(sum);
    let swish = q.net.activation(sum.id, Activation::HardSwish);
    let swish = q.stored(swish);
    let hidden = q.dense(swish, 6);
    let rows = q.net.node(Reshape { shape: sepconv_core::Shape::new([2, 3]).unwrap() }, &[hidden]);
    let clipped = q.net.activation(rows, Activation::RELU6);
    let clipped = q.stored(clipped);
    let logits = q.dense(clipped, 3);
    let logits = q.stored(logits);
    let softmax = q.net.node(Softmax { axis: 1, log: false }, &[logits.id]);
    let quantization = QuantParams::per_tensor(DType::U8, 1.0 / 256.0, 0);
    let bytes = q.net.node(Quantize(quantization), &[softmax]);
    insta::assert_snapshot!(check_exact(q.net.finish(&[bytes]), 14));
}

/// A value that is wanted as real numbers too is computed once; so is one that several quantize.
#[test]
fn shared_values() {
    let mut q = Quantized::new(15, INT8);
    let x = q.input(&[1, 4, 4, 4]);
    let both = q.pointwise(x, 4);
    let stored = q.stored(both);
    let twice = q.pointwise(stored, 4);
    let [a, b] = [0; 2].map(|_| q.stored(twice));
    let once = q.pointwise(stored, 4);
    let quantization = q.quantization(1.0 / 32.0);
    let [c, d] = [0; 2].map(|_| q.through(once, quantization.clone()));
    let c = q.net.activation(c.id, Activation::Sigmoid);
    let c = q.stored(c);
    let [sum, product] = [q.binary(BinaryFunction::Add, a, b), q.binary(BinaryFunction::Mul, c, d)];
    let product = q.stored(product);
    let sum = q.stored(sum);
    let sum = q.binary(BinaryFunction::Add, product, sum);
    let sum = q.stored(sum);
    let bytes = q.net.node(Quantize(QuantParams::per_tensor(DType::I8, 0.5, 0)), &[sum.id]);
    insta::assert_snapshot!(check_exact(q.net.finish(&[both, bytes, stored.id]), 16));
}

/// Real numbers wanted of a layer are made of its exact sums; a batch normalization joins it on the way to bytes.
#[test]
fn layers_with_real_results() {
    let mut q = Quantized::new(17, INT8);
    let x = q.input(&[1, 4, 4, 4]);
    let conv = q.pointwise(x, 4);
    let scale = q.net.builder.constant("scale", Tensor::f32([4], [0.5, 2.0, -1.0, 0.25]).unwrap()).unwrap();
    let scaled = q.net.node(BinaryFunction::Mul, &[conv, scale]);
    let shift = q.net.builder.constant("shift", Tensor::f32([4], [0.5, -0.5, 1.0, 0.0]).unwrap()).unwrap();
    let shifted = q.net.node(BinaryFunction::Add, &[scaled, shift]);
    let relu = q.net.activation(shifted, Activation::Relu);
    let x = q.stored(relu);
    let swish = q.pointwise(x, 4);
    let swish = q.net.activation(swish, Activation::HardSwish);
    let swish = q.stored(swish);
    let project = q.pointwise(swish, 4);
    // No bytes between a projection and its residual: the sum is of real numbers.
    let sum = q.net.node(BinaryFunction::Add, &[project, x.id]);
    let sum = q.stored(sum);
    let logits = q.pointwise(sum, 2);
    let logits = q.net.activation(logits, Activation::Tanh);
    insta::assert_snapshot!(check_exact(q.net.finish(&[logits]), 18));
}
