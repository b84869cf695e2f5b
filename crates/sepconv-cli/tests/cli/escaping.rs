//! What files say reaches no terminal as it is: names, labels and paths with control characters.

use std::fs;
use std::path::Path;

use sepconv::Tensor;
use sepconv::npy::{self, Array};

use crate::program::{Outcome, folder, paint, sepconv};
use crate::protobuf::{Message, file, floats, node, value};

/// What terminals obey, a line break, and a mark that turns the direction of text.
const BAD: &str = "a\u{1b}[31m\u{7}\u{9b}2J\r\n\t\u{202e}b";

/// A network that scores two classes, all of whose names hold `bad`.
fn network(bad: &str, operator: &str) -> Vec<u8> {
    let names = ["input", "conv", "mean", "flat", "scores"].map(|name| format!("{name}{bad}"));
    let [input, conv, mean, flat, scores] = names.each_ref().map(String::as_str);
    let weights = [floats("w", &[3, 1, 3, 3], &[0.1; 27]), floats("p", &[2, 3, 1, 1], &[0.5; 6])];
    let nodes = [
        node("Conv", &[input, "w"], &[conv]).with_int("group", 3).bytes(3, conv),
        node("Conv", &[conv, "p"], &[mean]).bytes(3, mean),
        node("GlobalAveragePool", &[mean], &[flat]).bytes(3, flat),
        node(operator, &[flat], &[scores]).bytes(3, scores),
    ];
    let graph = Message::default().messages(1, &nodes).messages(5, &weights);
    let graph = graph.message(11, &value(input, 1, &[1, 3, 8, 8])).message(12, &value(scores, 1, &[]));
    let labels = ["sepconv.labels", &format!("cat{}\ndog", bad.replace(['\n', '\r'], ""))];
    let entry = Message::default().bytes(1, labels[0]).bytes(2, labels[1]);
    let description = Message::default().bytes(6, format!("description{bad}"));
    [file(&graph, 18), Message::default().message(14, &entry).0, description.0].concat()
}

/// Output without what a terminal would obey; a line break is the program's own.
fn assert_printable(outcome: &Outcome, line: &str) {
    for text in [&outcome.out, &outcome.err] {
        let bad = text.chars().find(|&c| c.is_control() && c != '\n' || c == '\u{202e}');
        assert_eq!(bad, None, "{line}: {text:?}");
    }
}

#[test]
fn names_from_files_are_escaped() {
    let folder = folder("escaping");
    let run = |bad: &str| {
        let folder = folder.join(if bad.is_empty() { "plain" } else { "bad" });
        let (images, file) = (folder.join("images"), format!("{bad}net.onnx"));
        fs::create_dir_all(&images).unwrap();
        // A line of a label file names no file with a line break.
        let image = format!("{}0.png", bad.replace(['\n', '\r'], ""));
        paint(&images.join(&image), [200, 30, 20]);
        fs::write(folder.join("labels.txt"), format!("{image} 0\n")).unwrap();
        fs::write(folder.join(&file), network(bad, "Flatten")).unwrap();
        fs::write(folder.join(format!("{bad}lacks.onnx")), network(bad, &format!("Nonsense{bad}"))).unwrap();
        npy::write(&folder.join("x.npy"), &[Array::new("", &Tensor::f32([1, 3], [0.0; 3]).unwrap())]).unwrap();
        let at = |word: &str| folder.join(word.replace('*', bad)).display().to_string();
        let lines = [
            "inspect @*net.onnx --plan",
            "inspect @*lacks.onnx",
            "classify @images --model @*net.onnx",
            "classify @images @nothing* --model @*net.onnx",
            "evaluate --images @images --labels @labels.txt --model @*net.onnx",
            "evaluate --images @ --model @*net.onnx",
            "bench @*net.onnx --runs 1",
            "bench @*net.onnx --input @x.npy",
            "compare @*net.onnx --rounds 1",
            "profile @*net.onnx --runs 1",
            "export @*net.onnx -o @*copy.onnx",
            "quantize @*net.onnx -o @*q.onnx --calibration @images --runs 1",
        ];
        lines.map(|line| {
            let words = line.split(' ').map(|word| word.strip_prefix('@').map_or(word.to_owned(), at));
            let outcome = sepconv(words);
            assert_printable(&outcome, line);
            // How long the notes on standard error are depends on the terminal and on time.
            (line, outcome.code, outcome.out.lines().count())
        })
    };
    assert_eq!(run(""), run(BAD), "a line break in a name makes no line");
    assert!(Path::new(&folder).join("bad").join(format!("{BAD}copy.onnx")).exists());
}

/// Arguments too, on a terminal as elsewhere.
#[test]
fn arguments_are_escaped() {
    for args in [&["bench", "x", "--runs", BAD][..], &[BAD], &["inspect", "--shape", BAD, "x"]] {
        let outcome = sepconv(args);
        assert_eq!(outcome.code, Some(2), "{args:?}");
        assert!(outcome.err.contains("\\u{202e}b"), "{args:?}: {}", outcome.err);
        assert_printable(&outcome, &format!("{args:?}"));
    }
}

/// JSON holds the names as they are: programs compare them.
#[test]
fn json_keeps_names() {
    let folder = folder("escaping_json");
    fs::write(folder.join("net.onnx"), network(BAD, "Flatten")).unwrap();
    let json = sepconv(["inspect", folder.join("net.onnx").to_str().unwrap(), "--json"]).json();
    assert_eq!(json["inputs"][0]["name"], format!("input{BAD}"));
}

/// Where a name is in the middle of a sentence, too.
#[test]
fn names_of_operators_are_escaped() {
    let folder = folder("escaping_operators");
    fs::write(folder.join("net.onnx"), network("", "Non\n\u{1b}[31msense")).unwrap();
    let outcome = sepconv(["bench", folder.join("net.onnx").to_str().unwrap()]);
    let first = outcome.err.lines().next().unwrap();
    assert_eq!(first, "error: operator is not supported: Non\\n\\u{1b}[31msense (1 node)");
}
