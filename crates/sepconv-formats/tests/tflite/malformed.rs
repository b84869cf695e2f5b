//! TensorFlow Lite files that are wrong in one place: each is refused with an error that says where.

use crate::writer::Field::{self, Bool, Bytes, I8, I32, Ints, Tables};
use crate::writer::{Node, Tensor, buffer, file};
use sepconv_core::{ErrorKind, Limits};
use sepconv_formats::ImportOptions;
use sepconv_formats::tflite::Tflite;

fn import(bytes: Vec<u8>) -> sepconv_core::Result<sepconv_core::Graph> {
    let limits = Limits { max_memory: 1 << 20, max_macs: 1 << 20, max_nodes: 100 };
    Tflite::parse(bytes)?.graph(&ImportOptions { limits, ..ImportOptions::default() })
}

/// Asserts that a file is refused for this reason; the text may name the place as well.
#[track_caller]
pub(crate) fn refused(bytes: Vec<u8>, kind: ErrorKind, parts: &[&str]) {
    let error = import(bytes).unwrap_err();
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(error.kind(), kind, "{text}");
}

/// `t2 = t0 + t1`, of which t0 is given.
fn sum() -> ([Tensor; 3], Node) {
    let tensors = [Tensor::open(&[2]), Tensor::floats(&[2], &[1.0, 2.0]), Tensor::open(&[2])];
    (tensors, Node { code: 0, inputs: vec![0, 1], outputs: vec![2], options: (11, vec![]) })
}

/// The sum with one of its tensors changed.
fn with_tensor(index: usize, change: impl FnOnce(&mut Tensor)) -> Vec<u8> {
    let (mut tensors, node) = sum();
    change(&mut tensors[index]);
    file(&tensors, &[node], &[0], &[2])
}

/// The sum with its node changed.
fn with_node(change: impl FnOnce(&mut Node)) -> Vec<u8> {
    let (tensors, mut node) = sum();
    change(&mut node);
    file(&tensors, &[node], &[0], &[2])
}

#[test]
fn the_sound_file_is_read() {
    assert_eq!(import(with_node(|_| {})).unwrap().nodes().len(), 1);
}

#[test]
fn other_files_are_told_from_ours() {
    refused(vec![], ErrorKind::Malformed, &["not a TensorFlow Lite file"]);
    refused(b"\x08\x00\x00\x00ONNXnonsense".to_vec(), ErrorKind::Malformed, &["not a TensorFlow Lite file"]);
    refused(buffer(b"TFL3", &vec![(0, I32(2))]), ErrorKind::Unsupported, &["another version", "expected 3, got 2"]);
    refused(buffer(b"TFL3", &vec![(0, I32(3))]), ErrorKind::Malformed, &["subgraph does not exist"]);
}

#[test]
fn tensors_must_exist_be_known_and_be_computed_once() {
    use ErrorKind::Malformed;
    refused(
        with_node(|node| node.inputs = vec![0, 7]),
        Malformed,
        &["tensor does not exist", "below 3, got 7", "node \"t2\" (ADD)"],
    );
    refused(with_node(|node| node.inputs = vec![0, -2]), Malformed, &["tensor index is negative"]);
    refused(with_node(|node| node.inputs = vec![0, 2]), Malformed, &["used before it is computed", "tensor 2 \"t2\""]);
    refused(with_node(|node| node.outputs = vec![0]), Malformed, &["computed twice", "tensor 0"]);
    refused(with_node(|node| node.outputs = vec![]), Malformed, &["wrong number of results", "expected 1, got 0"]);
    refused(with_node(|node| node.outputs = vec![2, 1]), Malformed, &["wrong number of results"]);
    refused(with_node(|node| node.inputs = vec![0]), Malformed, &["wrong number of operands", "node \"t2\" (ADD)"]);
    refused(with_node(|node| node.inputs = vec![0, -1]), Malformed, &["node lacks an input", "expected input 1"]);
    let variable = with_tensor(1, |tensor| (tensor.data, tensor.more) = (None, vec![(5, Bool(true))]));
    refused(variable, Malformed, &["used before it is computed", "help: this operator cannot keep state"]);
}

