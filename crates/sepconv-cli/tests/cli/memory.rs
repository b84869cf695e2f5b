//! No file makes the program take much memory before it is known to be worth it, and where memory is short the end is
//! an error.
#![cfg(unix)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sepconv::Tensor;
use sepconv::npy::{self, Array};

use crate::program::{Outcome, example, finish, folder, paint_large};
use crate::protobuf::{Message, network, node, tensor};

const GIGABYTE: u64 = 1 << 30;

/// Runs a command line in a shell, within this much address space. `@` stands for the folder.
fn within(megabytes: u64, folder: &Path, line: &str) -> Outcome {
    let line = line.replace('@', &format!("{}/", folder.display()));
    let script = format!("ulimit -v {}; {} {line}", megabytes << 10, env!("CARGO_BIN_EXE_sepconv"));
    let mut command = Command::new("sh");
    // What `machine` keeps would make later runs take less.
    finish(command.args(["-c", &script]).env("RAYON_NUM_THREADS", "1").env("XDG_CACHE_HOME", "/dev/null"))
}

/// A file that begins so and claims to be long; none of the rest is on disk.
fn sparse(path: PathBuf, head: &[u8], length: u64) {
    fs::write(&path, head).unwrap();
    File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn assert_refused(outcome: &Outcome, line: &str, what: &str) {
    assert_eq!(outcome.code, Some(1), "{line}: {}", outcome.err);
    let error = outcome.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.starts_with(&format!("error: {what}")), "{line}: {}", outcome.err);
}

/// Every kind of file, of four gigabytes, within less memory than a tenth of that.
#[test]
fn files_are_refused_before_they_are_read() {
    let folder = folder("memory_refused");
    fs::copy(example("colors.onnx"), folder.join("net.onnx")).unwrap();
    let npy = b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,)}      \n";
    let heads: [(&str, &[u8]); 10] = [
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
        ("a.jpg", b"\xff\xd8\xff\xe0"),
        ("zeros.png", b""),
        ("labels.txt", b"a.png 1\n"),
        ("big.onnx", b"\x08\x08\x12\x07pytorch"),
        ("big.tflite", b"\x1c\0\0\0TFL3"),
        ("table.toml", b"title = 'x'\n"),
        ("w.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        ("x.npy", npy),
        ("x.npz", b"PK\x03\x04"),
    ];
    heads.iter().for_each(|(name, head)| sparse(folder.join(name), head, 4 * GIGABYTE));
    sparse(folder.join("x.bin"), b"", 4 * GIGABYTE);
    let large = "file is too large";
    for (line, what) in [
        ("classify @a.png", large),
        ("classify @a.jpg", large),
        ("classify @zeros.png", "not an image"),
        ("classify @a.png --labels @labels.txt", large),
        ("evaluate --images @ --labels @labels.txt", large),
        ("inspect @big.onnx", large),
        ("inspect @big.tflite", large),
        ("inspect @zeros.png", "not a model"),
        ("inspect @table.toml", large),
        ("inspect mobilenet_v2 --weights @w.safetensors", large),
        ("inspect mobilenet_v2 --weights @zeros.png", "not a .safetensors file"),
        ("export @net.onnx -o @y.onnx --class-names @labels.txt", large),
        ("run @net.onnx -o @y.npy --input @x.npy", large),
        ("run @net.onnx -o @y.npy --input @x.npz", large),
        ("run @net.onnx -o @y.npy --input @zeros.png", "neither a .npy nor a .npz file"),
        ("bench @net.onnx --input @x.bin", large),
    ] {
        assert_refused(&within(350, &folder, line), line, what);
    }
}

/// What tells no length is bounded while it is read.
#[test]
fn pipes_and_devices_are_bounded() {
    let folder = folder("memory_pipes");
    fs::copy(example("colors.onnx"), folder.join("net.onnx")).unwrap();
    for (line, what) in [
        ("inspect /dev/zero", "not a model"),
        ("classify /dev/zero", "not an image"),
        ("classify /dev/zero --labels /dev/zero", "file is too large"),
        ("run @net.onnx -o @y.npy --input /dev/zero", "neither a .npy nor a .npz file"),
        ("bench @net.onnx --input /dev/zero", "file is too large"),
        ("inspect mobilenet_v2 --weights /dev/zero", "not a .safetensors file"),
    ] {
        assert_refused(&within(350, &folder, line), line, what);
    }
    let endless = "(printf '\\010\\010\\022\\007pytorch'; cat /dev/zero)";
    let line = format!(
        "inspect /dev/stdin --max-memory 50 < /dev/null; {endless} | {} inspect /dev/stdin --max-memory 50",
        env!("CARGO_BIN_EXE_sepconv")
    );
    let outcome = within(350, &folder, &line);
    assert!(outcome.err.ends_with("(--max-memory) reads a larger file, if it is trusted\n"), "{}", outcome.err);
    assert_eq!(outcome.code, Some(1));
}

