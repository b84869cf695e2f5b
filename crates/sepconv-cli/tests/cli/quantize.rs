//! `quantize` on a network of the project's own making and painted images.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{ASSUMED, Outcome, example, folder, paint, program, sepconv};

/// What `colors.onnx` tells apart, in the order of its classes.
const COLOURS: [[u8; 3]; 6] = [[5, 5, 5], [250, 250, 250], [220, 30, 20], [10, 140, 5], [10, 20, 250], [240, 230, 30]];

/// A folder with an image of each color in `images`, the right answers beside it, and nothing in `out`.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(test: &str) -> Self {
        let desk = Self { folder: folder(test) };
        let pictures = desk.folder.join("pictures");
        fs::create_dir(&pictures).unwrap();
        fs::create_dir(desk.folder.join("out")).unwrap();
        for (class, color) in COLOURS.into_iter().enumerate() {
            paint(&pictures.join(format!("{class}.png")), color);
        }
        let lines = (0..COLOURS.len()).map(|class| format!("{class}.png {class}\n"));
        fs::write(desk.folder.join("labels.txt"), lines.collect::<String>()).unwrap();
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// What is in `out`.
    fn written(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("out")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The program's arguments for `model` and `out/q.onnx`.
    fn args(&self, model: &str, runs: &str, extra: &[&str]) -> Vec<String> {
        let usual = ["quantize", model, "-o", &self.path("out/q.onnx"), "--calibration", &self.path("pictures")];
        let times = ["--threads", "1", "--runs", runs];
        usual.iter().chain(&times).chain(extra).map(|&arg| arg.to_owned()).collect()
    }

    fn quantize(&self, extra: &[&str]) -> Outcome {
        sepconv(self.args(&example("colors.onnx"), "3", extra))
    }

    /// The same with right answers, whatever the speed.
    fn evaluated(&self, extra: &[&str]) -> Outcome {
        let (pictures, labels) = (self.path("pictures"), self.path("labels.txt"));
        let usual = ["--evaluate", &pictures, "--labels", &labels, "--min-speedup", "0"];
        self.quantize(&[&usual, extra].concat())
    }
}