#[test]
fn data_must_fill_their_tensor() {
    use ErrorKind::{Limit, Malformed, Unsupported};
    refused(
        with_tensor(1, |tensor| tensor.shape = vec![3]),
        Malformed,
        &["tensor data does not fill its shape", "3 elements of 4 bytes for [3], got 8 bytes"],
    );
    refused(with_tensor(1, |tensor| tensor.shape = vec![-2]), Malformed, &["size is negative"]);
    refused(with_tensor(1, |tensor| tensor.shape = vec![i32::MAX; 4]), Limit, &["larger than the address space"]);
    refused(with_tensor(1, |tensor| tensor.shape = vec![1; 9]), Unsupported, &["too many axes"]);
    refused(with_tensor(1, |tensor| tensor.kind = 8), Unsupported, &["element type", "TensorType 8"]);
    refused(with_tensor(1, |tensor| tensor.more = vec![(2, I32(9))]), Malformed, &["buffer does not exist", "got 9"]);
    refused(with_tensor(1, |tensor| tensor.more = vec![(6, Field::Table(vec![]))]), Malformed, &["sparse", "0 levels"]);
    let scales = |axis| vec![(4, Field::Table(vec![(2, Field::Floats(vec![1.0; 3])), (6, I32(axis))]))];
    for axis in [0, 1, -1] {
        let bytes =
            with_tensor(1, |tensor| (tensor.kind, tensor.data, tensor.more) = (9, Some(vec![1, 2]), scales(axis)));
        refused(bytes, Malformed, &["quantization does not fit its tensor", "3 scales"]);
    }
}

#[test]
fn buffers_behind_the_tables_must_lie_within_the_file() {
    let model = |offset: i32, size: i32| {
        let tensor = vec![(0, Ints(vec![2])), (1, I8(0)), (2, I32(1)), (3, Bytes(b"t".to_vec()))];
        let graph = vec![(0, Tables(vec![tensor])), (2, Ints(vec![0]))];
        // The fields are 64 bits wide; the writer's are 32, so each is followed by one that is zero.
        let outside = vec![(1, I32(offset)), (9, I32(0)), (2, I32(size)), (10, I32(0))];
        let mut bytes =
            buffer(b"TFL3", &vec![(0, I32(3)), (2, Tables(vec![graph])), (4, Tables(vec![vec![], outside]))]);
        bytes.resize(bytes.len().next_multiple_of(1024), 0);
        bytes.extend([1f32, 2.0].iter().flat_map(|value| value.to_le_bytes()));
        bytes
    };
    let graph = import(model(1024, 8)).unwrap();
    let value = graph.value(graph.outputs()[0].value).constant.as_ref().unwrap();
    assert_eq!(value.as_f32().unwrap(), [1.0, 2.0]);
    for (offset, size) in [(1025, 8), (1024, 9), (1 << 30, 8), (8, 1 << 30), (1 << 30, 0)] {
        refused(model(offset, size), ErrorKind::Malformed, &["buffer lies outside the file", "buffer 1"]);
    }
}

#[test]
fn operators_that_are_unknown_are_named() {
    use ErrorKind::Unsupported;
    refused(with_node(|node| node.code = 103), Unsupported, &["operator is not supported", "node \"t2\" (UNIQUE)"]);
    refused(with_node(|node| node.code = 208), Unsupported, &["operator is not supported", "(STABLEHLO_CBRT)"]);
    refused(
        with_node(|node| node.code = 32),
        Unsupported,
        &["operator is not supported: custom operator without a name"],
    );
    refused(with_node(|node| node.code = 5000), Unsupported, &["built-in operator is unknown", "got 5000"]);
}

/// A convolution of a 4x4 plane whose options are given.
fn conv(options: crate::writer::Table, weights: Tensor) -> Vec<u8> {
    let tensors = [Tensor::open(&[1, 4, 4, 1]), weights, Tensor::open(&[])];
    let node = Node { code: 3, inputs: vec![0, 1], outputs: vec![2], options: (1, options) };
    file(&tensors, &[node], &[0], &[2])
}

