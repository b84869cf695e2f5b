//! `evaluate` and `quantize` on real networks and photographs, against the counts that came with them.
//!
//! The data is not part of the project: it is looked for in `SEPCONV_DATA` or `../shared/data`. Without it the test
//! says so and passes, unless `SEPCONV_REQUIRE_DATA` is set.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{folder, sepconv};

/// A file, its pre-processing where it does not say, how many of the 200 photographs its format's own runtime gets
/// right, and how far from that the count may be. The sums of both exceptions are rounded in fixed point there, layer
/// for layer otherwise than real numbers are: reference kernels of the same runtime count 143 and 171.
const NETWORKS: [(&str, Option<&str>, u64, u64); 18] = [
    ("onnx/mobilenet_v1_1.0_224_f32.onnx", Some("128/128"), 173, 1),
    ("onnx/mobilenet_v2_1.0_224_f32.onnx", Some("128/128"), 169, 1),
    ("onnx/mobilenet_v3_small_1.0_224_f32.onnx", Some("128/127"), 151, 1),
    ("onnx/mobilenet_v1_0.25_224_bn_f32.onnx", Some("torch"), 111, 1),
    ("onnx/mcunet_320kb_1mb_176_bn_f32.onnx", Some("tf"), 141, 1),
    ("onnx/mobilenet_v1_1.0_224_qdq.onnx", Some("128/128"), 173, 1),
    ("onnx/mobilenet_v2_1.0_224_qdq.onnx", Some("128/128"), 171, 1),
    ("onnx/mobilenet_v3_small_1.0_224_qdq.onnx", Some("128/127"), 155, 1),
    ("tflite/mobilenet_v1_0.25_224_f32.tflite", Some("tf"), 116, 1),
    ("tflite/mobilenet_v1_0.25_128_quant.tflite", None, 96, 1),
    ("tflite/mobilenet_v1_0.5_160_quant.tflite", None, 139, 1),
    ("tflite/mobilenet_v1_0.75_192_quant.tflite", None, 157, 1),
    ("tflite/mobilenet_v2_1.0_224_quant.tflite", None, 171, 1),
    ("tflite/mobilenet_v3_small_1.0_224_uint8.tflite", None, 155, 1),
    ("tflite/mcunet_320kb_1mb_176_int8.tflite", None, 142, 2),
    ("tflite/mobilenet_v2_1.0_224_ptq_int8.tflite", None, 172, 3),
    // State dicts of PyTorch: the same networks as two files above.
    ("torch/mobilenet_v1_0.25_224.safetensors mobilenet_v1_relux0.25", None, 111, 1),
    ("torch/mcunet_320kb_1mb_176.safetensors torch/mcunet_320kb_1mb_176.json", None, 141, 1),
];

pub(crate) fn data() -> Option<PathBuf> {
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

/// Photographs are decoded and fitted as for the counts that came with the networks.
#[test]
fn evaluate_finds_the_known_counts() {
    let Some(data) = data() else { return };
    let path = |name: &str| data.join(name).display().to_string();
    let (images, labels) = (path("images/imagenet200"), path("images/imagenet200/labels.txt"));
    for (network, preprocess, known, apart) in NETWORKS {
        let mut args = vec!["evaluate", "--images", &images, "--labels", &labels, "--json", "--model"];
        let (file, name) = network.split_once(' ').unwrap_or((network, ""));
        let [file, table] = [file, name].map(|file| path(&format!("models/{file}")));
        match name {
            "" => args.push(&file),
            name => args.extend([if name.contains('/') { &table } else { name }, "--weights", &file]),
        }
        preprocess.iter().for_each(|preprocess| args.extend(["--preprocess", preprocess]));
        let json = sepconv(args).json();
        assert_eq!(json["images"], 200);
        let top1 = json["top1"].as_u64().unwrap();
        assert!(top1.abs_diff(known) <= apart, "{network}: {top1} right, known are {known}");
        let geometry = if network.starts_with("tflite") { "crop-resize" } else { "resize-crop" };
        let said = json["preprocess"]["geometry"].as_str().unwrap();
        assert_eq!(said, if preprocess == Some("tf") || network.contains("mcunet") { "crop-resize" } else { geometry });
    }
}

/// What the card of the network that comes with the program says (`crates/sepconv/models/cifar10.md`).
#[test]
fn the_network_inside_is_as_good_as_its_card_says() {
    let Some(data) = data() else { return };
    let folder = folder("cifar10_card");
    let archive = fs::read(data.join("datasets/cifar10/cifar10_test_2k_jpg.zip")).unwrap();
    unzip(&archive, &folder);
    let json = sepconv(["evaluate", "--images", folder.to_str().unwrap(), "--json"]).json();
    assert_eq!((&json["images"], &json["top1"]), (&2000.into(), &1790.into()));
}

/// Writes the files of an archive into a folder.
fn unzip(archive: &[u8], folder: &Path) {
    let archive = rawzip::ZipArchive::from_slice(archive).unwrap();
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().unwrap() {
        let path = folder.join(std::str::from_utf8(entry.file_path().as_bytes()).unwrap());
        if entry.is_dir() {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = archive.get_entry(entry.wayfinder()).unwrap();
        let stored = entry.compression_method() == rawzip::CompressionMethod::STORE;
        assert!(stored, "JPEGs are stored as they are");
        fs::write(path, content.data()).unwrap();
    }
}

/// Within what 200 photographs can tell: the result is refused below the lower end of the float network's interval. Its
/// batch normalizations are nodes of their own, which have to be folded before anything is quantized.
#[test]
fn quantizing_keeps_the_right_answers() {
    let Some(data) = data() else { return };
    let path = |name: &str| data.join(name).display().to_string();
    let (images, labels) = (path("images/imagenet200"), path("images/imagenet200/labels.txt"));
    let output = folder("quantizing_keeps").join("q.onnx").display().to_string();
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
    assert_eq!(again["top1"], json["quantized"]["accuracy"]["top1"]);
}
