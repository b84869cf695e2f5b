//! The five commands on a network of the project's own making, as users and scripts start them.

use std::fs;

use crate::program::{ASSUMED, example, finish, folder, paint, program, sepconv};
use sepconv::{Limits, Tensor, npy};
use serde_json::{Value, json};

#[test]
fn classify_names_colors() {
    let folder = folder("classify_names_colors");
    paint(&folder.join("a.png"), [220, 30, 20]);
    paint(&folder.join("b.png"), [10, 20, 250]);
    fs::write(folder.join("notes.txt"), "not looked at").unwrap();
    let args = ["classify", folder.to_str().unwrap(), "--model", &example("colors.onnx"), "--top", "1", "--labels"];
    let outcome = sepconv(args.into_iter().chain([example("colors.txt").as_str()]));
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ASSUMED));
    let lines: Vec<_> = outcome.out.lines().collect();
    assert_eq!(
        lines[0],
        "preprocess torch: (px/255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], resize-crop \
         (assumed: the file does not say; override with --preprocess)"
    );
    assert!(lines[2].ends_with("a.png") && lines[3].ends_with(" %      2  red"), "{}", outcome.out);
    assert!(lines[5].ends_with("b.png") && lines[6].ends_with(" %      4  blue"), "{}", outcome.out);
}

#[test]
fn classify_json_has_every_picture_and_one_bad_file_loses_no_answer() {
    let folder = folder("classify_json");
    paint(&folder.join("good.png"), [10, 140, 5]);
    fs::write(folder.join("bad.jpg"), "no image").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let args = ["classify", &path("bad.jpg"), &path("gone.png"), &path("good.png"), "--top", "2", "--json", "--model"];
    let outcome = sepconv(args.into_iter().chain([example("colors.onnx").as_str()]));
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.err.starts_with(&format!("{ASSUMED}error: not an image\n  --> ")) && outcome.err.contains("gone.png"),
        "{}",
        outcome.err
    );
    let json = outcome.json();
    assert_eq!(json["preprocess"]["name"], "torch");
    assert_eq!(json["preprocess"]["source"], "default");
    let images = json["images"].as_array().unwrap();
    assert_eq!(images.len(), 3);
    let error = &images[0]["error"];
    assert_eq!((&error["kind"], &error["message"]), (&json!("malformed"), &json!("not an image")));
    assert_eq!((&error["file"], &error["node"], &error["got"]), (&json!(path("bad.jpg")), &json!(null), &json!(null)));
    assert_eq!(images[1]["error"]["kind"], "io");
    assert_eq!((&images[2]["file"], &images[2]["softmax_added"]), (&json!(path("good.png")), &json!(false)));
    let best = &images[2]["predictions"][0];
    assert_eq!((&best["class"], &best["output"], &best["label"]), (&json!(3), &json!(3), &json!(null)));
    assert!(best["score"].as_f64().unwrap() > 0.5 && images[2]["predictions"].as_array().unwrap().len() == 2);
}

