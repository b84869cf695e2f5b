//! A slice of what `examples/mutate` tries.

#[path = "../../examples/mutate/mutation.rs"]
mod mutation;

use crate::protobuf::{floats, network, node};
use mutation::{SplitMix, mutated, used};

fn small() -> Vec<u8> {
    let nodes = [
        node("Conv", &["x", "w", "b"], &["a"]).with_ints("pads", &[1, 1, 1, 1]).with_ints("strides", &[2, 2]),
        node("Relu", &["a"], &["c"]),
        node("GlobalAveragePool", &["c"], &["p"]),
        node("Flatten", &["p"], &["f"]),
        node("Gemm", &["f", "d"], &["g"]).with_int("transB", 1),
        node("Softmax", &["g"], &["y"]).with_int("axis", -1),
    ];
    let weights =
        [floats("w", &[4, 3, 3, 3], &[0.5; 108]), floats("b", &[4], &[0.0; 4]), floats("d", &[5, 4], &[1.0; 20])];
    network(&[1, 3, 9, 9], &nodes, &weights)
}

#[test]
fn changed_files_give_an_error_or_an_answer() {
    let classifier = include_bytes!("../../models/cifar10.onnx");
    let mut answers = 0;
    for (file, count) in [(&small()[..], 4000), (classifier, 200)] {
        used(file.to_vec()).expect("the file itself is sound");
        for seed in 0..count {
            println!("seed {seed} of {} bytes", file.len());
            answers += usize::from(used(mutated(file, &mut SplitMix(seed))).is_ok());
        }
    }
    assert!(answers > 100, "only {answers} answers");
}

#[test]
fn files_cut_off_give_an_error() {
    let small = small();
    // What stands behind the graph may go.
    let answers = (0..small.len()).filter(|&length| used(small[..length].to_vec()).is_ok()).count();
    assert!(answers == 0, "{answers} answers");
}
