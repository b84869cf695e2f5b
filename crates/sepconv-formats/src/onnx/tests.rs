//! Files that nobody sane writes, made with the reader's own schema.

use std::panic::catch_unwind;

use prost::Message;
use sepconv_core::{DType, ErrorKind, Graph, Limits, Plan, Result, Serial, Session, Tensor, interpret, passes};

use sepconv_kernels::Isa;

use super::proto::{
    AttributeProto, Dimension, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::*;

mod old_and_fused;
mod quantized;

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&size| DimensionProto { value: Some(Dimension::Value(size)) }).collect();
    let tensor_type = TensorTypeProto { elem_type: 1, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

fn weight(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto { name: name.into(), dims: dims.into(), data_type: 1, float_data: data.into(), ..Default::default() }
}

fn ints(name: &str, dims: &[i64], data: &[i64]) -> TensorProto {
    TensorProto { name: name.into(), dims: dims.into(), data_type: 7, int64_data: data.into(), ..Default::default() }
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    NodeProto { op_type: operator.into(), input: owned(inputs), output: owned(outputs), ..Default::default() }
}

impl NodeProto {
    fn with(mut self, attribute: AttributeProto) -> Self {
        self.attribute.push(attribute);
        self
    }

    fn int(self, name: &str, i: i64) -> Self {
        self.with(AttributeProto { name: name.into(), r#type: 2, i: Some(i), ..Default::default() })
    }

    fn ints(self, name: &str, ints: &[i64]) -> Self {
        self.with(AttributeProto { name: name.into(), r#type: 7, ints: ints.into(), ..Default::default() })
    }

    fn text(self, name: &str, s: &'static str) -> Self {
        self.with(AttributeProto { name: name.into(), r#type: 3, s: Some(s.into()), ..Default::default() })
    }
}

/// A network from `x` to `y`.
fn network(dims: &[i64], node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto { node, initializer, input: vec![value("x", dims)], output: vec![value("y", &[])], ..Default::default() }
}

fn load(graph: GraphProto, opset: i64) -> Result<Onnx> {
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: opset }];
    Onnx::parse(ModelProto { graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec())
}

fn import(graph: GraphProto) -> Result<Graph> {
    load(graph, 13)?.graph(&ImportOptions::default())
}

/// The error of a network, as text.
fn refused(kind: ErrorKind, graph: GraphProto) -> String {
    let error = import(graph).expect_err("the network is not acceptable");
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

#[test]
fn nodes_may_come_in_any_order_and_unused_ones_do_not_matter() {
    let nodes = vec![
        node("Relu", &["b"], &["y"]),
        node("NoSuchOperator", &["x"], &["c"]),
        node("Neg", &["a"], &["b"]),
        node("Neg", &["x"], &["a"]),
    ];
    let graph = import(network(&[2], nodes, vec![])).expect("a sound network");
    let y = interpret(&graph, &[Tensor::f32([2], [-3.0, 4.0]).expect("two elements")]).expect("two inputs");
    assert_eq!(y[0].as_f32(), Some(&[0.0, 4.0][..]));
}

#[test]
fn graphs_that_contradict_themselves_are_malformed() {
    let relu = |from, to| node("Relu", &[from], &[to]);
    let cases = [
        (vec![relu("b", "a"), relu("a", "b"), relu("a", "y")], vec![], "node depends on its own output"),
        (vec![relu("y", "y")], vec![], "node depends on its own output"),
        (vec![relu("nothing", "y")], vec![], "value \"nothing\" is used and nothing produces it"),
        (vec![relu("x", "z")], vec![], "value \"y\" is used and nothing produces it"),
        (vec![relu("x", "y"), relu("x", "y")], vec![], "two values are called \"y\""),
        (vec![relu("x", "x")], vec![], "two values are called \"x\""),
        (vec![relu("x", "y")], vec![weight("y", &[1], &[0.0])], "two values are called \"y\""),
        (vec![relu("x", "y").int("a", 0).int("a", 0)], vec![], "attribute \"a\" is given twice"),
        (vec![node("Relu", &[], &["y"])], vec![], "node lacks an input"),
        (vec![node("Relu", &[""], &["y"])], vec![], "node lacks an input"),
        (
            vec![node("Add", &["x", "w"], &["y"])],
            vec![weight("w", &[3], &[0.0])],
            "tensor data does not fill its shape",
        ),
        (vec![node("Add", &["x", "w"], &["y"])], vec![weight("w", &[-1], &[])], "size is negative"),
    ];
    for (nodes, weights, what) in cases {
        let text = refused(ErrorKind::Malformed, network(&[2], nodes, weights));
        assert!(text.starts_with(what), "expected {what:?}, got {text:?}");
    }
}

#[test]
fn what_is_not_understood_names_the_node() {
    let conv = || node("Conv", &["x", "w"], &["y"]);
    let weights = || vec![weight("w", &[1, 1, 1, 1], &[1.0])];
    let cases = [
        (conv().int("frobnicate", 1), "attribute \"frobnicate\" is not supported\n  --> node \"y\" (Conv)"),
        (
            conv().text("auto_pad", "SAME"),
            "attribute \"auto_pad\" has a value that is not supported\n  --> node \"y\" (Conv)",
        ),
        (node("Relu", &["x", "w"], &["y"]), "node has more inputs than are supported\n  --> node \"y\" (Relu)"),
        (node("MaxPool", &["x"], &["z", "y"]).ints("kernel_shape", &[1, 1]), "output 1 of MaxPool is not supported"),
        (node("DFT", &["x"], &["y"]), "operator is not supported: DFT (1 node)\n  --> node \"y\" (DFT)"),
        (NodeProto { domain: "com.example".into(), ..conv() }, "operator is not supported: com.example.Conv (1 node)"),
    ];
    for (node, what) in cases {
        let text = refused(ErrorKind::Unsupported, network(&[1, 1, 4, 4], vec![node], weights()));
        assert!(text.starts_with(what), "expected {what:?}, got {text:?}");
    }
    let error = load(network(&[1], vec![node("Relu", &["x"], &["y"])], vec![]), 26).expect_err("a future opset");
    assert!(error.to_string().contains("expected opset 1 to 25, got opset 26"), "{error}");
}

#[test]
fn mismatches_speak_of_the_files_axes() {
    let conv =
        |group| NodeProto { name: "blocks.3.conv_dw".into(), ..node("Conv", &["x", "w"], &["y"]) }.int("group", group);
    let weights = || vec![weight("w", &[8, 2, 3, 3], &[0.0; 144])];
    let text = refused(ErrorKind::Mismatch, network(&[1, 8, 9, 9], vec![conv(8)], weights()));
    assert_eq!(
        text,
        "depthwise weights do not match the input channels\n  --> node \"blocks.3.conv_dw\" (Conv)\n   \
         = expected weights [8, 1, 3, 3], got [8, 2, 3, 3]\n   \
         = help: group=8 for 8 input channels leaves 1 per filter"
    );
    let text = refused(ErrorKind::Mismatch, network(&[1, 8, 9, 9], vec![conv(3)], weights()));
    assert!(text.contains("a divisor of 8 input and 8 output channels, got group=3"), "{text}");
    let text = refused(ErrorKind::Mismatch, network(&[1, 8, 2, 2], vec![conv(4)], weights()));
    assert!(
        text.starts_with("window does not fit on the padded feature map\n  --> node \"blocks.3.conv_dw\" (Conv)"),
        "{text}"
    );
}

#[test]
fn weights_that_are_also_inputs_are_weights() {
    let mut graph = network(&[2], vec![node("Add", &["x", "w"], &["y"])], vec![weight("w", &[2], &[1.0, 2.0])]);
    graph.input.push(value("w", &[2]));
    let onnx = load(graph, 13).expect("a sound network");
    let names: Vec<&str> = onnx.inputs().iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["x"]);
    let (name, element) = ("x".to_owned(), crate::ElementType::F32);
    let expected = TensorSpec { name, dtype: DType::F32, element, dims: vec![Some(2)], quantization: None };
    assert_eq!(onnx.inputs()[0], expected);
}

#[test]
fn shape_arithmetic_folds_away() {
    let nodes = vec![
        node("Shape", &["x"], &["shape"]),
        node("Gather", &["shape", "last"], &["columns"]),
        node("Unsqueeze", &["columns", "zero"], &["list"]),
        node("Concat", &["minus", "list"], &["target"]).int("axis", 0),
        node("Reshape", &["x", "target"], &["y"]),
    ];
    let numbers = vec![ints("last", &[], &[-1]), ints("zero", &[1], &[0]), ints("minus", &[1], &[-1])];
    let graph = import(network(&[2, 3, 4], nodes, numbers)).expect("a sound network");
    assert_eq!(graph.nodes().len(), 1);
    assert_eq!(graph.value(graph.outputs()[0].value).shape[..], [6, 4]);
}

#[test]
fn limits_hold() {
    let huge =
        || network(&[1, 1], vec![node("Expand", &["x", "to"], &["y"])], vec![ints("to", &[2], &[1 << 20, 1 << 20])]);
    let text = refused(ErrorKind::Limit, huge());
    assert!(text.contains("raise Limits::max_memory"), "{text}");
    let filled = vec![node("ConstantOfShape", &["to"], &["c"]), node("Add", &["x", "c"], &["y"])];
    refused(ErrorKind::Limit, network(&[1, 1], filled, vec![ints("to", &[2], &[1 << 20, 1 << 20])]));
    refused(ErrorKind::Limit, network(&[1 << 40, 1 << 40], vec![node("Relu", &["x"], &["y"])], vec![]));
}

#[test]
fn files_of_nothing_but_empty_parts_are_refused() {
    let nodes = |count| {
        let graph = [0x0a, 0x00].repeat(count);
        let mut file = vec![0x3a];
        prost::encoding::encode_varint(graph.len() as u64, &mut file);
        Onnx::parse([file, graph].concat()).expect_err("a graph without outputs").kind()
    };
    assert_eq!(nodes(1000), ErrorKind::Malformed);
    assert_eq!(nodes(2_000_000), ErrorKind::Limit);
}

/// Numbers that overflow, wrap or divide by zero where arithmetic is careless.
const UGLY: [i64; 13] = [i64::MIN, -(1 << 32), -2, -1, 0, 1, 2, 3, 255, (1 << 31) - 1, 1 << 32, i64::MAX - 1, i64::MAX];

/// A node of each operator that has numbers, on operands called `x`, `w`, `one`, `four` and `eight`.
fn nodes_with_numbers() -> Vec<NodeProto> {
    vec![
        node("Conv", &["x", "w"], &["y"])
            .ints("strides", &[1, 1])
            .ints("dilations", &[1, 1])
            .ints("pads", &[0, 0, 0, 0]),
        node("Conv", &["x", "w"], &["y"]).int("group", 1).ints("strides", &[1, 1]).text("auto_pad", "SAME_UPPER"),
        node("ConvTranspose", &["x", "w"], &["y"])
            .int("group", 1)
            .ints("strides", &[1, 1])
            .ints("output_shape", &[4, 4]),
        node("ConvTranspose", &["x", "w"], &["y"]).ints("output_padding", &[0, 0]).ints("pads", &[0, 0, 0, 0]),
        node("MaxPool", &["x"], &["y"]).ints("kernel_shape", &[2, 2]).ints("strides", &[1, 1]).int("ceil_mode", 1),
        node("AveragePool", &["x"], &["y"]).ints("kernel_shape", &[2, 2]).ints("pads", &[0, 0, 0, 0]),
        node("Reshape", &["x", "four"], &["y"]),
        node("Expand", &["x", "four"], &["y"]),
        node("Tile", &["x", "four"], &["y"]),
        node("Slice", &["x", "four", "four", "", "four"], &["y"]),
        node("Gather", &["x", "four"], &["y"]).int("axis", 0),
        node("Unsqueeze", &["x", "four"], &["y"]),
        node("Squeeze", &["x", "four"], &["y"]),
        node("Pad", &["x", "eight"], &["y"]),
        node("Resize", &["x", "", "", "four"], &["y"]),
        node("Split", &["x", "four"], &["y", "b", "c", "d"]).int("axis", 2),
        node("Split", &["x"], &["y", "b"]).int("num_outputs", 2),
        node("ConstantOfShape", &["four"], &["y"]),
        node("Shape", &["x"], &["y"]).int("start", 0).int("end", 4),
        node("Flatten", &["x"], &["y"]).int("axis", 1),
        node("Softmax", &["x"], &["y"]).int("axis", 1),
        node("ReduceMean", &["x"], &["y"]).ints("axes", &[2, 3]),
        node("Transpose", &["x"], &["y"]).ints("perm", &[0, 1, 2, 3]),
        node("Concat", &["x", "x"], &["y"]).int("axis", 1),
        node("DepthToSpace", &["x"], &["y"]).int("blocksize", 1),
        node("SpaceToDepth", &["x"], &["y"]).int("blocksize", 1),
        node("LayerNormalization", &["x", "one"], &["y"]).int("axis", 1),
        node("GroupNormalization", &["x", "one", "one"], &["y"]).int("num_groups", 1),
        node("Cast", &["four"], &["y"]).int("to", 1),
        node("QuantizeLinear", &["x", "one"], &["y"]).int("axis", 1).int("block_size", 0).int("output_dtype", 2),
        node("DequantizeLinear", &["four", "one"], &["y"]).int("axis", 0),
    ]
}

/// Limits that keep what a test can cost small.
const SMALL: Limits = Limits { max_memory: 1 << 24, max_macs: 1 << 24, max_nodes: 100 };

/// Imports, plans and runs a network of one node, and interprets it. Whether it could be run; panics are told with the
/// node.
fn survives(dims: &[i64], node: NodeProto, four: [i64; 4], eight: [i64; 8]) -> bool {
    let about = format!("{node:?} on {dims:?}, {four:?}, {eight:?}");
    let weights = vec![
        weight("w", &[1, 1, 2, 2], &[1.0; 4]),
        weight("one", &[1], &[1.0]),
        ints("four", &[4], &four),
        ints("eight", &[8], &eight),
        TensorProto { name: "none".into(), dims: vec![0, 1, 4, 4], data_type: 2, ..Default::default() },
        TensorProto { name: "byte".into(), dims: vec![1], data_type: 3, int32_data: vec![-3], ..Default::default() },
    ];
    let result = catch_unwind(|| {
        let graph = network(dims, vec![node], weights);
        let graph = load(graph, 18)?.graph(&ImportOptions { limits: SMALL, ..ImportOptions::default() })?;
        let shape = graph.value(graph.inputs()[0].value).shape.clone();
        let input = Tensor::zeros(shape, DType::F32);
        let expected = interpret(&graph, std::slice::from_ref(&input))?;
        let mut session = Session::new(Plan::new(&passes::optimize(graph)?, Isa::best(), 1, &SMALL)?).unwrap();
        let got = session.run(&[&input], &Serial)?;
        assert!(expected.iter().map(Tensor::shape).eq(got.iter().map(Tensor::shape)));
        Result::Ok(())
    });
    result.unwrap_or_else(|_| panic!("panic on {about}")).is_ok()
}

#[test]
fn ugly_numbers_give_an_error_or_an_answer() {
    let nodes = nodes_with_numbers();
    let variants = nodes.iter().flat_map(variants);
    let accepted = variants.filter(|(node, four, eight)| survives(&[1, 1, 4, 4], node.clone(), *four, *eight)).count();
    // Not everything is refused: otherwise nothing behind the first check would be tested.
    assert!(accepted > nodes.len(), "only {accepted} variants are accepted");
}

#[test]
fn empty_tensors_give_an_error_or_an_answer() {
    let mut accepted = 0;
    for (operator, _) in ops::OPERATORS {
        for inputs in [
            &["x"][..],
            &["x", "x"],
            &["x", "w"],
            &["x", "four"],
            &["x", "one", "one", "one", "one"],
            &["none"],
            &["none", "one", "byte"],
            &["none", "none", "byte", "byte"],
        ] {
            for dims in [[0, 1, 4, 4], [1, 0, 4, 4], [1, 1, 0, 4], [1, 1, 4, 0], [0, 0, 0, 0]] {
                accepted += usize::from(survives(&dims, node(operator, inputs, &["y"]), [1, 1, 0, 0], [0; 8]));
            }
        }
    }
    for node in nodes_with_numbers() {
        for dims in [[0, 1, 4, 4], [1, 0, 4, 4], [1, 1, 0, 4], [1, 1, 4, 0]] {
            accepted += usize::from(survives(&dims, node.clone(), dims, [1; 8]));
        }
    }
    assert!(accepted > ops::OPERATORS.len(), "only {accepted} networks are accepted");
}

#[test]
fn ports_are_limited() {
    let mut graph = network(&[1], vec![node("Relu", &["x"], &["y"])], vec![]);
    graph.output = vec![value("y", &[]); 1024];
    assert_eq!(import(graph.clone()).expect("a sound network").outputs().len(), 1024);
    graph.output.push(value("y", &[]));
    let text = refused(ErrorKind::Limit, graph);
    assert!(text.starts_with("network has too many inputs or outputs"), "{text}");
}

/// A node with one of its numbers replaced by an ugly one, and the operands that hold numbers likewise.
fn variants(node: &NodeProto) -> Vec<(NodeProto, [i64; 4], [i64; 8])> {
    let (four, eight) = ([1, 1, 4, 4], [0; 8]);
    let mut variants = vec![(node.clone(), four, eight)];
    for ugly in UGLY {
        for (a, attribute) in node.attribute.iter().enumerate() {
            if attribute.i.is_some() {
                let mut changed = node.clone();
                changed.attribute[a].i = Some(ugly);
                variants.push((changed, four, eight));
            }
            for i in 0..attribute.ints.len() {
                let mut changed = node.clone();
                changed.attribute[a].ints[i] = ugly;
                variants.push((changed.clone(), four, eight));
                changed.attribute[a].ints.truncate(i + 1);
                variants.push((changed, four, eight));
            }
        }
        for i in 0..eight.len() {
            let (mut four, mut eight) = (four, eight);
            four[i % 4] = ugly;
            eight[i] = ugly;
            variants.push((node.clone(), four, eight));
        }
        variants.push((node.clone(), [ugly; 4], [ugly; 8]));
    }
    variants
}
