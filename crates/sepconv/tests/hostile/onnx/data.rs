use super::single;
use crate::networks;
use crate::protobuf::{Message, floats, ints, network, node, tensor};

const VAST: i64 = i64::MAX;

/// `x + w`.
fn added(dims: &[i64], weight: Message) -> Vec<u8> {
    network(dims, &[node("Add", &["x", "w"], &["y"])], &[weight])
}

#[test]
fn inputs() {
    let relu = |dims: &[i64]| network(dims, &[node("Relu", &["x"], &["y"])], &[]);
    let conv =
        |dims: &[i64]| network(dims, &[node("Conv", &["x", "w"], &["y"])], &[floats("w", &[1, 1, 1, 1], &[1.0])]);
    let cases = [
        ("scalar", relu(&[])),
        ("empty", relu(&[2, 0])),
        ("size negative", relu(&[1, -2])),
        ("size 2^31", relu(&[1 << 31])),
        ("size 2^63 - 1", relu(&[VAST])),
        ("size -2^63", relu(&[1, i64::MIN])),
        ("product wraps to 0", relu(&[1 << 32, 1 << 32])),
        ("product wraps to 1", relu(&[(1 << 32) - 1, (1 << 32) + 1, 1])),
        ("product wraps beside a zero", relu(&[0, 1 << 32, 1 << 32])),
        ("nine axes", relu(&[1; 9])),
        ("axes by the hundred thousand", relu(&[1; 100_000])),
        ("image of a terabyte", conv(&[1, 1, 1 << 19, 1 << 19])),
        ("image without rows", conv(&[1, 1, 0, 4])),
        ("image without channels", conv(&[1, 0, 4, 4])),
        ("batch of none", conv(&[0, 1, 4, 4])),
    ];
    insta::assert_snapshot!(networks("onnx", cases));
}

#[test]
fn weights() {
    let raw = |dims: &[i64], kind: i64, bytes: usize| tensor("w", kind, dims).bytes(9, vec![0; bytes]);
    let cases = [
        ("sound", added(&[2], floats("w", &[2], &[1.0, 2.0]))),
        ("bytes too few", added(&[2], raw(&[2], 1, 7))),
        ("bytes too many", added(&[2], raw(&[2], 1, 9))),
        ("bytes of half an element", added(&[2], raw(&[2], 1, 6))),
        ("no bytes", added(&[2], tensor("w", 1, &[2]))),
        ("numbers and bytes", added(&[2], raw(&[2], 1, 8).float(4, 1.0))),
        ("numbers too few", added(&[2], tensor("w", 1, &[2]).float(4, 1.0))),
        ("numbers of another type", added(&[2], tensor("w", 1, &[2]).int(7, 1).int(7, 2))),
        ("size negative", added(&[2], raw(&[-2], 1, 8))),
        ("size 2^63 - 1", added(&[2], raw(&[VAST], 1, 8))),
        ("product wraps", added(&[2], raw(&[1 << 33, 1 << 31], 1, 0))),
        ("product wraps beside a zero", added(&[2], raw(&[0, 1 << 33, 1 << 31], 1, 0))),
        ("nine axes", added(&[2], raw(&[1; 9], 1, 4))),
        ("type 0", added(&[2], raw(&[2], 0, 8))),
        ("strings", added(&[2], raw(&[2], 8, 8))),
        ("complex numbers", added(&[2], raw(&[2], 14, 16))),
        ("bits by four", added(&[2], raw(&[2], 21, 1))),
        ("type that does not exist", added(&[2], raw(&[2], 1000, 8))),
        ("integers beside floats", added(&[2], ints("w", &[1, 2]))),
        ("u64 beyond i64", added(&[2], tensor("w", 13, &[1]).bytes(9, [0xff; 8]))),
        ("not a number", added(&[2], floats("w", &[2], &[f32::NAN, f32::INFINITY]))),
        ("empty", added(&[2], floats("w", &[0], &[]))),
        ("shapes that do not broadcast", added(&[2], floats("w", &[3], &[1.0; 3]))),
    ];
    insta::assert_snapshot!(networks("onnx", cases));
}

