use crate::networks;
use crate::protobuf::{Message, file, floats, graph, network, node, value};

const RED: &str = "\u{1b}[31mRelu\u{7}\u{202e}";

fn relu(from: &str, to: &str) -> Message {
    node("Relu", &[from], &[to])
}

#[test]
fn graphs() {
    let chain = |length: usize| -> Vec<Message> {
        let name = |i: usize| if i == length { "y".to_owned() } else { format!("{i}") };
        let links = (1..=length).map(|i| relu(&if i == 1 { "x".to_owned() } else { name(i - 1) }, &name(i)));
        links.collect()
    };
    let long = "n".repeat(1 << 20);
    let cases = [
        ("cycle", network(&[2], &[relu("b", "a"), relu("a", "b"), relu("b", "y")], &[])),
        ("node that reads itself", network(&[2], &[relu("y", "y")], &[])),
        ("output that is the input", network(&[2], &[relu("x", "x")], &[])),
        ("value made twice", network(&[2], &[relu("x", "y"), relu("x", "y")], &[])),
        ("value made twice by one node", network(&[2], &[node("Relu", &["x"], &["y", "y"])], &[])),
        ("weight and result of one name", network(&[2], &[relu("x", "y")], &[floats("y", &[1], &[1.0])])),
        (
            "weights of one name",
            network(&[2], &[node("Add", &["x", "w"], &["y"])], &[floats("w", &[1], &[1.0]), floats("w", &[1], &[2.0])]),
        ),
        ("inputs of one name", file(&graph(&[2], &[relu("x", "y")], &[]).message(11, &value("x", 1, &[3])), 18)),
        ("weight that is missing", network(&[2], &[node("Add", &["x", "w"], &["y"])], &[])),
        ("weight without a name", network(&[2], &[node("Add", &["x", ""], &["y"])], &[floats("", &[1], &[1.0])])),
        ("node without outputs", network(&[2], &[node("Relu", &["x"], &[])], &[])),
        ("nodes in the wrong order", network(&[2], &[relu("a", "y"), relu("x", "a")], &[])),
        ("chain of 20,000 nodes, backwards", network(&[2], &chain(20_000).into_iter().rev().collect::<Vec<_>>(), &[])),
        ("chain of 20,001 nodes", network(&[2], &chain(20_001), &[])),
        (
            "one node that reads one value 100,000 times",
            network(&[2], &[node("Sum", &vec!["x"; 100_000], &["y"])], &[]),
        ),
        ("operator with a name of a megabyte", network(&[2], &[node(&long, &["x"], &["y"])], &[])),
        ("value with a name of a megabyte", network(&[2], &[relu(&long, "y")], &[])),
        ("attribute with a name of a megabyte", network(&[2], &[relu("x", "y").with_int(&long, 1)], &[])),
        ("names for a terminal to obey", network(&[2], &[node(RED, &["x"], &[RED]), relu(RED, "y")], &[])),
    ];
    insta::assert_snapshot!(networks("onnx", cases));
}

#[test]
fn attributes() {
    let conv = || node("Conv", &["x", "w"], &["y"]);
    let cases = [
        ("unknown", conv().with_int("frobnicate", 1)),
        ("twice", conv().with_int("group", 1).with_int("group", 1)),
        ("of another type", conv().with_text("group", "1")),
        ("tensor in place of a number", conv().with_tensor("group", &floats("", &[1], &[1.0]))),
        ("text that is none", conv().message(5, &Message::default().bytes(1, "auto_pad").int(20, 3).bytes(4, [0xff]))),
        ("type without a value", conv().message(5, &Message::default().bytes(1, "group").int(20, 2))),
        ("a list of a million", conv().with_ints("strides", &vec![1; 1 << 20])),
    ];
    insta::assert_snapshot!(networks(
        "onnx",
        super::single(&[1, 1, 4, 4], &[floats("w", &[1, 1, 1, 1], &[1.0])], cases)
    ));
}
