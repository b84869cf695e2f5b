//! Graphs as ONNX files: what is read again means the same, and the file says it as ONNX wants it.

mod common;

use std::path::Path;
use std::sync::Arc;

use prost::Message;
use sepconv_core::op::{BinaryFunction, Conv2d, Dequantize, Lut, Pad, PadMode, QuantParams, Quantize};
use sepconv_core::{Builder, DType, ErrorKind, Graph, Limits, Plan, Serial, Session, Shape, Tensor, interpret, passes};
use sepconv_formats::ImportOptions;
use sepconv_formats::onnx::{self, Metadata, Onnx};
use sepconv_formats::tflite::Tflite;
use sepconv_kernels::{Activation, Isa, Window};

/// What a file is made of, as far as these tests look at it.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Nodes>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<Opset>,
}

#[derive(Clone, PartialEq, Message)]
struct Opset {
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Nodes {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    constants: Vec<Constant>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    int: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Constant {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
}

/// The file, its operators in order and its operator set.
fn written(graph: &Graph) -> (Vec<u8>, Nodes, i64) {
    let bytes = onnx::write(graph, &Metadata::default()).expect("a graph that has an ONNX form");
    let model = Model::decode(&bytes[..]).expect("a protobuf message");
    (bytes, model.graph.expect("a graph"), model.opset_import[0].version)
}

fn read_again(bytes: Vec<u8>) -> Graph {
    Onnx::parse(bytes).and_then(|file| file.graph(&ImportOptions::default())).expect("a file that can be read")
}

fn count(nodes: &Nodes, operator: &str) -> usize {
    nodes.nodes.iter().filter(|node| node.operator == operator).count()
}

/// Floats that differ from one another.
fn floats(dims: &[usize]) -> Tensor {
    let count = dims.iter().product::<usize>();
    let value = |i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0;
    Tensor::f32(dims, (0..count).map(value).collect::<Vec<_>>()).expect("data for the shape")
}

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).expect("a small shape")
}

