use super::single;
use crate::networks;
use crate::protobuf::{Message, floats, node};

/// A convolution of `x[1,8,4,4]` with eight filters of 3×3, one for each channel.
fn conv() -> Message {
    node("Conv", &["x", "w"], &["y"]).with_int("group", 8)
}

/// The same without a group.
fn grouped(groups: i64) -> Message {
    node("Conv", &["x", "w"], &["y"]).with_int("group", groups)
}

fn pool(kernel: &[i64]) -> Message {
    node("MaxPool", &["x"], &["y"]).with_ints("kernel_shape", kernel)
}

fn transposed() -> Message {
    node("ConvTranspose", &["x", "w"], &["y"])
}

const HUGE: i64 = 1 << 31;
const VAST: i64 = i64::MAX;

#[test]
fn convolutions() {
    let weights = [floats("w", &[8, 1, 3, 3], &[1.0; 72])];
    let cases = [
        ("sound", conv()),
        ("stride 0", conv().with_ints("strides", &[0, 1])),
        ("stride negative", conv().with_ints("strides", &[1, -1])),
        ("stride 2^63 - 1", conv().with_ints("strides", &[VAST, VAST])),
        ("strides too few", conv().with_ints("strides", &[1])),
        ("strides too many", conv().with_ints("strides", &[1, 1, 1])),
        ("dilation 0", conv().with_ints("dilations", &[1, 0])),
        ("dilation 2^31", conv().with_ints("dilations", &[HUGE, HUGE])),
        ("dilation that wraps", conv().with_ints("dilations", &[VAST, 1])),
        (
            "dilation and padding to match",
            conv().with_ints("dilations", &[1 << 20, 1]).with_ints("pads", &[1 << 21, 1, 1 << 21, 1]),
        ),
        ("groups 0", grouped(0)),
        ("groups negative", grouped(-8)),
        ("groups that do not divide", grouped(3)),
        ("groups other than the weights'", grouped(4)),
        ("groups 2^31", grouped(HUGE)),
        ("kernel larger than the padded plane", conv().with_ints("dilations", &[2, 2])),
        ("kernel_shape other than the weights'", conv().with_ints("kernel_shape", &[5, 5])),
        ("pads larger than the plane", conv().with_ints("pads", &[9, 9, 9, 9])),
        ("pads negative", conv().with_ints("pads", &[-1, 0, 0, 0])),
        ("pads 2^31", conv().with_ints("pads", &[HUGE, HUGE, HUGE, HUGE])),
        ("pads that wrap", conv().with_ints("pads", &[VAST, VAST, VAST, VAST])),
        ("pads too few", conv().with_ints("pads", &[1, 1])),
        ("auto_pad unknown", conv().with_text("auto_pad", "SAME")),
        ("auto_pad and pads", conv().with_text("auto_pad", "SAME_UPPER").with_ints("pads", &[1, 1, 1, 1])),
        (
            "auto_pad and dilation 2^31",
            conv().with_text("auto_pad", "SAME_LOWER").with_ints("dilations", &[HUGE, HUGE]),
        ),
        ("bias of another length", node("Conv", &["x", "w", "w"], &["y"]).with_int("group", 8)),
        ("weights are the input", node("Conv", &["x", "x"], &["y"])),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 8, 4, 4], &weights, cases)));
}

#[test]
fn pools() {
    let cases = [
        ("sound", pool(&[2, 2])),
        ("no kernel_shape", node("AveragePool", &["x"], &["y"])),
        ("kernel 0", pool(&[0, 2])),
        ("kernel larger than the plane", pool(&[5, 5])),
        ("kernel 2^31", pool(&[HUGE, HUGE])),
        ("kernel as large as its padding", pool(&[HUGE, 1]).with_ints("pads", &[HUGE, 0, HUGE, 0])),
        ("kernel of three axes", pool(&[2, 2, 2])),
        ("stride 0", pool(&[2, 2]).with_ints("strides", &[0, 0])),
        ("stride 2^63 - 1", pool(&[2, 2]).with_ints("strides", &[VAST, VAST]).with_int("ceil_mode", 1)),
        ("pads as large as the kernel", pool(&[2, 2]).with_ints("pads", &[2, 2, 2, 2])),
        ("ceil_mode 2", pool(&[2, 2]).with_int("ceil_mode", 2)),
        ("windows by the million", pool(&[1, 1]).with_ints("pads", &[0, 1 << 24, 0, 1 << 24])),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 8, 4, 4], &[], cases)));
}

#[test]
fn transposed_convolutions() {
    let weights = [floats("w", &[8, 1, 3, 3], &[1.0; 72])];
    let cases = [
        ("sound", transposed()),
        ("stride 0", transposed().with_ints("strides", &[0, 0])),
        ("stride 2^31", transposed().with_ints("strides", &[HUGE, HUGE])),
        ("stride that wraps", transposed().with_ints("strides", &[VAST, VAST])),
        ("stride for a plane of gigabytes", transposed().with_ints("strides", &[1 << 14, 1 << 14])),
        ("pads larger than the result", transposed().with_ints("pads", &[9, 9, 9, 9])),
        ("groups 2^63 - 1", transposed().with_int("group", VAST)),
        ("output_padding 2^63 - 1", transposed().with_ints("output_padding", &[VAST, VAST])),
        ("output_padding beyond the stride", transposed().with_ints("output_padding", &[7, 7])),
        ("output_shape 2^31", transposed().with_ints("output_shape", &[HUGE, HUGE])),
        ("output_shape 0", transposed().with_ints("output_shape", &[0, 0])),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 8, 4, 4], &weights, cases)));
}
