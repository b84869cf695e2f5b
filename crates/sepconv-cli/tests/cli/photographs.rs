//! `evaluate` and `quantize` on real networks and photographs, against the counts that came with them.
//!
//! The data is not part of the project: it is looked for in `SEPCONV_DATA` or `../shared/data`. Without it the test says so and
//! passes, unless `SEPCONV_REQUIRE_DATA` is set.

use std::env;
use std::path::{Path, PathBuf};

use crate::program::{folder, sepconv};

/// A file, its pre-processing, and how many of the 200 photographs its makers' runtimes got right.
const NETWORKS: [(&str, &str, u64); 6] = [
    ("onnx/mobilenet_v1_1.0_224_f32.onnx", "128/128", 173),
    ("onnx/mobilenet_v2_1.0_224_f32.onnx", "128/128", 169),
    ("onnx/mobilenet_v3_small_1.0_224_f32.onnx", "128/127", 151),
    ("onnx/mobilenet_v1_0.25_224_bn_f32.onnx", "torch", 111),
    ("onnx/mcunet_320kb_1mb_176_bn_f32.onnx", "tf", 141),
    ("tflite/mobilenet_v1_0.25_224_f32.tflite", "tf", 116),
];

fn data() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = env::var_os("SEPCONV_DATA").map_or(usual, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = env::var_os("SEPCONV_REQUIRE_DATA").is_some();
    assert!(!required, "SEPCONV_REQUIRE_DATA is set, but there is no data in {}", folder.display());
    println!("skipped: no data in {} (SEPCONV_DATA names another place)", folder.display());
    None
}

/// Within two photographs: JPEG decoders differ in how they enlarge colours.
#[test]
fn evaluate_finds_the_known_counts() {
    let Some(data) = data() else { return };
    let path = |name: &str| data.join(name).display().to_string();
    let (images, labels) = (path("images/imagenet200"), path("images/imagenet200/labels.txt"));
    for (network, preprocess, known) in NETWORKS {
        let model = path(&format!("models/{network}"));
        let args = [
            "evaluate",
            "--model",
            &model,
            "--images",
            &images,
            "--labels",
            &labels,
            "--json",
            "--preprocess",
            preprocess,
        ];
        let json = sepconv(args).json();
        assert_eq!(json["images"], 200);
        let top1 = json["top1"].as_u64().unwrap();
        assert!(top1.abs_diff(known) <= 2, "{network}: {top1} right, known are {known}");
    }
}

/// Within what 200 photographs can tell: the result is refused below the lower end of the float network's interval. Its batch
/// normalisations are nodes of their own, which have to be folded before anything is quantised.
#[test]
fn quantising_keeps_the_right_answers() {
    let Some(data) = data() else { return };
    let path = |name: &str| data.join(name).display().to_string();
    let (images, labels) = (path("images/imagenet200"), path("images/imagenet200/labels.txt"));
    let output = folder("quantising_keeps").join("q.onnx").display().to_string();
    let model = path("models/onnx/mobilenet_v1_0.25_224_bn_f32.onnx");
    let args = ["quantize", &model, "-o", &output, "--calibration", &images, "--calibration-images", "32", "--json"];
    let judged =
        ["--evaluate", &images, "--labels", &labels, "--min-accuracy", "49", "--min-speedup", "0", "--runs", "3"];
    let outcome = sepconv(args.into_iter().chain(judged));
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let json = outcome.json();
    assert_eq!(json["layers"].as_array().unwrap().len(), 28);
    assert!(json["sqnr_db"].as_f64().unwrap() > 15.0, "{json}");
    let again = sepconv(["evaluate", "--model", &output, "--images", &images, "--labels", &labels, "--json"]).json();
    assert_eq!(again["top1"], json["quantised"]["accuracy"]["top1"]);
}