#[test]
fn windows_must_be_possible() {
    use ErrorKind::{Limit, Malformed, Mismatch};
    let weights = || Tensor::floats(&[1, 1, 1, 1], &[1.0]);
    let options = |padding: i8, stride: i32, dilation: i32| {
        vec![(0, I8(padding)), (1, I32(stride)), (2, I32(stride)), (4, I32(dilation)), (5, I32(dilation))]
    };
    assert!(import(conv(options(0, 1, 1), weights())).is_ok());
    refused(conv(options(0, 0, 1), weights()), Malformed, &["window is not possible", "node \"t2\" (CONV_2D)"]);
    refused(conv(options(0, 1, 0), weights()), Malformed, &["window is not possible"]);
    refused(conv(options(0, -1, 1), weights()), Malformed, &["option is negative"]);
    refused(conv(options(2, 1, 1), weights()), Malformed, &["neither SAME nor VALID"]);
    let wide = || Tensor::floats(&[1, 5, 5, 1], &[1.0; 25]);
    refused(conv(options(1, 1, 1), wide()), Mismatch, &["window does not fit"]);
    refused(conv(options(0, 1, i32::MAX), wide()), Limit, &["node \"t2\" (CONV_2D)"]);
    let empty = Tensor { data: Some(vec![]), ..Tensor::open(&[i32::MAX, 0, 1, 1]) };
    refused(conv(options(0, 1, 1), empty), Malformed, &["window is not possible"]);
    let empty = Tensor { data: Some(vec![]), ..Tensor::open(&[i32::MAX, 1, 1, 0]) };
    refused(conv(options(0, 1, 1), empty), Limit, &["node \"t2\" (CONV_2D)"]);
}

#[test]
fn many_nodes_cannot_share_one_long_list() {
    let (tensors, node) = sum();
    let nodes = vec![node.clone(); 101];
    refused(file(&tensors, &nodes, &[0], &[2]), ErrorKind::Limit, &["too many nodes", "at most 100, got 101"]);
    let long = Node { code: 106, inputs: vec![0; 1601], ..node };
    refused(file(&tensors, &[long], &[0], &[2]), ErrorKind::Limit, &["too many operands", "at most 1600"]);
    refused(file(&tensors, &[], &[0; 1025], &[]), ErrorKind::Limit, &["too many inputs or outputs"]);
}

#[test]
fn one_node_cannot_promise_more_results_than_the_file_lists() {
    let empty = Tensor { data: Some(vec![]), ..Tensor::open(&[i32::MAX, 0]) };
    let tensors = [empty, Tensor::open(&[])];
    let node = Node { code: 88, inputs: vec![0], outputs: vec![1], options: (64, vec![(0, I32(i32::MAX))]) };
    refused(file(&tensors, &[node], &[], &[1]), ErrorKind::Malformed, &["wrong number of results", "got 1"]);
}

#[test]
fn open_sizes_other_than_the_batch_must_be_bound() {
    let (mut tensors, node) = sum();
    tensors[0] = Tensor { more: vec![(7, Ints(vec![-1, -1]))], ..Tensor::open(&[1, 1]) };
    let file = Tflite::parse(file(&tensors, &[node], &[0], &[2])).unwrap();
    let error = file.graph(&ImportOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("got f32 [?,?]") && error.to_string().contains("input \"t0\""), "{error}");
    let mut options = ImportOptions::default();
    options.shapes.insert("t0".into(), vec![3, 2]);
    let graph = file.graph(&options).unwrap();
    assert_eq!(graph.value(graph.outputs()[0].value).shape[..], [3, 2]);
}

#[test]
fn an_input_may_be_a_constant_to_its_caller() {
    let file = Tflite::parse(with_node(|_| {})).unwrap();
    let bind = |tensor| {
        let mut options = ImportOptions::default();
        options.constants.insert("t0".into(), tensor);
        file.graph(&options)
    };
    let graph = bind(sepconv_core::Tensor::f32([2], [10.0, 20.0]).unwrap()).unwrap();
    let sum = graph.value(graph.outputs()[0].value).constant.as_ref().unwrap();
    assert_eq!(sum.as_f32().unwrap(), [11.0, 22.0]);
    assert_eq!(bind(sepconv_core::Tensor::f32([1], [10.0]).unwrap()).unwrap_err().kind(), ErrorKind::Argument);
}