#[test]
fn weights_of_layers() {
    let weights = [
        floats("w", &[1, 1, 1, 1], &[1.0]),
        floats("nan", &[1, 1, 1, 1], &[f32::NAN]),
        floats("one", &[1], &[1.0]),
        floats("minus", &[1], &[-1.0]),
        floats("infinite", &[1], &[f32::INFINITY]),
        floats("none", &[0, 1, 1, 1], &[]),
        floats("shallow", &[1, 0, 1, 1], &[]),
        floats("flat", &[1, 1, 0, 1], &[]),
        ints("numbers", &[1]),
        tensor("bytes", 2, &[1, 1, 1, 1]).bytes(9, [1]),
        floats("line", &[1, 1, 1], &[1.0]),
    ];
    let conv = |w: &str, b: &str| node("Conv", &["x", w, b], &["y"]);
    let norm = |scale: &str, variance: &str| node("BatchNormalization", &["x", scale, "one", "one", variance], &["y"]);
    let cases = [
        ("not a number", conv("nan", "one")),
        ("infinite bias", conv("w", "infinite")),
        ("variance negative", norm("one", "minus")),
        ("variance infinite", norm("one", "infinite")),
        ("epsilon not a number", norm("one", "one").with_float("epsilon", f32::NAN)),
        ("scale infinite", norm("infinite", "one")),
        ("no filters", conv("none", "")),
        ("filters without channels", conv("shallow", "one")),
        ("filters without rows", conv("flat", "one")),
        ("bias of integers", conv("w", "numbers")),
        ("filters of bytes", conv("bytes", "one")),
        ("filters of three axes", conv("line", "one")),
        ("filters that are computed", node("Conv", &["x", "x"], &["y"])),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 1, 4, 4], &weights, cases)));
}

#[test]
fn quantized() {
    let weights = [
        floats("one", &[], &[1.0]),
        floats("zero", &[], &[0.0]),
        floats("nan", &[], &[f32::NAN]),
        floats("tiny", &[], &[1e-45]),
        floats("minus", &[], &[-1.0]),
        floats("three", &[3], &[1.0; 3]),
        floats("four", &[4], &[1.0; 4]),
        tensor("byte", 2, &[]).bytes(9, [128]),
        tensor("signed", 3, &[]).bytes(9, [0]),
        tensor("bytes", 2, &[4]).bytes(9, [0; 4]),
        tensor("weights", 3, &[1, 1, 1, 1]).bytes(9, [1]),
        ints("numbers", &[7]),
    ];
    let quantize = |scale: &str, zero: &str| node("QuantizeLinear", &["x", scale, zero], &["y"]);
    let dequantize = |x: &str, scale: &str, zero: &str| node("DequantizeLinear", &[x, scale, zero], &["y"]);
    let qconv = |scale: &str, zero: &str| {
        node("QLinearConv", &["bytes", "one", "byte", "weights", scale, zero, "one", "byte"], &["y"])
    };
    let cases = [
        ("sound", quantize("one", "byte")),
        ("scale 0", quantize("zero", "byte")),
        ("scale not a number", quantize("nan", "byte")),
        ("scale negative", quantize("minus", "byte")),
        ("scale denormal", quantize("tiny", "byte")),
        ("scales too few", quantize("three", "byte")),
        ("scales for an axis that is not there", quantize("four", "bytes").with_int("axis", 7)),
        ("zero points of another number", quantize("four", "byte")),
        ("zero point of floats", quantize("one", "one")),
        ("zero point of wide integers", quantize("one", "numbers")),
        ("zero point that is computed", quantize("one", "x")),
        ("scale that is computed", quantize("x", "byte")),
        ("blocks", quantize("four", "bytes").with_int("block_size", 2)),
        ("output_dtype other than the zero point's", quantize("one", "byte").with_int("output_dtype", 3)),
        ("floats dequantized", dequantize("x", "one", "byte")),
        ("zero point of another type", dequantize("bytes", "one", "signed")),
        ("convolution of lines", qconv("one", "signed")),
        ("convolution with a scale that is computed", qconv("x", "signed")),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 1, 4, 4], &weights, cases)));
}
