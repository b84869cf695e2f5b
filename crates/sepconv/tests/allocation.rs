//! After the first call, running a network allocates nothing.

mod common;

use allocation_counter::measure;
use common::data;
use sepconv::{DType, Model, Options, Tensor};

fn models() -> Vec<Model> {
    let own = Model::from_bytes("colors.onnx", include_bytes!("../../../examples/colors.onnx")).unwrap();
    let real = data().map(|data| {
        [
            "onnx/mobilenet_v2_1.0_224_f32.onnx",
            "onnx/mobilenet_v3_small_1.0_224_f32.onnx",
            "onnx/efficientpose_rt_224_f32.onnx",
        ]
        .map(|file| Model::open(data.join("models").join(file)).unwrap())
    });
    [own].into_iter().chain(real.into_iter().flatten()).collect()
}

/// The file and its tensors, then the tensors and what is packed of them: never all three, nor weights in two orders of
/// axes.
#[test]
fn weights_are_held_twice_at_most_while_loading() {
    let Some(data) = data() else { return };
    for file in ["mobilenet_v2_1.0_224_f32.onnx", "mobilenet_v3_small_1.0_224_f32.onnx"] {
        let path = data.join("models/onnx").join(file);
        let size = std::fs::metadata(&path).unwrap().len();
        let peak = measure(|| {
            Model::open(&path).unwrap().into_compiled(&Options::default().threads(1)).unwrap().session().unwrap();
        });
        assert!(2 * peak.bytes_max < 5 * size, "{file}: {} bytes for a file of {size}", peak.bytes_max);
    }
}

/// Allocations of `runs` runs, after the first.
fn allocations(model: &Model, threads: usize, runs: usize) -> u64 {
    let mut session = model.compile(&Options::default().threads(threads)).unwrap().session().unwrap();
    let input = Tensor::zeros(session.inputs()[0].shape.clone(), DType::F32);
    session.run(&[&input]).unwrap();
    let counted = measure(|| (0..runs).for_each(|_| _ = session.run(&[&input]).unwrap()));
    counted.count_total
}

#[test]
fn one_thread_allocates_nothing() {
    for model in models() {
        assert_eq!(allocations(&model, 1, 10), 0, "{}", model.name());
    }
}

/// The queue of the thread pool grows by a block now and then; the engine itself adds nothing.
#[test]
fn threads_allocate_less_than_once_in_thirty_runs() {
    for model in models() {
        assert!(allocations(&model, 2, 60) <= 2, "{}", model.name());
    }
}
