//! Networks that are named: `models`, `export`, and names in the place of files.

use std::fs;

use sepconv::{Limits, Tensor, npy};
use serde_json::json;

use crate::program::{example, finish, folder, paint, program, sepconv};

/// Small enough for the tests.
const SMALL: &str = "mobilenet_v1@32x0.25";

#[test]
fn models_lists_every_variant_with_its_counts() {
    let json = sepconv(["models", "--json"]).json();
    let models = json["models"].as_array().unwrap();
    let of = |name: &str| models.iter().find(|model| model["name"] == name).unwrap_or_else(|| panic!("{name}: {json}"));
    let v2 = of("mobilenet_v2");
    assert_eq!(
        (&v2["family"], &v2["input"], &v2["classes"]),
        (&json!("MobileNetV2"), &json!([3, 224, 224]), &json!(1000))
    );
    assert_eq!((&v2["parameters"], &v2["macs"]), (&json!(3_504_872), &json!(300_774_272)));
    assert_eq!((&v2["weights"], &of("ds_cnn")["weights"]), (&json!(["torchvision", "timm"]), &json!([])));
    assert_eq!((&v2["padding"], &of("tf_mobilenet_v2")["padding"]), (&json!("symmetric"), &json!("same")));
    assert_eq!(of("efficientnet_b7")["parameters"], 66_347_960);

    let text = sepconv(["models"]).out;
    assert_eq!(
        text.lines().filter(|line| line.contains("MobileNetV2 ")).count(),
        1,
        "a family is named once in\n{text}"
    );
    assert!(models.iter().all(|model| text.contains(model["name"].as_str().unwrap())), "{text}");
}

