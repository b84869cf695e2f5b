//! No command replaces a file that it reads; whatever else is there is replaced whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Outcome, example, folder, paint, sepconv};
use sepconv::Tensor;
use sepconv::npy::{self, Array};

/// A folder with all that commands read.
fn place(test: &str) -> PathBuf {
    let folder = folder(test);
    fs::copy(example("colors.onnx"), folder.join("net.onnx")).unwrap();
    fs::copy(example("colors.txt"), folder.join("names.txt")).unwrap();
    fs::write(folder.join("answers.txt"), "a.png 2\n").unwrap();
    paint(&folder.join("a.png"), [220, 30, 20]);
    let x = Tensor::f32([1, 3, 33, 33], vec![0.5; 3 * 33 * 33]).unwrap();
    npy::write(&folder.join("x.npy"), &[Array::new("x", &x)]).unwrap();
    folder
}

/// Runs a command line in which `@` stands for the folder, and words are parted by spaces.
fn run(folder: &Path, line: &str) -> Outcome {
    let folder = folder.to_str().unwrap();
    sepconv(line.split(' ').map(|word| word.replace('@', folder)))
}

/// What is in a folder: every file and its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut contents: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    contents.sort();
    contents
}

fn assert_refused(folder: &Path, line: &str, what: &str) {
    let before = contents(folder);
    let outcome = run(folder, line);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{line}: {}", outcome.err);
    assert!(outcome.err.starts_with(&format!("error: {what}\n  --> ")), "{line}: {}", outcome.err);
    assert_eq!(contents(folder), before, "{line}");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_read_is_never_replaced() {
    let folder = place("outputs_read");
    let read = "output would replace a file that this command reads";
    for (link, file) in
        [("net.npy", "net.onnx"), ("names.onnx", "names.txt"), ("a.onnx", "a.png"), ("net.svg", "net.onnx")]
    {
        std::os::unix::fs::symlink(folder.join(file), folder.join(link)).unwrap();
    }
    for (link, file) in
        [("x.svg", "x.npy"), ("answers.onnx", "answers.txt"), ("x.json", "x.npy"), ("hard.onnx", "net.onnx")]
    {
        fs::hard_link(folder.join(file), folder.join(link)).unwrap();
    }
    let quantize =
        "quantize @/net.onnx --calibration @ --evaluate @ --labels @/answers.txt --class-names @/names.txt -o";
    for line in [
        "run @/net.onnx --input @/x.npy -o @/x.npy",
        "run @/net.onnx --input @/x.npy -o @/./x.npy",
        "run @/net.onnx --input @/x.npy -o @/../outputs_read/x.npy",
        "run @/net.onnx --input @/x.npy -o @/net.npy",
        "export @/net.onnx -o @/net.onnx",
        "export @/net.onnx -o @/hard.onnx",
        "export @/net.onnx --class-names @/names.txt -o @/names.onnx",
        "compare @/net.onnx --plot @/net.svg",
        "profile @/net.onnx --input @/x.npy --plot @/x.svg",
        "profile @/net.onnx --input @/x.npy --trace @/x.json",
        &format!("{quantize} @/hard.onnx"),
        &format!("{quantize} @/answers.onnx"),
        &format!("{quantize} @/names.onnx"),
        &format!("{quantize} @/a.onnx"),
    ] {
        assert_refused(&folder, line, read);
    }
}

/// `--external-data` names a folder; of the files in it those are safe that hold weights of the network.
#[cfg(unix)]
#[test]
fn external_weights_are_never_replaced() {
    use crate::protobuf::{Message, network, node, tensor};
    let folder = place("outputs_external");
    let entry = |key: &str, text: &str| Message::default().bytes(1, key).bytes(2, text);
    let weight = tensor("w", 1, &[2]).messages(13, &[entry("location", "w.npy")]).int(14, 1);
    fs::write(folder.join("net.onnx"), network(&[2], &[node("Add", &["x", "w"], &["y"])], &[weight])).unwrap();
    fs::write(folder.join("w.npy"), [1.5f32, 2.0].map(f32::to_le_bytes).concat()).unwrap();
    npy::write(&folder.join("x.npy"), &[Array::new("x", &Tensor::f32([2], [1.0, 1.0]).unwrap())]).unwrap();
    let line = "run @/net.onnx --input @/x.npy --external-data @ -o";
    assert_refused(&folder, &format!("{line} @/w.npy"), "output would replace a file that this command reads");
    let outcome = run(&folder, &format!("{line} @/y.npy"));
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    // What it wrote before is not what it reads.
    assert_eq!(run(&folder, &format!("{line} @/y.npy")).code, Some(0));
}

#[test]
fn outputs_are_named_after_their_format() {
    let folder = place("outputs_extensions");
    for (line, extensions) in [
        ("run @/net.onnx --input @/x.npy -o @/y", ".npy or .npz"),
        ("run @/net.onnx --input @/x.npy -o @/y.onnx", ".npy or .npz"),
        ("export @/net.onnx -o @/y.npy", ".onnx"),
        ("quantize @/net.onnx --calibration @ -o @/y.tflite", ".onnx"),
        ("compare @/net.onnx --plot @/y.png", ".svg"),
        ("profile @/net.onnx --plot @/y.json", ".svg"),
        ("profile @/net.onnx --trace @/y.svg", ".json"),
    ] {
        assert_refused(&folder, line, &format!("output must end in {extensions}"));
    }
    fs::create_dir(folder.join("folder.npy")).unwrap();
    let line = "run @/net.onnx --input @/x.npy -o @/folder.npy";
    assert!(run(&folder, line).err.starts_with("error: expected a file, found a directory\n  --> "));
    let line = "run @/net.onnx --input @/x.npy -o @/gone/y.npy";
    assert!(run(&folder, line).err.starts_with("error: output directory does not exist\n  --> "));
}

#[test]
fn another_file_is_replaced_whole() {
    let folder = place("outputs_replaced");
    fs::write(folder.join("y.npy"), vec![0; 1 << 20]).unwrap();
    let outcome = run(&folder, "run @/net.onnx --input @/x.npy -o @/y.npy");
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    assert_eq!(fs::metadata(folder.join("y.npy")).unwrap().len(), 128 + 6 * 4);
}

/// Links whose target is not there yet are followed too, and two of them to one file are one output.
#[cfg(unix)]
#[test]
fn dangling_links_are_resolved() {
    use std::os::unix::fs::symlink;
    let folder = place("outputs_dangling");
    symlink("new.onnx", folder.join("link.onnx")).unwrap();
    assert_eq!(run(&folder, "export @/net.onnx -o @/link.onnx").code, Some(0));
    assert!(fs::symlink_metadata(folder.join("link.onnx")).unwrap().is_symlink());
    assert!(fs::symlink_metadata(folder.join("new.onnx")).unwrap().is_file());

    symlink("a.json", folder.join("a.svg")).unwrap();
    symlink("circle.svg", folder.join("circle.svg")).unwrap();
    symlink("gone/y.svg", folder.join("nowhere.svg")).unwrap();
    let outcome = run(&folder, "profile @/net.onnx --trace @/a.json --plot @/a.svg");
    assert!(outcome.err.starts_with("error: output would replace a file"), "{}", outcome.err);
    for output in ["circle.svg", "nowhere.svg"] {
        let outcome = run(&folder, &format!("profile @/net.onnx --plot @/{output}"));
        assert!(outcome.err.starts_with("error: file cannot be written: "), "{}", outcome.err);
    }
}

/// What the program keeps for itself is under the same rule.
#[cfg(unix)]
#[test]
fn the_measured_machine_replaces_nothing_else() {
    use std::os::unix::fs::symlink;
    let folder = place("outputs_machine");
    let kept = folder.join("sepconv/machine.json");
    fs::create_dir(folder.join("sepconv")).unwrap();
    let run = |line: &str| {
        let words = line.split(' ').map(|word| word.replace('@', folder.to_str().unwrap()));
        crate::program::finish(crate::program::program().args(words).env("XDG_CACHE_HOME", &folder))
    };
    let network = fs::read(folder.join("net.onnx")).unwrap();
    let profile = "profile @/net.onnx --runs 1 --threads 1";

    symlink(folder.join("net.onnx"), &kept).unwrap();
    assert_eq!(run(profile).code, Some(0));
    assert!(run("machine --threads 1").out.contains("\nnot kept: "));
    assert_eq!(fs::read(folder.join("net.onnx")).unwrap(), network);
    fs::remove_file(&kept).unwrap();

    assert!(std::process::Command::new("mkfifo").arg(&kept).status().unwrap().success());
    assert_eq!(run(profile).code, Some(0), "nothing waits for a writer");
    fs::remove_file(&kept).unwrap();

    // An input has that very name.
    let input = [0; 4 * 3 * 33 * 33];
    fs::write(&kept, input).unwrap();
    assert_eq!(run(&format!("{profile} --input @/sepconv/machine.json")).code, Some(0));
    assert_eq!(fs::read(&kept).unwrap(), input);
    fs::remove_file(&kept).unwrap();

    let outcome = run(&format!("{profile} --trace @/sepconv/machine.json"));
    assert!(outcome.err.starts_with("error: output would replace a file"), "{}", outcome.err);
    assert!(!kept.exists());
}

/// The file that is written before it is renamed is called otherwise.
#[test]
fn names_may_be_as_long_as_the_system_allows() {
    let folder = place("outputs_long");
    let name = format!("{}.onnx", "n".repeat(250));
    let outcome = run(&folder, &format!("export @/net.onnx -o @/{name}"));
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    assert!(folder.join(name).is_file());
}

/// However a process ends while it writes, it leaves no half of a file.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_killed_leaves_nothing() {
    let folder = place("outputs_killed");
    let before = contents(&folder);
    let script = format!(
        "ulimit -f 100; exec {} export mobilenet_v2 -o {}",
        env!("CARGO_BIN_EXE_sepconv"),
        folder.join("y.onnx").display()
    );
    let outcome = crate::program::finish(std::process::Command::new("sh").args(["-c", &script]));
    assert_ne!(outcome.code, Some(0), "the limit of a file's size ends it");
    assert_eq!(contents(&folder), before);
}

#[cfg(unix)]
#[test]
fn what_is_replaced_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = place("outputs_permissions");
    let output = folder.join("y.onnx");
    fs::write(&output, "old").unwrap();
    fs::set_permissions(&output, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(run(&folder, "export @/net.onnx -o @/y.onnx").code, Some(0));
    assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o640);
}
