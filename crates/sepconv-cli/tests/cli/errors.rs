//! What goes wrong, how it is told, and the exit codes: 0 done, 1 a file or model, 2 the arguments.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use sepconv::{DType, Shape, Tensor, npy};

use crate::program::{example, finish, folder, program, sepconv};
use crate::protobuf::{network, node};

#[test]
fn arguments_that_cannot_be_are_refused_with_two() {
    let model = example("colors.onnx");
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

/// Each row of the table of exit codes on the program's page, by a command that ends so.
#[test]
fn exit_codes_are_those_of_the_table() {
    let folder = folder("exit_codes");
    crate::program::paint(&folder.join("a.png"), [220, 30, 20]);
    fs::write(folder.join("labels.txt"), "a.png 0\n").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (model, images, labels, q) = (example("colors.onnx"), path(""), path("labels.txt"), path("q.onnx"));
    let quantize = [
        "quantize",
        &model,
        "-o",
        &q,
        "--calibration",
        &images,
        "--runs",
        "1",
        "--evaluate",
        &images,
        "--labels",
        &labels,
    ];
    let commands: [&[&str]; 5] = [
        &["inspect", &model],
        &["inspect", &path("gone.onnx")],
        &["inspect", &model, "--threads", "0"],
        &[&quantize[..], &["--min-accuracy", "100"]].concat(),
        &[&quantize[..], &["--min-speedup", "1000"]].concat(),
    ];
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows =
        page.lines().skip_while(|line| *line != "| exit code | |").skip(2).take_while(|line| line.starts_with('|'));
    let codes: Vec<i32> = rows.map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect();
    assert_eq!(codes.len(), commands.len());
    for (code, command) in codes.into_iter().zip(commands) {
        let outcome = sepconv(command);
        assert_eq!(outcome.code, Some(code), "{command:?}: {}", outcome.err);
    }
}

/// Sizes in the name of a network are arguments, however they are spelled.
#[test]
fn sizes_that_no_network_has_are_refused_with_two() {
    for (name, what) in [
        ("mobilenet_v1@0", "mobilenet_v1@0"),
        ("mobilenet_v1@-1", "mobilenet_v1@-1"),
        ("mobilenet_v1@100000", "mobilenet_v1@100000"),
        ("mobilenet_v1@99999999999999999999", "mobilenet_v1@99999999999999999999"),
        ("mobilenet_v1x0", "mobilenet_v1x0\n"),
        ("mobilenet_v1x-1", "mobilenet_v1x-1\n"),
        ("mobilenet_v1xnan", "mobilenet_v1xNaN"),
        ("mobilenet_v1x1e300", "mobilenet_v1x1e300"),
    ] {
        let outcome = sepconv(["inspect", name]);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{name}: {}", outcome.err);
        assert!(outcome.err.contains(what), "{name}: {}", outcome.err);
    }
}

#[test]
fn ranges_are_told_in_words() {
    for args in [["classify", "--top"], ["quantize", "--calibration-images"]] {
        let outcome = sepconv(args.into_iter().chain(["0", "a.png"]));
        assert_eq!(outcome.code, Some(2));
        assert!(outcome.err.contains("expected a whole number from 1"), "{}", outcome.err);
    }
}

#[test]
fn an_input_has_one_shape() {
    let outcome =
        sepconv(["inspect", &example("colors.onnx"), "--shape", "image=1,3,33,33", "--shape", "image=1,3,9,9"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.err.starts_with("error: --shape is given twice for one input\n  --> input \"image\"\n"),
        "{}",
        outcome.err
    );
}

#[test]
fn one_run_is_no_plural() {
    let outcome = sepconv(["bench", &example("colors.onnx"), "--runs", "1"]);
    assert!(outcome.out.lines().next().is_some_and(|line| line.ends_with(", 1 run")), "{}", outcome.out);
}

#[test]
fn a_network_takes_no_more_than_it_may() {
    let limits =
        [("--max-memory", "network takes too much memory"), ("--max-macs", "network costs too much arithmetic")];
    for model in [&example("colors.onnx"), "mobilenet_v2@96x0.35"] {
        for (limit, what) in limits {
            assert_eq!(sepconv(["inspect", model, limit, "1000"]).code, Some(0), "{model} {limit}");
            let outcome = sepconv(["inspect", model, limit, "0"]);
            assert_eq!(outcome.code, Some(1), "{model} {limit}");
            assert!(outcome.err.contains(what) && outcome.err.contains(limit), "{}", outcome.err);
        }
    }
}

#[test]
fn an_unknown_instruction_set_is_refused_by_name() {
    let mut command = program();
    let outcome = finish(command.env("SEPCONV_ISA", "mmx").args(["inspect", &example("colors.onnx")]));
    assert_eq!(outcome.code, Some(2));
    let start =
        "error: this machine lacks the instruction set asked for\n  --> SEPCONV_ISA\n   = expected one of scalar";
    assert!(outcome.err.starts_with(start) && outcome.err.ends_with(", got \"mmx\"\n"), "{}", outcome.err);
}

#[cfg(unix)]
#[test]
fn an_instruction_set_that_is_no_text_is_refused_too() {
    use std::os::unix::ffi::OsStrExt;
    let mut command = program();
    command.env("SEPCONV_ISA", std::ffi::OsStr::from_bytes(b"\xff"));
    assert_eq!(finish(command.args(["inspect", &example("colors.onnx")])).code, Some(2));
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
        format!("error: expected a file, found a directory\n  --> {}\n", path(""))
    );
    assert!(err(&["inspect", &path("empty.onnx")]).starts_with("error: file is empty\n  --> empty.onnx\n"));
    let text = err(&["inspect", &path("text.onnx")]);
    assert!(text.contains("\n  --> text.onnx\n") && text.contains(".onnx and .tflite files"), "{text}");
    assert!(
        err(&["bench", &example("colors.onnx"), "--input", &path("text.onnx")]).starts_with("error: bytes do not fill")
    );
}

#[test]
fn a_folder_without_images_costs_no_other_answer() {
    let folder = folder("a_folder_without_pictures");
    fs::create_dir(folder.join("a folder.png")).unwrap();
    let outcome = sepconv(["classify", folder.to_str().unwrap(), &example("chelsea.png")]);
    let told = format!("error: directory holds no images\n  --> {}\n", folder.display());
    assert_eq!((outcome.code, outcome.err), (Some(1), told));
    assert!(outcome.out.contains("chelsea.png\n") && outcome.out.contains("  cat\n"), "{}", outcome.out);
}

#[test]
fn bench_names_the_input_that_does_not_fit() {
    let path = folder("bench_names_the_input").join("one.npy").display().to_string();
    npy::write(Path::new(&path), &[npy::Array::new("", &Tensor::zeros(Shape::new([1, 3]).unwrap(), DType::F32))])
        .unwrap();
    for warmup in ["0", "1"] {
        let outcome = sepconv(["bench", &example("colors.onnx"), "--input", &path, "--warmup", warmup]);
        assert!(outcome.err.contains(&format!(" in {path}\n   = expected f32 [1,3,33,33]")), "{}", outcome.err);
    }
}

#[test]
fn a_class_that_the_network_lacks_is_told_with_those_it_has() {
    let folder = folder("a_class_that_the_network_lacks");
    let labels = folder.join("labels.txt");
    fs::write(&labels, "a.png 5\nb.png 6\n").unwrap();
    let args = ["evaluate", "--images", folder.to_str().unwrap(), "--labels", labels.to_str().unwrap(), "--model"];
    let outcome = sepconv(args.into_iter().chain([example("colors.onnx").as_str()]));
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.err.contains("image \"b.png\"") && outcome.err.contains("expected 0 to 5, got 6"),
        "{}",
        outcome.err
    );
}

