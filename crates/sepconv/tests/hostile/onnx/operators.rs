use std::collections::BTreeMap;

use super::single;
use crate::networks;
use crate::protobuf::{Message, floats, ints, network, node};
use sepconv::onnx::Onnx;
use sepconv::{Model, Options};

const VAST: i64 = i64::MAX;

#[test]
fn axes() {
    let weights = [
        ints("nine", &[9]),
        ints("twice", &[1, 1]),
        ints("vast", &[VAST]),
        ints("least", &[i64::MIN]),
        ints("index", &[4]),
        ints("far", &[-5, VAST]),
    ];
    let on = |operator: &str, axis: i64| node(operator, &["x"], &["y"]).with_int("axis", axis);
    let by = |operator: &str, axes: &str| node(operator, &["x", axes], &["y"]);
    let cases = [
        ("Concat 9", node("Concat", &["x", "x"], &["y"]).with_int("axis", 9)),
        ("Concat without an axis", node("Concat", &["x", "x"], &["y"])),
        ("Softmax 4", on("Softmax", 4)),
        ("Softmax -5", on("Softmax", -5)),
        ("Flatten -2^63", on("Flatten", i64::MIN)),
        ("LayerNormalization 2^63 - 1", node("LayerNormalization", &["x", "x"], &["y"]).with_int("axis", VAST)),
        ("Gather along 4", node("Gather", &["x", "index"], &["y"]).with_int("axis", 4)),
        ("Gather beyond the end", node("Gather", &["x", "index"], &["y"]).with_int("axis", 3)),
        ("Gather far beyond", node("Gather", &["x", "far"], &["y"]).with_int("axis", 3)),
        ("Gather by floats", node("Gather", &["x", "x"], &["y"])),
        ("Transpose by axes twice", node("Transpose", &["x"], &["y"]).with_ints("perm", &[0, 1, 1, 3])),
        ("Transpose by too few", node("Transpose", &["x"], &["y"]).with_ints("perm", &[1, 0])),
        ("Transpose by axes far away", node("Transpose", &["x"], &["y"]).with_ints("perm", &[0, 1, 2, VAST])),
        ("Squeeze 9", by("Squeeze", "nine")),
        ("Squeeze an axis of size 4", by("Squeeze", "index")),
        ("Squeeze twice", by("Squeeze", "twice")),
        ("Unsqueeze 2^63 - 1", by("Unsqueeze", "vast")),
        ("Unsqueeze twice", by("Unsqueeze", "twice")),
        ("Unsqueeze by floats", by("Unsqueeze", "x")),
        ("ReduceMean -2^63", by("ReduceMean", "least")),
        ("ReduceMean twice", by("ReduceMean", "twice")),
        ("Split along 9", node("Split", &["x"], &["y", "z"]).with_int("axis", 9).with_int("num_outputs", 2)),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 2, 4, 4], &weights, cases)));
}