#[test]
fn the_written_network_works_on_bytes_and_gives_the_same_answers() {
    let desk = Desk::new("quantize_writes");
    let outcome = desk.evaluated(&["--min-accuracy", "100"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert_eq!(desk.written(), ["q.onnx"]);
    for part in ["depthwise  depthwise  u8", "u8 layers", "6 and 6 of 6 right", "61.0 to 100.0 %", "\nwritten  "] {
        assert!(outcome.out.contains(part), "{part:?} is missing in\n{}", outcome.out);
    }
    assert!(outcome.out.lines().skip(1).all(|line| line.chars().count() <= 100), "{}", outcome.out);
    assert!(outcome.err.contains("calibrate") && outcome.err.ends_with("time            3/3\n"), "{}", outcome.err);

    let layers = sepconv(["inspect", &desk.path("out/q.onnx"), "--json"]).json()["layers"].clone();
    let convolutions: Vec<&Value> = layers.as_array().unwrap().iter().filter(|layer| layer["macs"] != 0).collect();
    assert_eq!(convolutions.len(), 2, "{layers}");
    assert!(convolutions.iter().all(|layer| layer["input_dtype"] == "u8"), "{layers}");

    let args = ["classify", &desk.path("pictures"), "--top", "1", "--json", "--model", &desk.path("out/q.onnx")];
    let images = sepconv(args).json()["images"].clone();
    let classes: Vec<u64> =
        images.as_array().unwrap().iter().filter_map(|image| image["predictions"][0]["class"].as_u64()).collect();
    assert_eq!(classes, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn the_written_file_says_how_it_is_used() {
    let desk = Desk::new("quantize_metadata");
    let names = example("colors.txt");
    let outcome = desk.quantize(&["--class-names", &names, "--preprocess", "torch:no-crop", "--min-speedup", "0"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let stated = |file: &str| sepconv(["inspect", file, "--json"]).json();
    let json = stated(&desk.path("out/q.onnx"));
    assert_eq!((&json["preprocess"]["source"], &json["preprocess"]["whole"]), (&json!("file"), &json!(true)));
    assert_eq!((&json["labels"][5], json["labels"].as_array().unwrap().len()), (&json!("yellow"), 6));
    let text = sepconv(["inspect", &desk.path("out/q.onnx")]).out;
    assert!(text.contains("\nlabels      6, from \"black\" to \"yellow\"\n"), "{text}");
    // Nothing that is only usual is stated.
    let plain = Desk::new("quantize_metadata_plain");
    assert_eq!(plain.quantize(&["--min-speedup", "0"]).code, Some(0));
    let json = stated(&plain.path("out/q.onnx"));
    assert_eq!((&json["preprocess"]["source"], &json["labels"]), (&json!("default"), &json!([])));

    fs::write(desk.path("short.txt"), "one\n").unwrap();
    let short = desk.quantize(&["--class-names", &desk.path("short.txt")]);
    assert_eq!(short.code, Some(1));
    assert!(
        short.err.contains("labels do not belong to this network") && short.err.contains("short.txt"),
        "{}",
        short.err
    );
}

#[test]
fn pictures_for_calibration_may_be_in_folders_inside() {
    let desk = Desk::new("quantize_inside");
    let (out, model) = (desk.path("out/q.onnx"), example("colors.onnx"));
    let args = ["quantize", &model, "-o", &out, "--min-speedup", "0", "--runs", "1", "--json", "--calibration"];
    let outcome = sepconv(args.into_iter().chain([desk.folder.to_str().unwrap()]));
    assert_eq!((outcome.code, &outcome.json()["calibration_images"]), (Some(0), &json!(6)), "{}", outcome.err);
}

#[test]
fn json_tells_everything_and_nothing_stands_beside_it() {
    let desk = Desk::new("quantize_json");
    let outcome = desk.evaluated(&["--json", "--calibration-images", "4", "--keep-float", "pointwise"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ASSUMED));
    let json = outcome.json();
    assert_eq!(json["output"], desk.path("out/q.onnx"));
    assert_eq!(json["file_bytes"], fs::metadata(desk.path("out/q.onnx")).unwrap().len());
    assert_eq!((&json["refused"], &json["calibration_images"], &json["threads"]), (&json!(null), &json!(4), &json!(1)));
    assert_eq!(json["preprocess"]["source"], "default");
    let layers = json["layers"].as_array().unwrap();
    let types: Vec<_> = layers.iter().map(|layer| (&layer["name"], &layer["kind"], &layer["dtype"])).collect();
    assert_eq!(
        types,
        [
            (&json!("depthwise"), &json!("depthwise"), &json!("u8")),
            (&json!("pointwise"), &json!("pointwise"), &json!("f32"))
        ]
    );
    assert!(layers[0]["sqnr_db"].as_f64().unwrap() > 30.0 && layers[0]["alone_db"].is_null(), "{json}");
    for network in ["float", "quantized"] {
        let network = &json[network];
        assert!(network["min_ms"].as_f64().unwrap() <= network["median_ms"].as_f64().unwrap());
        assert_eq!((&network["accuracy"]["top1"], &network["accuracy"]["images"]), (&json!(6), &json!(6)));
        assert_eq!(network["accuracy"]["top1_interval"][1], 100.0);
    }
    assert!(json["quantized"]["weight_bytes"].as_u64() < json["float"]["weight_bytes"].as_u64());
    assert!(json["speedup"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_wanted_ratio_keeps_layers_float_and_tells_how_each_does_alone() {
    let desk = Desk::new("quantize_ratio");
    let kept = |min_sqnr: &str| {
        let json = desk.evaluated(&["--json", "--min-sqnr", min_sqnr]).json();
        let layers = json["layers"].as_array().unwrap().clone();
        assert!(layers.iter().all(|layer| layer["alone_db"].is_number()), "{json}");
        layers.iter().filter(|layer| layer["dtype"] == "f32").count()
    };
    assert_eq!((kept("10"), kept("200")), (0, 2));
}

#[test]
fn what_is_not_accurate_enough_is_told_and_not_written() {
    let desk = Desk::new("quantize_accuracy");
    // Numbers that the network was not made for: it takes every image for the same color.
    let mistaken = ["--preprocess", "raw", "--min-accuracy", "50.5"];
    let outcome = desk.evaluated(&mistaken);
    assert_eq!((outcome.code, desk.written()), (Some(3), vec![]), "{}", outcome.err);
    let reason = "\nrefused: top-1 is 16.7 %, --min-accuracy is 50.5 %; nothing was written\n";
    assert!(outcome.err.ends_with(reason) && !outcome.out.contains("written"), "{}", outcome.err);

    let mixed = desk.evaluated(&[&mistaken[..], &["--mixed", "--json"]].concat());
    assert_eq!((mixed.code, desk.written()), (Some(3), vec![]), "{}", mixed.err);
    let json = mixed.json();
    assert_eq!(json["refused"], "accuracy");
    let float = json["layers"].as_array().unwrap().iter().filter(|layer| layer["dtype"] == "f32").count();
    assert_eq!(float, 1, "half of the layers are tried in f32: {json}");
}

#[test]
fn what_is_not_fast_enough_is_told_and_not_written() {
    let desk = Desk::new("quantize_speed");
    let outcome = desk.quantize(&["--min-speedup", "1000", "--json"]);
    assert_eq!((outcome.code, desk.written()), (Some(4), vec![]), "{}", outcome.err);
    let reason = outcome.err.strip_prefix(ASSUMED).unwrap_or_default();
    assert!(reason.starts_with("refused: int8 runs at ") && reason.ends_with("; nothing was written\n"), "{reason}");
    assert_eq!((&outcome.json()["refused"], reason.lines().count()), (&json!("speed"), 1));
    assert!(outcome.json()["float"]["accuracy"].is_null());
}

/// The file is for another machine, perhaps: what is measured on this one decides nothing unless it is asked to.
#[test]
fn without_a_wanted_speed_the_file_is_written_and_slowness_is_a_warning() {
    let desk = Desk::new("quantize_default_speed");
    for _ in 0..5 {
        let outcome = desk.quantize(&["--json"]);
        assert_eq!((outcome.code, desk.written()), (Some(0), vec!["q.onnx".to_owned()]), "{}", outcome.err);
        let is_slower = outcome.json()["speedup"].as_f64().unwrap() < 1.0;
        assert_eq!(outcome.err.contains("warning: int8 runs at 0."), is_slower, "{}", outcome.err);
    }
}

#[test]
fn arguments_that_cannot_be_are_refused_before_anything_is_done() {
    let desk = Desk::new("quantize_arguments");
    let (model, copy) = (example("colors.onnx"), desk.path("copy.onnx"));
    fs::copy(&model, &copy).unwrap();
    let (labels, pictures) = (desk.path("labels.txt"), desk.path("pictures"));
    for extra in [
        &["--labels", &labels][..],
        &["--min-accuracy", "50"],
        &["--evaluate", &pictures, "--labels", &labels, "--min-accuracy", "101"],
        &["--evaluate", &pictures, "--labels", &labels, "--mixed"],
        &["--min-speedup", "-1"],
        &["--range", "median"],
        &["--calibration-images", "0"],
        &["--keep-float", "nobody"],
    ] {
        // An image that cannot be decoded is found only after the arguments.
        fs::write(desk.path("pictures/3.png"), "no image").unwrap();
        let outcome = desk.quantize(extra);
        assert_eq!(
            (outcome.code, outcome.out.as_str(), desk.written()),
            (Some(2), "", vec![]),
            "{extra:?}: {}",
            outcome.err
        );
    }
    for output in [desk.path("out/q.tflite"), desk.path("out"), copy.clone(), desk.path("out/../copy.onnx")] {
        let outcome = sepconv(["quantize", &copy, "-o", &output, "--calibration", &pictures]);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{output}: {}", outcome.err);
    }
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&model).unwrap());
}

#[test]
fn files_at_fault_are_told_and_nothing_is_written() {
    let desk = Desk::new("quantize_files");
    let told = |outcome: Outcome, start: &str| {
        let error = outcome.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!((outcome.code, outcome.out.as_str(), desk.written()), (Some(1), "", vec![]), "{}", outcome.err);
        assert!(error.starts_with(start), "{}", outcome.err);
    };
    let model = example("colors.onnx");
    let calibrated = |folder: &str, output: &str| {
        sepconv(["quantize", &model, "-o", &desk.path(output), "--calibration", &desk.path(folder)])
    };
    told(calibrated("out", "out/q.onnx"), "error: directory holds no images");
    told(calibrated("nowhere", "out/q.onnx"), "error: cannot read directory");
    told(calibrated("pictures", "nowhere/q.onnx"), "error: output directory does not exist");
    told(desk.quantize(&["--evaluate", &desk.path("pictures")]), "error: no labels found");
    fs::write(desk.path("labels.txt"), "0.png 0\ngone.png 1\n").unwrap();
    told(desk.evaluated(&[]), "error: file cannot be read");
    fs::write(desk.path("labels.txt"), "0.png 6\n").unwrap();
    told(desk.evaluated(&[]), "error: labels name a class that the network does not have");
    fs::write(desk.path("pictures/3.png"), "no image").unwrap();
    told(desk.quantize(&[]), "error: not an image");
}

#[test]
fn a_quantized_network_is_not_quantised_again() {
    let desk = Desk::new("quantize_twice");
    assert_eq!(desk.quantize(&["--min-speedup", "0"]).code, Some(0));
    let once = desk.path("once.onnx");
    fs::rename(desk.path("out/q.onnx"), &once).unwrap();
    let outcome = sepconv(desk.args(&once, "3", &[]));
    assert_eq!((outcome.code, desk.written()), (Some(1), vec![]));
    assert!(outcome.err.contains("error: network is quantized already"), "{}", outcome.err);
}

#[test]
fn a_run_that_is_ended_leaves_the_old_file_and_no_other() {
    let desk = Desk::new("quantize_ended");
    fs::write(desk.path("out/q.onnx"), "old").unwrap();
    let mut command = program();
    command.args(desk.args(&example("colors.onnx"), "1000000", &[]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.starts_with("time")), "the runs are never timed");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(desk.written(), ["q.onnx"]);
    assert_eq!(fs::read(Path::new(&desk.path("out/q.onnx"))).unwrap(), b"old");
}
