use super::super::protobuf::{Message, file, floats, graph, network, node, value};
use crate::networks;

fn sound() -> Vec<u8> {
    network(&[2], &[node("Relu", &["x"], &["y"])], &[])
}

fn then(field: Message) -> Vec<u8> {
    [sound(), field.0].concat()
}

/// Field 7 in itself, `depth` times.
fn nested(field: u64, depth: usize) -> Message {
    (0..depth).fold(Message::default(), |inner, _| Message::default().message(field, &inner))
}

#[test]
fn protobuf() {
    let cut = |bytes: usize| sound()[..bytes].to_vec();
    let cases = [
        ("sound", sound()),
        ("empty", vec![]),
        ("text", b"not a model, but a letter".to_vec()),
        ("zeros", vec![0; 64]),
        ("cut in a key", vec![0x80]),
        ("cut in the graph", cut(20)),
        ("cut before the last byte", cut(sound().len() - 1)),
        ("varint of eleven bytes", [&[0x08][..], &[0xff; 10], &[0x01]].concat()),
        ("varint beyond 64 bits", [&[0x08][..], &[0xff; 9], &[0x7f]].concat()),
        ("length beyond the file", Message::default().claiming(7, 1 << 20, [0; 8]).0),
        ("length 2^63", Message::default().claiming(7, 1 << 63, [0; 8]).0),
        ("length 2^64 - 1", Message::default().claiming(7, u64::MAX, [0; 8]).0),
        ("field 0", then(Message(vec![0x02, 0x00]))),
        ("field of another wire type", Message::default().int(7, 1).0),
        ("wire type that does not exist", then(Message(vec![0x3f]))),
        ("group that does not end", then(Message(vec![0x7b]))),
        ("groups in groups", then(Message(vec![0x7b; 100_000]))),
        ("name that is no text", file(&graph(&[2], &[Message::default().bytes(4, [0xff, 0xfe])], &[]), 18)),
        (
            "packed numbers cut off",
            file(&Message::default().message(5, &Message::default().claiming(1, 1, [0x80])), 18),
        ),
        ("messages in messages", nested(7, 10_000).0),
        ("subgraphs in subgraphs", network(&[2], &[node("If", &["x"], &["y"]).message(5, &nested(6, 10_000))], &[])),
        ("graph twice", then(Message::default().message(7, &graph(&[2], &[node("Relu", &["x"], &["y"])], &[])))),
    ];
    insta::assert_snapshot!(networks("onnx", cases));
}

#[test]
fn models() {
    let relu = || graph(&[2], &[node("Relu", &["x"], &["y"])], &[]);
    let imports = |versions: &[(&str, i64)]| {
        let import = |&(domain, version): &(&str, i64)| Message::default().bytes(1, domain).int(2, version);
        let imports: Vec<Message> = versions.iter().map(import).collect();
        Message::default().messages(8, &imports).message(7, &relu()).0
    };
    let output = |output: &Message| {
        let graph = Message::default().message(1, &node("Relu", &["x"], &["y"])).message(11, &value("x", 1, &[2]));
        file(&graph.message(12, output), 18)
    };
    let entry = |key: &str, text: String| {
        then(Message::default().message(14, &Message::default().bytes(1, key).bytes(2, text)))
    };
    let cases = [
        ("no graph", Message::default().int(1, 8).0),
        ("no operator set", Message::default().message(7, &relu()).0),
        ("operator set of somebody else", imports(&[("com.example", 1)])),
        ("operator set 0", imports(&[("", 0)])),
        ("operator set negative", imports(&[("", i64::MIN)])),
        ("operator set of the future", imports(&[("", 1 << 40)])),
        ("operator set twice", imports(&[("", 13), ("", 99)])),
        ("no outputs", file(&Message::default().message(11, &value("x", 1, &[2])), 18)),
        ("output without a type", output(&Message::default().bytes(1, "y"))),
        ("output of strings", output(&value("y", 8, &[2]))),
        ("output of an unknown type", output(&value("y", 99, &[2]))),
        ("output that nothing produces", output(&value("z", 1, &[2]))),
        (
            "outputs by the thousand",
            file(&(0..2000).fold(relu(), |graph, _| graph.message(12, &value("y", 1, &[2]))), 18),
        ),
        ("weights for nobody", network(&[2], &[node("Relu", &["x"], &["y"])], &[floats("w", &[1 << 40], &[])])),
        ("labels without end", entry("sepconv.labels", "\n".repeat(2 << 20))),
        ("pre-processing without end", entry("sepconv.preprocess", "1".repeat(1 << 20))),
    ];
    insta::assert_snapshot!(networks("onnx", cases));
}