/// Sound files of some tens of megabytes, within more and more address space: an error at first, then an answer, and
/// never anything else.
#[test]
fn short_memory_is_an_error() {
    let folder = folder("memory_short");
    let floats = 10_000_000;
    let data = vec![0; 4 * floats];
    let sides = [1000, floats as i64 / 1000];
    let weight = tensor("w", 1, &sides).bytes(9, &data);
    let product = |w: &str| node("MatMul", &["x", w], &["y"]);
    fs::write(folder.join("net.onnx"), network(&[1, sides[0]], &[product("w")], &[weight])).unwrap();
    // The same in a field of numbers, each of one byte in the file and of eight in memory.
    let numbers = sides.iter().fold(Message::default(), |numbers, &side| numbers.int(1, side));
    let numbers = numbers.int(2, 7).bytes(8, "n").bytes(7, vec![0; floats]);
    let cast = node("Cast", &["n"], &["c"]).with_int("to", 1);
    fs::write(folder.join("numbers.onnx"), network(&[1, sides[0]], &[cast, product("c")], &[numbers])).unwrap();
    let relu = network(&[1, floats as i64], &[node("Relu", &["x"], &["y"])], &[]);
    fs::write(folder.join("relu.onnx"), relu).unwrap();
    let x = Tensor::f32([1, floats], vec![0.0; floats]).unwrap();
    npy::write(&folder.join("x.npy"), &[Array::new("x", &x)]).unwrap();
    npy::write(&folder.join("x.npz"), &[Array::new("x", &x)]).unwrap();
    // The same in the order of Fortran, whose axes are turned around.
    let fortran = fs::read(folder.join("x.npy")).unwrap();
    let (header, elements) = fortran.split_at(128);
    let header = String::from_utf8_lossy(header).replace("False", "True ");
    let header = header.chars().map(|c| if c == '\u{fffd}' { 0x93 } else { c as u8 }).collect::<Vec<_>>();
    fs::write(folder.join("fortran.npy"), [&header, elements].concat()).unwrap();
    fs::copy(example("colors.onnx"), folder.join("colors.onnx")).unwrap();
    fs::create_dir(folder.join("images")).unwrap();
    paint_large(&folder.join("images/a.png"), [50, 40], [9; 3]);
    paint_large(&folder.join("a.png"), [4000, 4000], [9; 3]);
    let header = format!(r#"{{"w":{{"dtype":"F32","shape":[{floats}],"data_offsets":[0,{}]}}}}"#, 4 * floats);
    let weights = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    fs::write(folder.join("w.safetensors"), weights).unwrap();
    for (line, code) in [
        ("inspect @net.onnx --threads 1", 0),
        ("inspect @numbers.onnx --threads 1", 0),
        ("run @relu.onnx --input @x.npy -o @y.npy --threads 1", 0),
        ("run @relu.onnx --input @fortran.npy -o @y.npy --threads 1", 0),
        ("profile @colors.onnx --runs 1 --threads 1 --json", 0),
        ("machine --threads 1 --json", 0),
        ("models --json", 0),
        ("inspect mobilenet_v2 --threads 1", 0),
        ("export mobilenet_v2 -o @v2.onnx", 0),
        ("quantize @colors.onnx -o @q.onnx --calibration @images --runs 1 --threads 1 --json", 0),
        ("run @relu.onnx --input @x.npz -o @y.npz --threads 1", 0),
        ("classify @a.png --threads 1", 0),
        // Its tensor is none of the network's.
        ("inspect mobilenet_v2 --weights @w.safetensors --threads 1", 1),
    ] {
        let mut codes = Vec::new();
        for megabytes in (40..800).step_by(40) {
            let outcome = within(megabytes, &folder, line);
            // A limit under which the program itself does not start is the system's to tell.
            let starts =
                outcome.err.starts_with("error: ") || outcome.err.is_empty() || outcome.err.starts_with("warning: ");
            assert!(starts || codes.is_empty(), "{line} in {megabytes} MB: {:?} {}", outcome.code, outcome.err);
            if starts {
                assert!(
                    matches!(outcome.code, Some(0 | 1)),
                    "{line} in {megabytes} MB: {:?} {}",
                    outcome.code,
                    outcome.err
                );
                codes.push(outcome.code);
            }
        }
        assert_eq!(codes.last(), Some(&Some(code)), "{line}");
    }
}