#[test]
fn evaluate_counts_right_answers() {
    let folder = folder("evaluate_counts");
    for (name, color) in
        [("r.png", [220, 30, 20]), ("g.png", [10, 140, 5]), ("b.png", [10, 20, 250]), ("x.png", [0; 3])]
    {
        paint(&folder.join(name), color);
    }
    let labels = folder.join("labels.txt");
    fs::write(&labels, "r.png 2\ng.png 3\nb.png 2\n").unwrap();
    let args = |extra: &[&str]| {
        let usual = ["evaluate", "--images", folder.to_str().unwrap(), "--labels", labels.to_str().unwrap(), "--model"];
        let model = example("colors.onnx");
        sepconv(usual.into_iter().chain([model.as_str()]).chain(extra.iter().copied()))
    };
    let json = args(&["--json"]).json();
    let counts = ["images", "top1", "top5", "failed", "unlabelled"].map(|key| json[key].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 3, 0, 1]);
    assert!(json["images_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(json["preprocess"]["name"], "torch");

    let text = args(&["--preprocess", "raw"]);
    assert_eq!(text.code, Some(0));
    assert!(text.out.starts_with("network     ") && text.out.contains("colors.onnx\n"), "{}", text.out);
    assert!(text.out.contains("\npreprocess  raw: px, resize-crop (from --preprocess)\ntop-1       "), "{}", text.out);
    // Numbers that the network was not made for: every image looks white to it.
    assert!(text.err.ends_with("      3/3 top-1 0.0 %\n"), "{}", text.err);

    fs::write(&labels, "r.png 2\ngone.png 1\n").unwrap();
    let partial = args(&["--json"]);
    assert_eq!((partial.code, &partial.json()["images"], &partial.json()["failed"]), (Some(1), &json!(1), &json!(1)));

    fs::write(&labels, "r.png 6\n").unwrap();
    let impossible = args(&[]);
    assert_eq!(impossible.code, Some(1));
    assert!(
        impossible.err.starts_with("error: labels name a class that the network does not have"),
        "{}",
        impossible.err
    );
}

#[test]
fn evaluate_takes_classes_from_the_names_of_folders() {
    let folder = folder("evaluate_folders");
    let path = |name: &str| folder.join(name).display().to_string();
    for (name, color) in [("2_red/a.png", [220, 30, 20]), ("2_red/b.png", [10, 20, 250]), ("3/a.png", [10, 140, 5])] {
        let picture = folder.join("pictures").join(name);
        fs::create_dir_all(picture.parent().unwrap()).unwrap();
        paint(&picture, color);
    }
    paint(&folder.join("pictures/loose.png"), [0; 3]);
    let counts = |model: &str| {
        let outcome = sepconv(["evaluate", "--images", &path("pictures"), "--model", model, "--json"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
        ["images", "top1", "unlabelled"].map(|key| outcome.json()[key].as_u64().unwrap())
    };
    assert_eq!(counts(&example("colors.onnx")), [3, 2, 1]);

    // A network that knows what its classes are called.
    let named = path("named.onnx");
    sepconv(["export", &example("colors.onnx"), "-o", &named, "--class-names", &example("colors.txt")]);
    fs::rename(folder.join("pictures/2_red"), folder.join("pictures/red")).unwrap();
    assert_eq!(counts(&named), [3, 2, 1]);
    let unknown = sepconv(["evaluate", "--images", &path("pictures"), "--model", &example("colors.onnx")]);
    assert_eq!(unknown.code, Some(1));
    let told = "error: folder is named after no class of the network\n  --> ";
    assert!(unknown.err.starts_with(told) && unknown.err.contains("got \"red\""), "{}", unknown.err);
}

#[test]
fn without_a_model_the_one_that_comes_with_it_answers() {
    let folder = folder("without_a_model");
    for (name, color) in [("airplane/a.png", [90, 150, 230]), ("3_cat/a.png", [120, 100, 80])] {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        paint(&folder.join(name), color);
    }
    let classified = sepconv(["classify", &example("chelsea.png"), "--json"]).json();
    assert_eq!(
        (&classified["model"], &classified["preprocess"]["source"]),
        (&json!("cifar10 (built in)"), &json!("file"))
    );
    assert_eq!(classified["images"][0]["predictions"][0]["label"], "cat");
    let names = "airplane automobile bird cat deer dog frog horse ship truck";
    for prediction in classified["images"][0]["predictions"].as_array().unwrap() {
        let place = names.split(' ').position(|name| prediction["label"] == name);
        assert_eq!(place.map(|place| place as u64), prediction["class"].as_u64(), "{prediction}");
    }
    let text = sepconv(["classify", &example("chelsea.png")]).out;
    assert!(text.starts_with("network    cifar10 (built in), which knows 10 classes\npreprocess tf: "), "{text}");
    let evaluated = sepconv(["evaluate", "--images", folder.to_str().unwrap(), "--json"]).json();
    assert_eq!(evaluated["images"], 2);
    assert_eq!(sepconv(["classify", "a.png", "--weights", "w.safetensors"]).code, Some(2));
}

#[test]
fn the_program_knows_its_name() {
    assert_eq!(sepconv(["--version"]).out, format!("sepconv {}\n", env!("CARGO_PKG_VERSION")));
}

/// A port of floats, as JSON.
fn port(name: &str, shape: &[usize]) -> Value {
    json!({"name": name, "shape": shape, "dtype": "f32", "scale": null, "zero_point": null})
}

#[test]
fn inspect_tells_what_layers_cost() {
    let outcome = sepconv(["inspect", &example("colors.onnx"), "--json", "--threads", "1"]);
    let json = outcome.json();
    assert_eq!(json["format"], "ONNX");
    assert_eq!(json["inputs"], json!([port("image", &[1, 3, 33, 33])]));
    assert_eq!(json["outputs"], json!([port("scores", &[1, 6])]));
    let layers = json["layers"].as_array().unwrap();
    assert_eq!((&layers[0]["name"], &layers[0]["output"]), (&json!("depthwise"), &json!([1, 16, 16, 3])));
    // 3x3 taps for each of 16x16x3 results, then 3 for each of 16x16x6.
    assert_eq!((&layers[0]["macs"], &layers[1]["macs"]), (&json!(6912), &json!(4608)));
    assert_eq!(json["totals"]["macs"], 6912 + 4608);
    let parameters: u64 = layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum();
    assert_eq!(json["totals"]["parameters"], parameters);
    // What 3x16x16 and 6x16x16 results take at least.
    assert!(json["totals"]["arena_bytes"].as_u64().unwrap() >= 9 * 16 * 16 * 4);
    // What the first layer reads and what it makes are there at once.
    let both = (33 * 33 + 16 * 16) * 3 * 4;
    assert!(json["totals"]["unfused_bytes"].as_u64().unwrap() >= both);
    assert!(layers[0].get("kernel").is_none());

    let plan = sepconv(["inspect", &example("colors.onnx"), "--json", "--plan"]).json();
    assert!(plan["layers"][0]["kernel"].as_str().unwrap().starts_with("depthwise"), "{plan}");

    let text = sepconv(["inspect", &example("colors.onnx"), "--plan"]).out;
    assert_eq!(text.matches("separable").count(), 1, "the kind of a block stands once in\n{text}");
    for part in
        ["colors.onnx (ONNX)\ninput       image [1,3,33,33] f32 NCHW\n", "plan for ", "MACs        11.5 k (11520)"]
    {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn bench_times_every_run_and_shows_the_answer() {
    let args = ["bench", &example("colors.onnx"), "--runs", "7", "--warmup", "1", "--threads", "1", "--json"];
    let (first, second) = (sepconv(args).json(), sepconv(args).json());
    assert_eq!(first["ms"].as_array().unwrap().len(), 7);
    let number = |key: &str| first[key].as_f64().unwrap();
    assert!(number("min_ms") <= number("median_ms") && number("median_ms") <= number("p95_ms"));
    assert!(number("load_ms") > 0.0 && number("gflops") > 0.0);
    assert_eq!(first["output"], second["output"], "the seeded input is the same every time");
    let sum: f64 = first["output"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn bench_and_run_read_the_same_tensors() {
    let folder = folder("bench_and_run");
    let path = |name: &str| folder.join(name).display().to_string();
    let values: Vec<f32> = (0..3 * 33 * 33).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect();
    let tensor = Tensor::f32([1, 3, 33, 33], values.clone()).unwrap();
    npy::write(&folder.join("x.npy"), &[npy::Array::new("image", &tensor)]).unwrap();
    npy::write(&folder.join("x.npz"), &[npy::Array::new("image", &tensor)]).unwrap();
    fs::write(folder.join("x.bin"), values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let bench = |input: &str| {
        sepconv(["bench", &example("colors.onnx"), "--runs", "1", "--input", &path(input), "--json"]).json()["output"]
            .clone()
    };
    assert_eq!(bench("x.npy"), bench("x.bin"));
    assert_eq!(bench("x.npy"), bench("x.npz"));

    for (input, output) in [("x.npy", "y.npy"), ("x.npz", "y.npz")] {
        let outcome = sepconv(["run", &example("colors.onnx"), "--input", &path(input), "-o", &path(output)]);
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (Some(0), "", ""));
        let results = npy::read(&folder.join(output), &Limits::default()).unwrap();
        let [(name, result)] = &results[..] else { panic!("{results:?}") };
        assert_eq!((name.as_str(), &result.shape()[..]), (if output == "y.npz" { "scores" } else { "y" }, &[1, 6][..]));
        let floats: Vec<f64> = bench(input).as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        assert!(result.as_f32().unwrap().iter().zip(floats).all(|(&a, b)| f64::from(a) == f64::from(b as f32)));
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 5, "nothing else is left in the folder");
}

#[test]
fn every_instruction_set_gives_the_same_class() {
    let folder = folder("every_isa");
    paint(&folder.join("a.png"), [240, 230, 30]);
    for isa in ["scalar", "avx2", "avx512"] {
        let mut command = program();
        command.env("SEPCONV_ISA", isa).arg("classify").arg(folder.join("a.png"));
        command.args(["--json", "--top", "1", "--model", &example("colors.onnx")]);
        let outcome = finish(&mut command);
        if outcome.code == Some(2) {
            println!("skipped: {}", outcome.err);
            continue;
        }
        assert_eq!(outcome.json()["images"][0]["predictions"][0]["class"], 5, "{isa}");
    }
}

#[test]
fn compile_names_the_layer_that_cannot_be_compiled_and_writes_nothing() {
    let folder = folder("compile");
    let output = folder.display().to_string();
    let outcome = sepconv(["compile", &example("colors.onnx"), "--target", "cortex-m4", "-o", &output]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert!(outcome.err.contains("microcontroller") && outcome.err.contains("quantize"), "{}", outcome.err);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let unknown = sepconv(["compile", &example("colors.onnx"), "--target", "z80", "-o", &output]);
    assert!(unknown.code == Some(2) && unknown.err.contains("riscv32"), "{}", unknown.err);
}