#[test]
fn labels_of_another_network_are_refused() {
    let folder = folder("labels_of_another");
    let labels = folder.join("labels.txt");
    fs::write(&labels, "one\ntwo\n").unwrap();
    let args = ["classify", "a.png", "--labels", labels.to_str().unwrap(), "--model"];
    let outcome = sepconv(args.into_iter().chain([example("colors.onnx").as_str()]));
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
    command.args(["inspect", &example("colors.onnx"), "--plan"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_model_cut_anywhere_is_an_error_and_no_panic() {
    let folder = folder("a_model_cut");
    let bytes = fs::read(example("colors.onnx")).unwrap();
    for end in (0..bytes.len()).step_by(23) {
        let path = folder.join("cut.onnx");
        fs::write(&path, &bytes[..end]).unwrap();
        let outcome = sepconv(["inspect", path.to_str().unwrap()]);
        assert_eq!(outcome.code, Some(1), "cut at {end}: {}", outcome.err);
        assert!(outcome.err.starts_with("error: "), "cut at {end}: {}", outcome.err);
    }
}

/// What a command found decides the exit code, whether or not its answer or its notes can be written.
#[cfg(target_os = "linux")]
#[test]
fn outputs_that_cannot_be_written_change_no_verdict() {
    let folder = folder("outputs_that_cannot_be_written");
    crate::program::paint(&folder.join("a.png"), [220, 30, 20]);
    fs::write(folder.join("labels.txt"), "a.png 0\n").unwrap();
    let unsupported = [node("Nonsense", &["x"], &["y"])];
    fs::write(folder.join("unsupported.onnx"), network(&[1, 4], &unsupported, &[])).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let quantize = format!(
        "quantize {} -o {} --calibration {} --runs 1 --evaluate {} --labels {}",
        example("colors.onnx"),
        path("q.onnx"),
        path(""),
        path(""),
        path("labels.txt")
    );
    for (line, code) in [
        (format!("inspect {}", example("colors.onnx")), 0),
        (format!("inspect {}", path("unsupported.onnx")), 1),
        (format!("classify {}", path("gone.png")), 1),
        (format!("evaluate --images {} --labels {} --json", path(""), path("labels.txt")), 0),
        ("inspect x.onnx --threads 0".to_owned(), 2),
        (format!("{quantize} --min-accuracy 100"), 3),
        (format!("{quantize} --min-speedup 1000"), 4),
    ] {
        let run = |out: Stdio, err: Stdio| {
            let mut child = program().args(line.split(' ')).stdout(out).stderr(err).spawn().unwrap();
            drop(child.stdout.take());
            drop(child.stderr.take());
            child.wait_with_output().unwrap()
        };
        let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(run(Stdio::piped(), Stdio::null()).status.code(), Some(code), "{line}: a closed pipe");
        assert_eq!(run(Stdio::null(), full()).status.code(), Some(code), "{line}: notes on a full device");
        assert_eq!(run(Stdio::null(), Stdio::piped()).status.code(), Some(code), "{line}: notes to a closed pipe");
        let outcome = finish(program().args(line.split(' ')).stdout(full()));
        assert_eq!(outcome.code, Some(code.max(1)), "{line}: {}", outcome.err);
        let told = match code {
            0 => "error: standard output cannot be written",
            3 | 4 => "\nrefused: ",
            _ => "error: ",
        };
        assert!(outcome.err.contains(told), "{line}: {}", outcome.err);
        let real = outcome.err.lines().filter(|line| line.starts_with("error: ") && !line.contains("standard output"));
        assert_eq!(real.count(), usize::from(matches!(code, 1 | 2)), "{line}: {}", outcome.err);
    }
}

/// A program that reads JSON is never left with nothing.
#[test]
fn every_failure_is_json_where_json_is_asked_for() {
    let folder = folder("failures_as_json");
    crate::program::paint(&folder.join("a.png"), [220, 30, 20]);
    fs::create_dir(folder.join("good")).unwrap();
    fs::copy(folder.join("a.png"), folder.join("good/a.png")).unwrap();
    fs::write(folder.join("b.png"), "no image").unwrap();
    fs::write(folder.join("labels.txt"), "a.png 0\nb.png 1\n").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let model = example("colors.onnx");
    let quantize = format!("quantize {model} -o {} --calibration {}", path("q.onnx"), path("good"));
    for (line, code, kind, message) in [
        ("fly --json", 2, "argument", "unrecognized subcommand 'fly'"),
        ("inspect --json", 2, "argument", "the following required arguments were not provided:\n  <MODEL>"),
        ("bench x --runs 0 --json", 2, "argument", "invalid value '0' for '--runs <N>': 0 is not in 1..=1000000"),
        ("inspect gone.onnx --json", 1, "io", "file cannot be read: "),
        (
            &format!("{quantize} --evaluate {} --labels {} --json", path(""), path("labels.txt")),
            1,
            "io",
            "labeled images cannot be read: the accuracy would be that of the others",
        ),
    ] {
        let outcome = sepconv(line.split(' '));
        let error = &outcome.json()["error"];
        assert_eq!((outcome.code, error["kind"].as_str()), (Some(code), Some(kind)), "{line}: {}", outcome.err);
        assert!(error["message"].as_str().unwrap().starts_with(message), "{line}: {error}");
        assert!(outcome.err.contains(&format!("error: {message}")), "{line}: {}", outcome.err);
    }
    assert_eq!(sepconv(["classify", "--top", "0", "--", "--json"]).out, "", "a file of that name");
}

#[test]
#[cfg(not(feature = "train"))]
fn a_program_without_training_says_how_to_install_it() {
    for args in [
        &["train", "mobilenet_v2", "--data", ".", "-o", "net.safetensors"],
        &["finetune", "net.onnx", "--data", ".", "-o", "tuned.onnx"],
    ] {
        let outcome = sepconv(args);
        assert_eq!(outcome.code, Some(1), "{args:?}");
        assert!(outcome.err.contains("--features train"), "{args:?}: {}", outcome.err);
    }
}

#[test]
#[cfg(not(feature = "serve"))]
fn a_program_without_the_server_says_how_to_install_it() {
    let outcome = sepconv(["serve", "mobilenet_v2"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("--features serve"), "{}", outcome.err);
}
