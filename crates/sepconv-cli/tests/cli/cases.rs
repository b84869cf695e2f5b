//! Small files from use, each with the outputs of its format's own runtime.
//!
//! They are not part of the project: they are looked for in `../zoo` beside the data. Without them the test says so and
//! passes, unless `SEPCONV_REQUIRE_DATA` is set.

use std::path::Path;

use sepconv::npy::{self, Array};
use sepconv::{Limits, Tensor};

use crate::photographs::data;
use crate::program::{folder, sepconv};

/// A case and, for floats, how far from the expected values its outputs may be.
const CASES: [(&str, f32); 5] = [
    ("names.onnx", 0.0),
    ("names2.onnx", 0.0),
    ("npz_colon_names.tflite", 1e-6),
    ("output_twice.tflite", 1e-6),
    ("duplicate_names_2in.tflite", 1e-6),
];

/// Names that members of the outputs' archives have, where they are what the case is about.
const NAMES: [(&str, &[&str]); 4] = [
    ("names.onnx", &["Identity:0", "Identity_1:0"]),
    ("names2.onnx", &["/a/b", "a/b", "c\\d"]),
    ("npz_colon_names.tflite", &["Identity:0", "Identity_1:0"]),
    ("output_twice.tflite", &["y"]),
];

/// The arrays of an archive whose names begin so, in the order of the numbers that follow.
fn numbered(arrays: &[(String, Tensor)], prefix: &str) -> Vec<Tensor> {
    let number = |name: &str| name.strip_prefix(prefix)?.parse::<usize>().ok();
    let mut found: Vec<_> = arrays.iter().filter_map(|(name, tensor)| Some((number(name)?, tensor.clone()))).collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, tensor)| tensor).collect()
}

/// Inputs and outputs of a case, in the order of the network's.
fn expected(cases: &Path, name: &str) -> [Vec<Tensor>; 2] {
    let (stem, format) = name.rsplit_once('.').unwrap();
    let read = |suffix: &str| npy::read(&cases.join(format!("{stem}{suffix}.npz")), &Limits::default()).unwrap();
    if format == "tflite" {
        let arrays = read(".expected");
        return ["in0_", "out0_"].map(|prefix| numbered(&arrays, prefix));
    }
    [read(".in").into_iter().map(|(_, tensor)| tensor).collect(), numbered(&read(".out"), "o")]
}

fn apart(a: &Tensor, b: &Tensor) -> f32 {
    let (a, b) = (a.as_f32().unwrap(), b.as_f32().unwrap());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn small_files_give_what_their_runtimes_gave() {
    let Some(data) = data() else { return };
    let cases = data.join("../zoo/cases");
    let folder = folder("cases");
    for (name, tolerance) in CASES {
        let [inputs, outputs] = expected(&cases, name);
        let positions: Vec<String> = (0..inputs.len()).map(|i| i.to_string()).collect();
        let arrays: Vec<_> = positions.iter().zip(&inputs).map(|(name, tensor)| Array::new(name, tensor)).collect();
        let [model, input, output] = [cases.join(name), folder.join("x.npz"), folder.join("y.npz")];
        npy::write(&input, &arrays).unwrap();
        let outcome = sepconv([Path::new("run"), &model, Path::new("--input"), &input, Path::new("-o"), &output]);
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{name}");
        let written = npy::read(&output, &Limits::default()).unwrap();
        if let Some((_, names)) = NAMES.iter().find(|(case, _)| *case == name) {
            assert_eq!(written.iter().map(|(name, _)| name).collect::<Vec<_>>(), *names, "{name}");
        }
        for ((member, got), expected) in written.iter().zip(&outputs) {
            assert_eq!(got.shape(), expected.shape(), "{name}, {member}");
            assert!(apart(got, expected) <= tolerance, "{name}, {member}: {got:?} for {expected:?}");
        }
    }
}
