//! Weights that an ONNX file says are in a file of their own.

use std::fs;
use std::path::PathBuf;

use crate::protobuf::{Message, network, node, tensor};
use crate::texts;
use sepconv::{Limits, Model, Options};

/// A folder of this test's own: models, with 16 bytes of weights, and a secret beside them.
fn folder(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("sepconv-hostile-{}-{name}", std::process::id()));
    fs::create_dir_all(root.join("models/part")).expect("a folder for the test");
    fs::write(root.join("secret.bin"), [0; 16]).expect("a file for the test");
    fs::write(root.join("models/weights.bin"), [0; 16]).expect("a file for the test");
    root
}

/// `x + w`, of which w is four floats elsewhere.
fn stored(entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |&(key, value): &(&str, &str)| Message::default().bytes(1, key).bytes(2, value);
    let weight = tensor("w", 1, &[4]).messages(13, &entries.iter().map(entry).collect::<Vec<_>>()).int(14, 1);
    network(&[4], &[node("Add", &["x", "w"], &["y"])], &[weight])
}

fn at(location: &str) -> Vec<u8> {
    stored(&[("location", location)])
}

#[test]
fn places() {
    let root = folder("places");
    let models = root.join("models");
    #[cfg(unix)]
    for (target, link) in [("../secret.bin", "link.bin"), ("..", "up"), ("link.bin", "link2.bin"), ("loop", "loop")] {
        std::os::unix::fs::symlink(target, models.join(link)).expect("a link for the test");
    }
    let secret = root.join("secret.bin").display().to_string();
    let part = |offset, length| stored(&[("location", "weights.bin"), ("offset", offset), ("length", length)]);
    let cases = [
        ("sound", at("weights.bin")),
        ("parent", at("../secret.bin")),
        ("parent of a folder inside", at("part/../../secret.bin")),
        ("parent that stays inside", at("part/../weights.bin")),
        ("parent in the manner of Windows", at("..\\secret.bin")),
        ("drive", at("C:\\secret.bin")),
        ("absolute", at(&secret)),
        ("absolute device", at("/dev/zero")),
        ("link that leads out", at("link.bin")),
        ("link to a link that leads out", at("link2.bin")),
        ("folder that leads out", at("up/secret.bin")),
        ("link to itself", at("loop")),
        ("folder", at("part")),
        ("empty", at("")),
        ("with a zero byte", at("weights.bin\0")),
        ("missing", at("none.bin")),
        ("name of a megabyte", at(&"n".repeat(1 << 20))),
        ("nowhere", stored(&[])),
        ("twice", stored(&[("location", "weights.bin"), ("location", "../secret.bin")])),
        ("offset beyond the end", part("16", "16")),
        ("offset that wraps", part("18446744073709551615", "16")),
        ("offset negative", part("-1", "16")),
        ("offset that is no number", part("zero", "16")),
        ("length beyond the end", part("8", "16")),
        ("length 2^64 - 1", part("0", "18446744073709551615")),
        ("length other than the shape's", part("0", "8")),
    ];
    let text = texts(cases, |_, bytes| {
        let model = Model::from_bytes("m.onnx", bytes)?.with_external_data(&models);
        model.compile(&Options::default().threads(1)).map(|_| "an answer")
    });
    fs::remove_dir_all(&root).expect("the test's own folder");
    insta::assert_snapshot!(text.replace(&*root.to_string_lossy(), "ROOT"));
}

#[test]
fn permission_and_size() {
    let root = folder("sizes");
    let models = root.join("models");
    let small = Limits { max_memory: 15, ..Limits::default() };
    let without = |_: &str, bytes| {
        Model::from_bytes("m.onnx", bytes)?.compile(&Options::default().threads(1)).map(|_| "an answer")
    };
    let limited = |_: &str, bytes| {
        let model = Model::from_bytes("m.onnx", bytes)?.with_external_data(&models);
        model.compile(&Options::default().threads(1).limits(small)).map(|_| "an answer")
    };
    let text = [
        texts([("no folder is allowed", at("weights.bin"))], without),
        texts([("more than the limit", at("weights.bin"))], limited),
    ];
    fs::remove_dir_all(&root).expect("the test's own folder");
    insta::assert_snapshot!(text.concat().replace(&*root.to_string_lossy(), "ROOT"));
}
