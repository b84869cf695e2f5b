//! What is said of files that are no model, and of models that ask for what sepconv does not do.

use std::fs;

use serde_json::json;

use crate::program::{folder, sepconv};
use crate::protobuf::{Message, file, node, value};

#[test]
fn files_that_are_given_by_mistake_are_named() {
    let folder = folder("recognized");
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 13970013\n";
    for (name, bytes, what, help) in [
        ("lfs.onnx", lfs.as_bytes(), "a Git LFS pointer", "git lfs pull"),
        ("page.tflite", b"<!DOCTYPE html><html><head>", "an HTML page", "direct link"),
        ("w.safetensors", b"\x10\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\"", "a .safetensors file", "--weights"),
        ("w.pth", b"PK\x03\x04\0\0archive/data.pkl", "a PyTorch checkpoint", "torch.onnx.export"),
        ("old.pt", b"\x80\x02\x8a\x0al\xfc", "a pickle", "torch.onnx.export"),
        ("all.zip", b"PK\x03\x04\0\0net.onnx", "a ZIP archive", "unpack"),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let outcome = sepconv(["inspect".as_ref(), path.as_os_str()]);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{name}");
        let start =
            format!("error: file is of another kind\n  --> {name}\n   = expected a model (.onnx, .tflite), got {what}");
        assert!(outcome.err.starts_with(&start), "{}", outcome.err);
        assert!(outcome.err.lines().last().is_some_and(|line| line.contains(help)), "{}", outcome.err);
    }
    let outcome = sepconv(["classify".as_ref(), folder.join("lfs.onnx").as_os_str()]);
    assert!(outcome.err.contains("expected an image, got a Git LFS pointer"), "{}", outcome.err);
}

#[test]
fn all_missing_operators_are_told_at_once_beside_what_can_be_read() {
    let folder = folder("missing_operators");
    let path = folder.join("net.onnx");
    let other = |domain: &str, operator: &str, x: &str, y: &str| node(operator, &[x], &[y]).bytes(7, domain);
    let nodes = [
        node("Relu", &["x"], &["a"]),
        node("Det", &["a"], &["b"]),
        node("Det", &["b"], &["c"]),
        other("com.microsoft", "Bar", "c", "d"),
        other("com.example", "Foo", "d", "y"),
    ];
    let ports = Message::default().message(11, &value("x", 1, &[-1, 4])).message(12, &value("y", 1, &[]));
    fs::write(&path, file(&ports.messages(1, &nodes), 18)).unwrap();
    let outcome = sepconv(["inspect".as_ref(), path.as_os_str()]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.err.starts_with(
            "error: 3 operators are not supported: Det (2 nodes), com.example.Foo (1 node), com.microsoft.Bar (1 node)\n  \
             --> node \"b\" (Det) in net.onnx\n"
        ),
        "{}",
        outcome.err
    );
    let lines: Vec<_> = outcome.out.lines().collect();
    assert_eq!(
        lines[..5],
        ["net.onnx (ONNX)", "input       x f32 [?,4]", "output      y f32 []", "operators   5 nodes", ""]
    );
    assert_eq!(lines[6].split_whitespace().collect::<Vec<_>>(), ["Det", "2", "not", "supported"]);
    assert_eq!(lines[7].split_whitespace().collect::<Vec<_>>(), ["Relu", "1"]);

    let outcome = sepconv(["inspect".as_ref(), path.as_os_str(), "--json".as_ref()]);
    let json = outcome.json();
    assert_eq!((outcome.code, &json["format"]), (Some(1), &json!("ONNX")));
    assert_eq!(json["inputs"], json!([{"name": "x", "shape": [null, 4], "dtype": "f32"}]));
    assert_eq!(json["operators"][0], json!({"name": "Det", "nodes": 2, "supported": false}));
    assert_eq!((&json["error"]["kind"], &json["error"]["node"]), (&json!("unsupported"), &json!("b")));
}

/// Sizes that are open are no secret either.
#[test]
fn a_network_whose_sizes_are_open_is_shown() {
    let folder = folder("open_sizes_shown");
    let path = folder.join("net.onnx");
    let ports = Message::default().message(11, &value("x", 1, &[-1, 3, -1, -1])).message(12, &value("y", 1, &[]));
    fs::write(&path, file(&ports.message(1, &node("Relu", &["x"], &["y"])), 18)).unwrap();
    let outcome = sepconv(["inspect".as_ref(), path.as_os_str()]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.out.contains("\ninput       x f32 [?,3,?,?]\n"), "{}", outcome.out);
    assert!(outcome.err.contains("--shape x=1,3,640,640"), "{}", outcome.err);
}