#[test]
fn a_name_stands_for_a_model_file() {
    let folder = folder("a_name_stands");
    let inspected = sepconv(["inspect", SMALL, "--json", "--threads", "1"]).json();
    assert_eq!((&inspected["model"], &inspected["inputs"][0]["shape"]), (&json!(SMALL), &json!([1, 3, 32, 32])));
    assert_eq!(inspected["preprocess"]["source"], "network");
    // The count of width 0.25, whatever the resolution.
    assert_eq!(inspected["totals"]["parameters"], 470_072);
    let timed = sepconv(["bench", SMALL, "--runs", "1", "--warmup", "0", "--json"]).json();
    assert_eq!((&timed["parameters"], &timed["macs"]), (&json!(470_072), &inspected["totals"]["macs"]));

    let pictures = folder.join("pictures");
    fs::create_dir(&pictures).unwrap();
    paint(&pictures.join("a.png"), [200, 30, 90]);
    let out = folder.join("int8.onnx").display().to_string();
    let args = ["quantize", SMALL, "-o", &out, "--min-speedup", "0", "--runs", "1", "--calibration"];
    let outcome = sepconv(args.into_iter().chain([pictures.to_str().unwrap()]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(folder.join("int8.onnx").exists());
}

#[test]
fn exported_networks_are_the_same_networks() {
    let folder = folder("exported");
    let path = |name: &str| folder.join(name).display().to_string();
    let numbers: Vec<f32> = (0..3 * 32 * 32).map(|i| (i % 23) as f32 / 11.0 - 1.0).collect();
    npy::write(&folder.join("x.npy"), &[npy::Array::new("x", &Tensor::f32([1, 3, 32, 32], numbers).unwrap())]).unwrap();
    let names: String = (0..1000).map(|i| format!("class {i}\n")).collect();
    fs::write(folder.join("names.txt"), names).unwrap();
    let outcome = sepconv(["export", SMALL, "-o", &path("net.onnx"), "--class-names", &path("names.txt")]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    assert!(outcome.out.starts_with(&format!("written  {}, ", path("net.onnx"))), "{}", outcome.out);
    let run = |model: &str, output: &str| {
        assert_eq!(sepconv(["run", model, "--input", &path("x.npy"), "-o", &path(output)]).code, Some(0));
        npy::read(&folder.join(output), &Limits::default()).unwrap().remove(0).1
    };
    let (built, read) = (run(SMALL, "built.npy"), run(&path("net.onnx"), "read.npy"));
    assert_eq!(&built.shape()[..], [1, 1000]);
    assert_eq!(built, read);
    let (of_name, of_file) =
        (sepconv(["inspect", SMALL, "--json"]).json(), sepconv(["inspect", &path("net.onnx"), "--json"]).json());
    assert_eq!(of_file["totals"]["parameters"], of_name["totals"]["parameters"]);
    assert_eq!(of_file["totals"]["macs"], of_name["totals"]["macs"]);
    assert_eq!((&of_file["preprocess"]["name"], &of_file["preprocess"]["source"]), (&json!("torch"), &json!("file")));
    assert_eq!(of_file["labels"][999], "class 999");

    // What is exported once more says the same of itself, unless something else is asked for.
    let again = sepconv(["export", &path("net.onnx"), "-o", &path("again.onnx"), "--preprocess", "128/127:no-crop"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let stated = sepconv(["inspect", &path("again.onnx"), "--json"]).json();
    assert_eq!(
        (&stated["preprocess"]["formula"], &stated["labels"][0]),
        (&json!("(px - 128) / 127"), &json!("class 0"))
    );
}

#[test]
fn a_table_of_ones_own_is_a_network() {
    let folder = folder("own_table");
    let path = |name: &str| folder.join(name).display().to_string();
    let table = "title = \"Own\"\nactivation = \"relu\"\ninput = [3, 16, 16]\nclasses = 4\n\
                 stages = [[\"ds_r1_k3_s2_c8\"]]\n[stem]\nchannels = 8\n[[variants]]\nname = \"own\"\n";
    fs::write(folder.join("own.toml"), table).unwrap();
    let json = sepconv(["inspect", &path("own.toml"), "--json"]).json();
    assert_eq!((&json["outputs"][0]["shape"], &json["totals"]["parameters"]), (&json!([1, 4]), &json!(436)));
    let larger = sepconv(["inspect", &path("own.toml@32")]).out;
    assert!(larger.starts_with("own@32 (family)\ninput       input [1,3,32,32] f32 NCHW\n"), "{larger}");
    fs::write(folder.join("wrong.toml"), table.replace("_s2_", "_z2_")).unwrap();
    let wrong = sepconv(["inspect", &path("wrong.toml")]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("ds_r1_k3_z2_c8") && wrong.err.contains("wrong.toml"), "{}", wrong.err);
}

#[test]
fn a_file_wins_over_a_name() {
    let folder = folder("a_file_wins");
    fs::copy(example("colors.onnx"), folder.join("mobilenet_v2")).unwrap();
    let outcome = finish(program().current_dir(&folder).args(["inspect", "mobilenet_v2", "--json"]));
    assert_eq!(outcome.json()["format"], "ONNX");
}

#[test]
fn names_that_nobody_has_are_told_with_the_nearest() {
    let outcome = sepconv(["inspect", "mobilenet_v9"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""));
    let told = "error: no network has this name\n   = expected a name such as mobilenet_v";
    assert!(outcome.err.starts_with(told) && outcome.err.contains("got \"mobilenet_v9\""), "{}", outcome.err);
    let turned = sepconv(["inspect", "mobilenet_v1x0.5@160"]);
    assert!(turned.code == Some(2) && turned.err.starts_with(told), "{}", turned.err);
    for wrong in
        ["mobilenet_v2@big", "mobilenet_v2@0", "mobilenet_v2x-1", "mobilenet_v2@224xnan", "mobilenet_v2x1e9", ""]
    {
        let outcome = sepconv(["inspect", wrong]);
        assert!(
            matches!(outcome.code, Some(1 | 2)) && outcome.err.starts_with("error: "),
            "{wrong:?}: {}",
            outcome.err
        );
    }
}

#[test]
fn answers_of_random_weights_are_refused() {
    let folder = folder("random_weights");
    let pictures = folder.to_str().unwrap();
    fs::create_dir(folder.join("0")).unwrap();
    paint(&folder.join("0/a.png"), [9; 3]);
    let (out, picture) = (folder.join("q.onnx").display().to_string(), folder.join("0/a.png").display().to_string());
    for args in [
        &["classify", &picture, "--model", SMALL][..],
        &["evaluate", "--images", pictures, "--model", SMALL],
        &["quantize", SMALL, "-o", &out, "--calibration", pictures, "--evaluate", pictures],
    ] {
        let outcome = sepconv(args);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{args:?}");
        let told = "error: network has random weights, its answers mean nothing\n  --> mobilenet_v1@32x0.25\n";
        assert!(outcome.err.starts_with(told) && outcome.err.contains("--weights FILE.safetensors"), "{}", outcome.err);
    }
}

#[test]
fn weights_are_for_networks_that_are_named() {
    let folder = folder("weights_for_names");
    let weights = folder.join("w.safetensors").display().to_string();
    let missing = sepconv(["inspect", SMALL, "--weights", &weights]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("file cannot be read") && missing.err.contains(&weights), "{}", missing.err);
    let has_its_own = sepconv(["inspect", &example("colors.onnx"), "--weights", &weights]);
    assert_eq!(has_its_own.code, Some(2));
    assert!(has_its_own.err.starts_with("error: the file of this network has its own weights"), "{}", has_its_own.err);
}

#[test]
fn what_cannot_be_written_is_told_before() {
    let folder = folder("export_refused");
    let path = |name: &str| folder.join(name).display().to_string();
    fs::copy(example("colors.onnx"), folder.join("net.onnx")).unwrap();
    for (output, code) in [("net.tflite", 2), ("net.onnx", 2), ("nowhere/out.onnx", 1)] {
        let outcome = sepconv(["export", &path("net.onnx"), "-o", &path(output)]);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(code), ""), "{output}: {}", outcome.err);
    }
    assert_eq!(fs::read(path("net.onnx")).unwrap(), fs::read(example("colors.onnx")).unwrap());
}
