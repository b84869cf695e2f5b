//! `factorize` on a small network of standard convolutions and painted images.

use std::fs;
use std::path::PathBuf;

use sepconv::onnx::{self, Metadata};
use sepconv::op::{Activation, Conv2d, Reduce, Reduction, Window};
use sepconv::{Builder, DType, Image, Limits, Shape, Tensor};
use serde_json::{Value, json};

use crate::program::{ASSUMED, Outcome, example, folder, sepconv};

/// A folder with a network, images of six classes beside it, and nothing in `out`.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(test: &str) -> Self {
        let desk = Self { folder: folder(test) };
        fs::create_dir(desk.folder.join("out")).unwrap();
        fs::write(desk.folder.join("net.onnx"), network()).unwrap();
        for image in 0..12_u32 {
            let class = desk.folder.join(format!("images/{}", image % 6));
            fs::create_dir_all(&class).unwrap();
            let pixels: Vec<u8> = numbers(image, 3 * 16 * 16).iter().map(|x| (127.5 * (x + 1.0)) as u8).collect();
            fs::write(class.join(format!("{image}.png")), Image::from_rgb(16, 16, pixels).unwrap().to_png()).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn written(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("out")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn factorize(&self, extra: &[&str]) -> Outcome {
        let (model, output) = (self.path("net.onnx"), self.path("out/s.onnx"));
        let usual = ["factorize", &model, "-o", &output, "--threads", "1", "--runs", "2"];
        sepconv([&usual, extra].concat())
    }
}

fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    std::iter::repeat_n((), count).scan(seed + 1, |state, ()| step(state)).collect()
}

/// A stem, two standard convolutions and the mean of six channels.
fn network() -> Vec<u8> {
    let mut builder = Builder::new(Limits::default());
    let mut x = builder.input("x", Shape::new([1, 16, 16, 3]).unwrap(), DType::F32).unwrap();
    for (i, [from, to]) in [[3, 16], [16, 16], [16, 6]].into_iter().enumerate() {
        let scale = 1.0 / (from as f32 * 3.0);
        let weights: Vec<f32> = numbers(i as u32, to * 9 * from).iter().map(|w| w * scale).collect();
        let weights = builder.constant("w", Tensor::f32([to, 3, 3, from], weights).unwrap()).unwrap();
        let bias = builder.constant("b", Tensor::f32([to], numbers(9, to)).unwrap()).unwrap();
        let window = Window { before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
        let conv = Conv2d { window, groups: 1, activation: Activation::Relu };
        x = builder.node(&format!("conv{i}"), conv, &[x, weights, bias]).unwrap();
    }
    let mean = Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: false };
    let y = builder.node("mean", mean, &[x]).unwrap();
    builder.output("y", y);
    onnx::write(&builder.finish(), &Metadata::default()).unwrap()
}

fn terms(json: &Value) -> Vec<&Value> {
    json["layers"].as_array().unwrap().iter().map(|layer| &layer["terms"]).collect()
}