#[test]
fn shapes() {
    let weights = [
        ints("open twice", &[-1, -1]),
        ints("negative", &[-2, 16]),
        ints("vast", &[VAST, 2, 1, 1]),
        ints("wrapping", &[1 << 32, 1 << 32, 1, 1]),
        ints("gigabytes", &[1, 1 << 14, 1 << 14, 1]),
        ints("seven", &[7]),
        ints("zeros", &[0, 0, 0, 0]),
        ints("ones", &[1, 1, 1, 1]),
        ints("eight", &[0, 0, VAST, 0, 0, 0, 0, 0]),
        ints("wide", &[0, 0, 9, 9, 0, 0, 9, 9]),
        ints("short", &[1, 1]),
        floats("scales", &[4], &[1.0, 1.0, f32::NAN, 1e30]),
        floats("huge", &[4], &[1.0, 1.0, 1e9, 1e9]),
        floats("still", &[4], &[1.0, 1.0, 0.0, -1.0]),
    ];
    let by = |operator: &str, operand: &str| node(operator, &["x", operand], &["y"]);
    let scaled = |scales: &str| node("Resize", &["x", "", scales], &["y"]);
    let sized = |sizes: &str| node("Resize", &["x", "", "", sizes], &["y"]);
    let cases = [
        ("Reshape with two open sizes", by("Reshape", "open twice")),
        ("Reshape to a negative size", by("Reshape", "negative")),
        ("Reshape to what wraps", by("Reshape", "wrapping")),
        ("Reshape to another number of elements", by("Reshape", "seven")),
        ("Reshape to what is computed", by("Reshape", "x")),
        ("Expand to what wraps", by("Expand", "wrapping")),
        ("Expand to gigabytes", by("Expand", "gigabytes")),
        ("Expand to what does not fit", by("Expand", "seven")),
        ("Tile to what wraps", by("Tile", "vast")),
        ("Tile to gigabytes", by("Tile", "gigabytes")),
        ("Tile to nothing", by("Tile", "zeros")),
        ("Tile by too few", by("Tile", "short")),
        ("ConstantOfShape that wraps", node("ConstantOfShape", &["wrapping"], &["y"])),
        ("ConstantOfShape of gigabytes", node("ConstantOfShape", &["gigabytes"], &["y"])),
        ("ConstantOfShape negative", node("ConstantOfShape", &["negative"], &["y"])),
        ("Pad without end", by("Pad", "eight")),
        ("Pad by too few", by("Pad", "short")),
        ("Pad by more than there is to mirror", by("Pad", "wide").with_text("mode", "reflect")),
        ("Slice by steps of zero", node("Slice", &["x", "zeros", "ones", "", "zeros"], &["y"])),
        ("Slice by lists of two lengths", node("Slice", &["x", "zeros", "short"], &["y"])),
        ("Split into parts that are too large", node("Split", &["x", "short"], &["y", "z"]).with_int("axis", 3)),
        ("Split into a number that is vast", node("Split", &["x"], &["y"]).with_int("num_outputs", VAST)),
        ("Resize by what is no number", scaled("scales")),
        ("Resize by zero", scaled("still")),
        ("Resize to gigabytes", scaled("huge")),
        ("Resize to nothing", sized("zeros")),
        ("Resize to what wraps", sized("wrapping")),
        ("Resize by nothing", node("Resize", &["x"], &["y"])),
        ("DepthToSpace by 0", node("DepthToSpace", &["x"], &["y"]).with_int("blocksize", 0)),
        ("SpaceToDepth by 2^63 - 1", node("SpaceToDepth", &["x"], &["y"]).with_int("blocksize", VAST)),
        ("Cast to a type that does not exist", node("Cast", &["x"], &["y"]).with_int("to", VAST)),
        ("Cast to integers while running", node("Cast", &["x"], &["y"]).with_int("to", 7)),
        (
            "GroupNormalization by 0",
            node("GroupNormalization", &["x", "scales", "scales"], &["y"]).with_int("num_groups", 0),
        ),
        ("Gemm of planes", node("Gemm", &["x", "x"], &["y"])),
        ("MatMul that does not fit", node("MatMul", &["x", "huge"], &["y"])),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1, 2, 4, 4], &weights, cases)));
}

/// Operators that are told the same, by what they are told.
fn told(nodes: impl Fn(&str) -> Message) -> String {
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for operator in Onnx::supported_operators() {
        println!("{operator}");
        let bytes = network(&[1, 1, 4, 4], &[nodes(operator)], &[floats("w", &[1, 1, 1, 1], &[1.0])]);
        let compiled = Model::from_bytes("it", bytes).and_then(|model| model.compile(&Options::default().threads(1)));
        let text = compiled.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        told.entry(text.replace(operator, "OP")).or_default().push(operator);
    }
    told.iter().map(|(text, operators)| format!("## {}\n{text}\n\n", operators.join(" "))).collect()
}

#[test]
fn every_operator_without_operands() {
    insta::assert_snapshot!(told(|operator| node(operator, &[], &["y"])));
}

#[test]
fn every_operator_with_an_operand_left_out() {
    insta::assert_snapshot!(told(|operator| node(operator, &["", "w"], &["y"])));
}

#[test]
fn every_operator_with_too_many_operands() {
    insta::assert_snapshot!(told(|operator| node(operator, &["x"; 12], &["y"])));
}

#[test]
fn every_operator_with_too_many_results() {
    let outputs: Vec<String> = (0..9).map(|i| format!("y{i}")).chain(["y".to_owned()]).collect();
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    insta::assert_snapshot!(told(|operator| node(operator, &["x"], &outputs)));
}

#[test]
fn operators_of_others() {
    let domain = |operator: &str, domain: &str| node(operator, &["x"], &["y"]).bytes(7, domain);
    let cases = [
        ("unknown", node("DFT", &["x"], &["y"])),
        ("without a name", node("", &["x"], &["y"])),
        ("of another domain", domain("Relu", "com.example")),
        ("unknown of Microsoft's", domain("FusedConv", "com.microsoft")),
        ("control flow", node("Loop", &["x"], &["y"])),
        ("of the future", node("TensorScatter", &["x"], &["y"])),
    ];
    insta::assert_snapshot!(networks("onnx", single(&[1], &[], cases)));
}