fn import(path: &Path) -> Graph {
    let name = path.display();
    let mut options = ImportOptions::default();
    if path.ends_with("ppocr_det_mobilenetv3_f32.onnx") {
        options.shapes.insert("image".into(), vec![1, 3, 64, 64]);
    }
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let graph = match path.extension().is_some_and(|extension| extension == "onnx") {
        true => Onnx::parse(bytes).and_then(|file| file.graph(&options)),
        false => Tflite::parse(bytes).and_then(|file| file.graph(&options)),
    };
    graph.unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run(graph: &Graph) -> Vec<Tensor> {
    let inputs: Vec<Tensor> = graph
        .inputs()
        .iter()
        .map(|port| {
            let mut dims = vec![0; port.order.len()];
            port.order.iter().zip(&graph.value(port.value).shape[..]).for_each(|(&axis, &size)| dims[axis] = size);
            floats(&dims)
        })
        .collect();
    let optimized = passes::optimize(graph.clone()).expect("a graph that can be simplified");
    let plan = Plan::new(&optimized, Isa::best(), 1, &Limits::default()).expect("a graph that can be planned");
    let mut session = Session::new(plan).unwrap();
    session.run(&inputs.iter().collect::<Vec<_>>(), &Serial).expect("inputs of the network's shapes").to_vec()
}

#[test]
fn networks_are_the_same_after_writing_and_reading() {
    let Some(data) = common::folder("SEPCONV_DATA") else { return };
    let mut paths: Vec<_> = ["onnx", "tflite"]
        .iter()
        .flat_map(|format| std::fs::read_dir(data.join("models").join(format)).expect("a folder of models"))
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| ["_f32.", "_f16w."].iter().any(|part| path.to_string_lossy().contains(part)))
        .collect();
    paths.sort();
    assert!(paths.len() >= 15, "{} files of floats", paths.len());
    for path in paths {
        let graph = import(&path);
        let expected = run(&graph);
        let simplified = passes::optimize(graph.clone()).expect("a graph that can be simplified");
        for (how, graph) in [("as read", graph), ("simplified", simplified)] {
            let again = read_again(
                onnx::write(&graph, &Metadata::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            );
            let names = |graph: &Graph| -> Vec<String> {
                graph.inputs().iter().chain(graph.outputs()).map(|port| port.name.clone()).collect()
            };
            assert_eq!(names(&again), names(&graph), "{} {how}", path.display());
            for (expected, got) in expected.iter().zip(run(&again)) {
                assert_eq!(expected.shape(), got.shape(), "{} {how}", path.display());
                let pairs = expected.as_f32().unwrap().iter().zip(got.as_f32().unwrap());
                let largest = pairs.map(|(e, g)| (e - g).abs() / e.abs().max(1.0)).fold(0.0, f32::max);
                assert!(largest <= 1e-5, "{} {how} differs by {largest}", path.display());
            }
        }
    }
}

#[test]
fn transposes_stand_at_ports_only() {
    let Some(data) = common::folder("SEPCONV_DATA") else { return };
    for (name, transposes) in [
        ("onnx/mobilenet_v2_1.0_224_f32.onnx", 0),
        ("onnx/ppocr_det_mobilenetv3_f32.onnx", 0),
        ("tflite/mobilenet_v1_0.25_224_f32.tflite", 1),
        // The input, and four outputs that are planes.
        ("tflite/efficientpose_rt_224_f16w.tflite", 5),
    ] {
        let (_, nodes, opset) = written(&import(&data.join("models").join(name)));
        assert_eq!((count(&nodes, "Transpose"), opset), (transposes, 17), "{name}");
    }
}

/// A 1×1 convolution of bytes in a file's NHWC, as importers leave it.
fn quantized() -> Graph {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", shape(&[1, 2, 2, 3]), DType::I8).unwrap();
    let weights = Tensor::i8([2, 1, 1, 3], (0i8..6).collect::<Vec<_>>()).unwrap();
    let weights = builder.constant("weights", weights).unwrap();
    let bias = builder.constant("bias", Tensor::i64([2], [-70_000i64, 5]).unwrap()).unwrap();
    let per_channel = |dtype, axis| QuantParams { dtype, scale: vec![0.5, 0.25], zero_point: vec![0, 0], axis };
    let dequantized =
        |builder: &mut Builder, quantization, id| builder.node("real", Dequantize(quantization), &[id]).unwrap();
    let x = dequantized(&mut builder, QuantParams::per_tensor(DType::I8, 0.5, 3), x);
    let weights = dequantized(&mut builder, per_channel(DType::I8, 0), weights);
    let bias = dequantized(&mut builder, per_channel(DType::I64, 0), bias);
    let conv = Conv2d { window: Window::new(1, 1), groups: 1, activation: Activation::RELU6 };
    let y = builder.node("conv", conv, &[x, weights, bias]).unwrap();
    let y = builder.node("y", Quantize(QuantParams::per_tensor(DType::U8, 0.1, 7)), &[y]).unwrap();
    builder.output("y", y);
    builder.finish()
}

#[test]
fn integers_stay_integers_behind_dequantizations() {
    let (_, nodes, _) = written(&quantized());
    let operators: Vec<&str> = nodes.nodes.iter().map(|node| node.operator.as_str()).collect();
    assert_eq!(
        operators,
        // Of the input, the weights and the bias; the planes turn for the convolution, and back for the port.
        [
            "DequantizeLinear",
            "Transpose",
            "DequantizeLinear",
            "DequantizeLinear",
            "Conv",
            "Clip",
            "QuantizeLinear",
            "Transpose"
        ]
    );
    let constant = |name: &str| nodes.constants.iter().find(|constant| constant.name == name).expect(name);
    // Signed bytes `[o,i,kh,kw]` and 32-bit integers.
    assert_eq!((constant("weights").data_type, &constant("weights").dims[..]), (3, &[2, 3, 1, 1][..]));
    assert_eq!((constant("bias").data_type, &constant("bias").dims[..]), (6, &[2][..]));
    let axes: Vec<i64> =
        nodes.nodes.iter().flat_map(|node| &node.attributes).filter(|a| a.name == "axis").map(|a| a.int).collect();
    assert_eq!(axes, [0, 0]);
    assert_eq!(nodes.nodes[3].inputs.len(), 2, "a bias has no zero points");
}

#[test]
fn names_are_kept_and_made_unique() {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", shape(&[2]), DType::F32).unwrap();
    let one = builder.constant("same", floats(&[2])).unwrap();
    let sum = builder.node("same", BinaryFunction::Add, &[x, one]).unwrap();
    let more = builder.node("same", BinaryFunction::Mul, &[sum, one]).unwrap();
    let last = builder.node("x", BinaryFunction::Sub, &[more, x]).unwrap();
    // Two ports of one value, a constant, an input, and a value that is called like one.
    for (name, value) in [("a", last), ("b", last), ("c", one), ("d", x), ("e", sum)] {
        builder.output(name, value);
    }
    let graph = builder.finish();
    let (bytes, nodes, _) = written(&graph);
    let mut made: Vec<&String> = nodes.nodes.iter().flat_map(|node| &node.outputs).collect();
    made.extend(nodes.constants.iter().map(|constant| &constant.name));
    let all = made.len();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), all, "{made:?}");
    assert_eq!(count(&nodes, "Identity"), 3, "for the second port of a value, a constant and an input");
    let input = floats(&[2]);
    let expected = interpret(&graph, std::slice::from_ref(&input)).unwrap();
    assert_eq!(interpret(&read_again(bytes), &[input]).unwrap(), expected);
}

#[test]
fn operator_set_is_as_old_as_it_can_be() {
    for (fill, expected) in [(PadMode::Edge, 17), (PadMode::Wrap, 19)] {
        let mut builder = Builder::new(Limits::default());
        let x = builder.input("x", shape(&[4]), DType::F32).unwrap();
        let y = builder.node("y", Pad { before: vec![1], after: vec![2], mode: fill }, &[x]).unwrap();
        builder.output("y", y);
        let graph = builder.finish();
        let (bytes, _, opset) = written(&graph);
        assert_eq!(opset, expected);
        let input = floats(&[4]);
        let outputs = [&graph, &read_again(bytes)].map(|graph| interpret(graph, std::slice::from_ref(&input)).unwrap());
        assert_eq!(outputs[0], outputs[1]);
    }
}

#[test]
fn operators_on_bytes_are_refused() {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", shape(&[4]), DType::U8).unwrap();
    let lookup = Lut { table: Arc::new([0; 256]), output: DType::U8 };
    let y = builder.node("table", lookup, &[x]).unwrap();
    builder.output("y", y);
    let error = onnx::write(&builder.finish(), &Metadata::default()).expect_err("an operator that ONNX does not have");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(
        text.contains("no ONNX form\n  --> node \"table\" (lut)\n") && text.contains("before it is lowered"),
        "{text}"
    );
}
