//! `tune`, and the commands that take what it measured.

use std::fs;

use crate::program::{example, finish, folder, program, sepconv};

#[test]
fn measured_kernels_are_used_by_other_commands() {
    let folder = folder("measured_kernels");
    let (model, tuned) = (example("colors.onnx"), folder.join("colors.tuned.json").display().to_string());
    let usual = ["--threads", "1", "--tuned", &tuned];

    let mut tune = program();
    tune.args(["tune", &model, "--threads", "1", "--budget", "60", "--json"]).current_dir(&folder);
    let outcome = finish(&mut tune);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let json = outcome.json();
    assert_eq!((&json["output"], &json["threads"]), (&"colors.tuned.json".into(), &1.into()));
    assert!(json["tuned_ms"].as_f64().unwrap() <= json["untuned_ms"].as_f64().unwrap(), "{json}");

    for command in ["bench", "profile"] {
        let outcome = finish(
            program()
                .args([&[command, &model, "--runs", "2", "--json"], &usual[..]].concat())
                .env("XDG_CACHE_HOME", &folder),
        );
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{command}");
    }
    let plan = sepconv([&["inspect", &model, "--plan"], &usual[..]].concat());
    assert_eq!((plan.code, plan.err.as_str()), (Some(0), ""));
    assert!(plan.out.contains("; measured: "), "{}", plan.out);

    // Elsewhere it is ignored, aloud.
    let other = sepconv(["bench", &model, "--runs", "2", "--threads", "2", "--tuned", &tuned]);
    assert_eq!(other.code, Some(0), "{}", other.err);
    assert!(
        other.err.starts_with("warning: --tuned is not used: measured with a number of threads of 1"),
        "{}",
        other.err
    );
}

#[test]
fn tuning_never_replaces_another_file() {
    let folder = folder("tuning_never_replaces");
    let path = folder.join("net.json").display().to_string();
    fs::write(&path, "{\"mine\": true}").unwrap();
    let outcome = sepconv(["tune", &example("colors.onnx"), "-o", &path]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert!(outcome.err.contains("net.json") && outcome.err.contains("sepconv tune"), "{}", outcome.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"mine\": true}");
    let refused = sepconv(["tune", &example("colors.onnx"), "-o", &folder.join("net.onnx").display().to_string()]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}
