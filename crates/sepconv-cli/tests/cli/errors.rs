//! What goes wrong, how it is told, and the exit codes: 0 done, 1 a file or model, 2 the arguments.

use std::fs;
use std::process::Stdio;

use crate::program::{example, finish, folder, program, sepconv};

#[test]
fn arguments_that_cannot_be_are_refused_with_two() {
    let model = example("colours.onnx");
    for args in [
        &[][..],
        &["fly"],
        &["inspect"],
        &["inspect", &model, "--threads", "0"],
        &["inspect", &model, "--threads", "257"],
        &["inspect", &model, "--shape", "image"],
        &["inspect", &model, "--shape", "=1,2"],
        &["bench", &model, "--runs", "0"],
        &["classify", "--model", &model],
        &["classify", "a.png", "--model", &model, "--preprocess", "caffe"],
        &["classify", "a.png", "--model", &model, "--top", "0"],
    ] {
        let outcome = sepconv(args);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(!outcome.err.is_empty(), "{args:?}");
    }
}

#[test]
fn an_unknown_instruction_set_is_refused_by_name() {
    let mut command = program();
    let outcome = finish(command.env("SEPCONV_ISA", "mmx").args(["inspect", &example("colours.onnx")]));
    assert_eq!(outcome.code, Some(2));
    let start =
        "error: this machine lacks the instruction set asked for\n  --> SEPCONV_ISA\n   = expected one of scalar";
    assert!(outcome.err.starts_with(start) && outcome.err.ends_with(", got \"mmx\"\n"), "{}", outcome.err);
}

#[test]
fn files_that_are_missing_or_something_else_are_told_with_one() {
    let folder = folder("files_that_are_missing");
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(folder.join("empty.onnx"), "").unwrap();
    fs::write(folder.join("text.onnx"), "this is no model, whatever it is called").unwrap();
    let err = |args: &[&str]| {
        let outcome = sepconv(args);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{args:?}");
        outcome.err
    };
    let gone = err(&["inspect", &path("gone.onnx")]);
    assert!(
        gone.starts_with("error: file cannot be read: ") && gone.ends_with(&format!("\n  --> {}\n", path("gone.onnx")))
    );
    assert_eq!(
        err(&["inspect", &path("")]),
        format!("error: a file is needed, this is a folder\n  --> {}\n", path(""))
    );
    assert!(err(&["inspect", &path("empty.onnx")]).starts_with("error: file is empty\n  --> empty.onnx\n"));
    assert!(err(&["inspect", &path("text.onnx")]).contains("\n  --> text.onnx\n"));
    assert!(err(&["classify", &path(""), "--model", &example("colours.onnx")]).starts_with("error: no picture"));
    assert!(
        err(&["bench", &example("colours.onnx"), "--input", &path("text.onnx")])
            .starts_with("error: bytes do not fill")
    );
}

#[test]
fn labels_of_another_network_are_refused() {
    let folder = folder("labels_of_another");
    let labels = folder.join("labels.txt");
    fs::write(&labels, "one\ntwo\n").unwrap();
    let args = ["classify", "a.png", "--labels", labels.to_str().unwrap(), "--model"];
    let outcome = sepconv(args.into_iter().chain([example("colours.onnx").as_str()]));
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.err,
        format!(
            "error: labels do not belong to this network\n  --> {}\n   = expected 6 labels, one for each output, got 2\n",
            labels.display()
        )
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut command = program();
    command.args(["inspect", &example("colours.onnx"), "--plan"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_model_cut_anywhere_is_an_error_and_no_panic() {
    let folder = folder("a_model_cut");
    let bytes = fs::read(example("colours.onnx")).unwrap();
    for end in (0..bytes.len()).step_by(23) {
        let path = folder.join("cut.onnx");
        fs::write(&path, &bytes[..end]).unwrap();
        let outcome = sepconv(["inspect", path.to_str().unwrap()]);
        assert_eq!(outcome.code, Some(1), "cut at {end}: {}", outcome.err);
        assert!(outcome.err.starts_with("error: "), "cut at {end}: {}", outcome.err);
    }
}
