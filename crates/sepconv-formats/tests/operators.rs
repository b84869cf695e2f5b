//! `docs/operators.md` is what the readers' tables say. `INSTA_UPDATE=always` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use sepconv_formats::onnx::Onnx;
use sepconv_formats::tflite::Tflite;

const VECTORS: &str = include_str!("onnx_node_vectors.txt");

#[test]
fn the_page_lists_every_operator() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    let page = page();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/operators.md is not what the tables say: run this test with INSTA_UPDATE=always");
}

fn page() -> String {
    let mut page = String::from(
        "# Operators\n\nThis page is generated from the readers' tables (`sepconv-formats/tests/operators.rs`). \
         `sepconv inspect FILE` lists the\noperators of a file, and names all that are not supported.\n",
    );
    section(
        &mut page,
        "ONNX",
        "Operator sets 1 to 25. `If` on a known condition and functions of the model are inlined.",
        Onnx::supported_operators(),
    );
    section(
        &mut page,
        "ONNX, domain `com.microsoft`",
        "Networks that onnxruntime quantized or optimized.",
        Onnx::supported_microsoft_operators(),
    );
    page.push_str("\n## ONNX, refused\n\n");
    page.push_str(
        "These are the reasons for which cases of the ONNX backend's node vectors are refused, with their number.\n",
    );
    page.push_str("Each is an error that names the node.\n\n| reason | cases |\n|---|---|\n");
    for (reason, count) in refused() {
        writeln!(page, "| {reason} | {count} |").unwrap();
    }
    section(
        &mut page,
        "TensorFlow Lite",
        "Activations of f32, int8, uint8 and int16; weights also of f16 and 4 bits.",
        Tflite::supported_operators(),
    );
    section(
        &mut page,
        "TensorFlow Lite, custom",
        "Operators of MediaPipe and of detectors.",
        Tflite::supported_custom_operators(),
    );
    page
}

/// A heading, a sentence, and the operators as a paragraph.
fn section(page: &mut String, title: &str, sentence: &str, operators: impl Iterator<Item = &'static str>) {
    let operators: Vec<String> = operators.map(|name| format!("`{name}`")).collect();
    write!(page, "\n## {title}\n\n{} operators. {sentence}\n\n", operators.len()).unwrap();
    let mut column = 0;
    for (i, operator) in operators.iter().enumerate() {
        let end = if i + 1 < operators.len() { "," } else { "" };
        if column > 0 && column + 1 + operator.len() + end.len() > 120 {
            page.push('\n');
            column = 0;
        }
        let space = if column > 0 { " " } else { "" };
        write!(page, "{space}{operator}{end}").unwrap();
        column += space.len() + operator.len() + end.len();
    }
    page.push('\n');
}

/// Reasons for which node vectors are refused, the most frequent first.
fn refused() -> Vec<(&'static str, usize)> {
    let mut counts = BTreeMap::new();
    for (_, reason) in VECTORS.lines().filter_map(|line| line.split_once("# excluded: ")) {
        *counts.entry(reason.trim()).or_insert(0) += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