#[test]
fn the_written_network_is_separable_and_runs() {
    let desk = Desk::new("factorize_writes");
    let images = desk.path("images");
    let outcome =
        desk.factorize(&["--terms", "2", "--calibration", &images, "--evaluate", &images, "--max-macs", "1000"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert_eq!(desk.written(), ["s.onnx"]);
    for part in ["3x3, 16 to 16", "at the output: ", "times fewer", "of 12 right", "\nwritten  ", "12 images"] {
        assert!(outcome.out.contains(part), "{part:?} is missing in\n{}", outcome.out);
    }
    assert!(outcome.out.lines().skip(1).all(|line| line.chars().count() <= 100), "{}", outcome.out);
    assert!(!outcome.out.contains("times as fast") && !outcome.err.contains("warning: 1"), "{}", outcome.err);
    let json = sepconv(["inspect", &desk.path("out/s.onnx"), "--json"]).json();
    let ops: Vec<&str> = json["layers"].as_array().unwrap().iter().filter_map(|layer| layer["op"].as_str()).collect();
    let separable = ops.iter().filter(|op| op.starts_with("depthwise")).count();
    assert_eq!(separable, 2, "{ops:?}");
}

#[test]
fn json_tells_everything_and_nothing_stands_beside_it() {
    let desk = Desk::new("factorize_json");
    let images = desk.path("images");
    let outcome = desk.factorize(&["--json", "--terms", "1", "--calibration", &images, "--calibration-images", "5"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ASSUMED));
    let json = outcome.json();
    assert_eq!(json["output"], desk.path("out/s.onnx"));
    assert_eq!(json["file_bytes"], fs::metadata(desk.path("out/s.onnx")).unwrap().len());
    assert_eq!((&json["missed"], &json["calibration_images"]), (&json!([]), &json!(5)));
    let layers = json["layers"].as_array().unwrap();
    let described: Vec<_> = layers.iter().map(|layer| (&layer["kind"], &layer["channels"])).collect();
    assert_eq!(described[0], (&json!("stem"), &json!([3, 16])));
    assert_eq!(described[2], (&json!("standard"), &json!([16, 6])));
    assert!(layers[2]["name"].as_str().is_some_and(|name| name.starts_with("conv2")), "{json}");
    assert!(layers[0]["ms"].is_null() && layers[1]["ms"][1].as_f64() <= layers[1]["ms"][0].as_f64(), "{json}");
    for network in ["original", "factorized"] {
        let network = &json[network];
        assert!(network["min_ms"].as_f64().unwrap() <= network["median_ms"].as_f64().unwrap());
        assert!(network["accuracy"].is_null() && network["macs"].as_u64().unwrap() > 0);
    }
    assert!(json["speedup"].as_f64().unwrap() > 0.0 && json["sqnr_db"].as_f64().is_some(), "{json}");
}

#[test]
fn weights_alone_suffice_and_a_budget_of_multiply_adds_times_nothing() {
    let desk = Desk::new("factorize_macs");
    let outcome = desk.factorize(&["--json", "--max-macs", "1"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let json = outcome.json();
    assert!(json["speedup"].is_null() && json["layers"][1]["ms"].is_null() && json["sqnr_db"].is_null(), "{json}");
    assert_eq!(json["calibration_images"], 0);
    assert!(json["factorized"]["macs"].as_u64() <= Some(1_000_000) && json["missed"] == json!([]), "{json}");
    // The same again, byte for byte.
    let first = fs::read(desk.path("out/s.onnx")).unwrap();
    desk.factorize(&["--json", "--max-macs", "1"]);
    assert!(first == fs::read(desk.path("out/s.onnx")).unwrap());
    let wide = desk.factorize(&["--json", "--max-macs", "1000"]).json();
    assert_eq!(terms(&wide), [&json!(null); 3]);
}

#[test]
fn a_wish_that_is_missed_is_a_warning() {
    let desk = Desk::new("factorize_missed");
    let outcome = desk.factorize(&["--speedup", "500"]);
    assert_eq!((outcome.code, desk.written()), (Some(0), vec!["s.onnx".to_owned()]), "{}", outcome.err);
    assert!(outcome.err.contains("warning: weights alone decided"), "{}", outcome.err);
    assert!(
        outcome.err.contains("times as fast on this machine, 500 was wanted; the file is written"),
        "{}",
        outcome.err
    );
    let images = desk.path("images");
    let least = desk.factorize(&["--json", "--max-drop", "100", "--evaluate", &images]).json();
    assert_eq!(least["missed"], json!([]));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let desk = Desk::new("factorize_refused");
    let images = desk.path("images");
    for (args, code, reason) in [
        (&["--terms", "0"][..], 2, "expected auto or a whole number from 1"),
        (&["--speedup", "0.5"], 2, "expected a number from 1 to 1000"),
        (&["--speedup", "2", "--max-macs", "1"], 2, "cannot be used with"),
        (&["--max-drop", "1"], 2, "--evaluate"),
        (&["--max-drop", "1", "--evaluate", &images, "--max-macs", "1"], 2, "cannot be used with"),
        (&["--calibration", &desk.path("out")], 1, "directory holds no images"),
        (&["--calibration", &desk.path("none")], 1, "none"),
    ] {
        let outcome = desk.factorize(args);
        assert_eq!((outcome.code, desk.written()), (Some(code), vec![]), "{args:?} {}", outcome.err);
        assert!(outcome.err.contains(reason), "{args:?}: {}", outcome.err);
    }
    let model = desk.path("net.onnx");
    let over = sepconv(["factorize", &model, "-o", &model]);
    assert_eq!(over.code, Some(2));
    assert!(over.err.contains("would replace a file that this command reads"), "{}", over.err);
    let separable = sepconv(["factorize", &example("colors.onnx"), "-o", &desk.path("out/s.onnx")]);
    assert_eq!((separable.code, desk.written()), (Some(1), vec![]), "{}", separable.err);
    assert!(separable.err.contains("no standard convolution to factorize"), "{}", separable.err);
}

#[test]
fn a_quantized_network_is_refused() {
    let desk = Desk::new("factorize_quantized");
    let quantized = desk.path("quantized.onnx");
    let args =
        ["quantize", &desk.path("net.onnx"), "-o", &quantized, "--calibration", &desk.path("images"), "--runs", "1"];
    assert_eq!(sepconv(args).code, Some(0));
    let outcome = sepconv(["factorize", &quantized, "-o", &desk.path("out/s.onnx")]);
    assert_eq!((outcome.code, desk.written()), (Some(1), vec![]), "{}", outcome.err);
    for part in ["network is quantized", "quantized.onnx", "factorize the f32 network"] {
        assert!(outcome.err.contains(part), "{part:?}: {}", outcome.err);
    }
}
