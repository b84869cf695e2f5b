//! Operators that turn real numbers into bytes, bytes into real numbers, or compute with bytes. onnxruntime gives the
//! same answers.

use sepconv_core::{DType, Shape};

use super::*;

/// An operand of a node: the network's input, a constant, or none.
enum Operand {
    X,
    Known(Box<TensorProto>),
    Absent,
}
use Operand::{Absent, Known, X};

fn floats(dims: &[i64], data: &[f32]) -> Operand {
    Known(Box::new(weight("", dims, data)))
}

fn scale(value: f32) -> Operand {
    floats(&[], &[value])
}

fn integers(data_type: i32, dims: &[i64], data: &[i32]) -> Operand {
    Known(Box::new(TensorProto { dims: dims.into(), data_type, int32_data: data.into(), ..Default::default() }))
}

fn u8(dims: &[i64], data: &[i32]) -> Operand {
    integers(2, dims, data)
}

fn i8(dims: &[i64], data: &[i32]) -> Operand {
    integers(3, dims, data)
}

fn i32(dims: &[i64], data: &[i32]) -> Operand {
    integers(6, dims, data)
}

fn microsoft(operator: &str) -> NodeProto {
    NodeProto { domain: "com.microsoft".into(), ..node(operator, &[], &["y"]) }
}

fn onnx(operator: &str) -> NodeProto {
    node(operator, &[], &["y"])
}

/// A network of one node on these operands.
fn network_of(mut node: NodeProto, x: &Tensor, operands: Vec<Operand>) -> GraphProto {
    let mut weights = Vec::new();
    for (i, operand) in operands.into_iter().enumerate() {
        node.input.push(match operand {
            X => "x".into(),
            Known(tensor) => {
                weights.push(TensorProto { name: format!("w{i}"), ..*tensor });
                format!("w{i}")
            }
            Absent => String::new(),
        });
    }
    let dims: Vec<i64> = x.shape().iter().map(|&size| size as i64).collect();
    let mut graph = network(&dims, vec![node], weights);
    let code = match x.dtype() {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::I64 => 7,
    };
    let r#type = graph.input[0].r#type.as_mut().and_then(|r#type| r#type.tensor_type.as_mut());
    r#type.expect("the input has a type").elem_type = code;
    graph
}

/// The result of a node on these operands.
fn answer(node: NodeProto, x: &Tensor, operands: Vec<Operand>) -> Tensor {
    let name = node.op_type.clone();
    let graph = load(network_of(node, x, operands), 18).and_then(|onnx| onnx.graph(&ImportOptions::default()));
    let graph = graph.unwrap_or_else(|error| panic!("{name}: {error}"));
    let optimized = passes::optimize(graph.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let result = |graph: &Graph| interpret(graph, std::slice::from_ref(x)).expect("one input").remove(0);
    let (y, lowered) = (result(&graph), result(&optimized));
    match (y.as_f32(), lowered.as_f32()) {
        (Some(y), Some(lowered)) => assert!(y.iter().zip(lowered).all(|(y, l)| (y - l).abs() < 1e-5), "{name}"),
        _ => assert_eq!(lowered, y, "{name} after the passes"),
    }
    let plan = Plan::new(&optimized, Isa::best(), 1, &Limits::default());
    let mut session = Session::new(plan.unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap();
    assert_eq!(session.run(&[x], &Serial).expect("one input"), [lowered], "{name} as a plan");
    y
}

fn refusal(node: NodeProto, x: &Tensor, operands: Vec<Operand>) -> String {
    let result = load(network_of(node, x, operands), 18).and_then(|onnx| onnx.graph(&ImportOptions::default()));
    result.expect_err("the network is not acceptable").to_string()
}

fn bytes(dims: &[usize], data: &[u8]) -> Tensor {
    Tensor::u8(dims, data).expect("bytes for the shape")
}

fn signed(dims: &[usize], data: &[i8]) -> Tensor {
    Tensor::i8(dims, data).expect("bytes for the shape")
}

fn f32_tensor(dims: &[usize], data: &[f32]) -> Tensor {
    Tensor::f32(dims, data).expect("numbers for the shape")
}

/// Four bytes from end to end.
fn row() -> Tensor {
    bytes(&[1, 4], &[0, 60, 128, 255])
}

#[test]
fn numbers_become_bytes() {
    let x = f32_tensor(&[2, 3], &[-1.0, 0.24, 0.25, 0.75, 100.0, 3.0]);
    let rows = vec![X, floats(&[2], &[0.5, 0.1]), i8(&[2], &[0, 3])];
    let y = answer(onnx("QuantizeLinear").int("axis", 0), &x, rows);
    assert_eq!(y, signed(&[2, 3], &[-2, 0, 0, 11, 127, 33]));
    let x = f32_tensor(&[4], &[-1.0, 0.25, 0.75, 100.0]);
    assert_eq!(answer(onnx("QuantizeLinear"), &x, vec![X, scale(0.5)]), bytes(&[4], &[0, 0, 2, 200]));
    let named = onnx("QuantizeLinear").int("output_dtype", 3).int("saturate", 1);
    assert_eq!(answer(named, &x, vec![X, scale(0.5)]), signed(&[4], &[-2, 0, 2, 127]));
    let cast = answer(onnx("Cast").int("to", 3), &f32_tensor(&[3], &[-3.7, 5.7, 2.5]), vec![X]);
    assert_eq!(cast, signed(&[3], &[-3, 5, 2]));
}

#[test]
fn numbers_become_integers_of_16_bits_and_numbers_again() {
    let x = f32_tensor(&[5], &[-1.0, 0.2, 0.75, 9000.0, -99000.0]);
    let unsigned = |zero| integers(4, &[], &[zero]);
    let y = answer(onnx("QuantizeLinear"), &x, vec![X, scale(0.5), integers(5, &[], &[3])]);
    assert_eq!(y, Tensor::i64([5], [1, 3, 5, 18003, -32768]).unwrap());
    let y = answer(microsoft("QuantizeLinear"), &x, vec![X, scale(0.125), unsigned(40)]);
    assert_eq!(y, Tensor::i64([5], [32, 42, 46, 65535, 0]).unwrap());
    let named = onnx("QuantizeLinear").int("output_dtype", 5);
    assert_eq!(answer(named, &x, vec![X, scale(0.5)]), Tensor::i64([5], [-2, 0, 2, 18000, -32768]).unwrap());
    let back = answer(onnx("DequantizeLinear"), &y, vec![X, scale(0.125), i32(&[], &[40])]);
    assert_eq!(back, f32_tensor(&[5], &[-1.0, 0.25, 0.75, 8186.875, -5.0]));
}

#[test]
fn bytes_become_numbers() {
    let x = signed(&[2, 2], &[-1, 2, 3, 4]);
    let columns = vec![X, floats(&[2], &[0.5, 0.1]), i8(&[2], &[0, 3])];
    let y = answer(onnx("DequantizeLinear").int("axis", -1), &x, columns);
    assert_eq!(y, f32_tensor(&[2, 2], &[-0.5, -0.1, 1.5, 0.1]));
    let mut theirs = microsoft("DequantizeLinear");
    theirs = theirs.int("axis", 0);
    assert_eq!(answer(theirs, &x, vec![X, scale(0.5)]), f32_tensor(&[2, 2], &[-0.5, 1.0, 1.5, 2.0]));
    assert_eq!(answer(onnx("Cast").int("to", 1), &x, vec![X]), f32_tensor(&[2, 2], &[-1.0, 2.0, 3.0, 4.0]));
    let sums = vec![i32(&[1, 2], &[-100_000, 2]), scale(0.5)];
    assert_eq!(answer(onnx("DequantizeLinear"), &x, sums), f32_tensor(&[1, 2], &[-50_000.0, 1.0]));
}

/// The scale and zero point of one network's input are another's.
#[test]
fn scales_may_be_computed() {
    let nodes = vec![
        node("DynamicQuantizeLinear", &["x"], &["q", "scale", "zero"]),
        node("DequantizeLinear", &["q", "scale", "zero"], &["real"]),
        node("QuantizeLinear", &["real", "scale", "zero"], &["again"]),
        node("MatMulInteger", &["again", "w", "zero"], &["sums"]),
        node("Cast", &["sums"], &["floats"]).int("to", 1),
        node("Mul", &["floats", "scale"], &["y"]),
    ];
    let Known(weights) = i8(&[2, 2], &[1, 10, 2, -20]) else { unreachable!("weights are known") };
    let graph = network(&[1, 2], nodes, vec![TensorProto { name: "w".into(), ..*weights }]);
    let graph = import(graph).expect("a sound network");
    let y = interpret(&graph, &[f32_tensor(&[1, 2], &[-1.0, 4.1])]).expect("one input").remove(0);
    // One fiftieth is the scale and 50 the zero point: (-1, 4.1) is 0 and 255.
    let y = y.as_f32().expect("numbers").to_vec();
    assert!((y[0] - 7.2).abs() < 1e-5 && (y[1] + 92.0).abs() < 1e-4, "{y:?}");
}

#[test]
fn sums_and_products_of_bytes_are_bytes() {
    let operands = || {
        vec![
            X,
            scale(0.1),
            u8(&[], &[128]),
            u8(&[1, 4], &[10, 20, 30, 40]),
            scale(0.05),
            u8(&[], &[20]),
            scale(0.12),
            u8(&[], &[100]),
        ]
    };
    assert_eq!(answer(microsoft("QLinearAdd"), &row(), operands()), bytes(&[1, 4], &[0, 43, 104, 214]));
    assert_eq!(answer(microsoft("QLinearMul"), &row(), operands()), bytes(&[1, 4], &[153, 100, 100, 206]));
    let x = signed(&[4], &[-128, -60, 0, 127]);
    let operands = vec![
        X,
        scale(0.1),
        i8(&[], &[-10]),
        i8(&[4], &[1, -2, 3, -4]),
        scale(0.05),
        Absent,
        scale(0.07),
        i8(&[], &[5]),
    ];
    assert_eq!(answer(microsoft("QLinearMul"), &x, operands), signed(&[4], &[-3, 12, 7, -34]));
}

#[test]
fn functions_of_bytes_are_bytes() {
    let fixed = |from: f32| vec![X, scale(from), u8(&[], &[128]), scale(1.0 / 256.0), u8(&[], &[0])];
    assert_eq!(answer(microsoft("QLinearSigmoid"), &row(), fixed(0.05)), bytes(&[1, 4], &[0, 8, 128, 255]));
    let softmax = microsoft("QLinearSoftmax").int("axis", -1).int("opset", 13);
    assert_eq!(answer(softmax, &row(), fixed(0.05)), bytes(&[1, 4], &[0, 0, 0, 255]));
    let x = signed(&[4], &[-128, -60, 0, 127]);
    let slope = AttributeProto { name: "alpha".into(), r#type: 1, f: Some(0.1), ..Default::default() };
    let leaky = microsoft("QLinearLeakyRelu").with(slope);
    let operands = vec![X, scale(0.1), i8(&[], &[-10]), scale(0.08), i8(&[], &[3])];
    assert_eq!(answer(leaky, &x, operands), signed(&[4], &[-12, -3, 15, 127]));
}

#[test]
fn bytes_of_several_scales_are_joined() {
    let operands = vec![
        scale(0.1),
        u8(&[], &[10]),
        X,
        scale(0.2),
        u8(&[], &[128]),
        u8(&[1, 2], &[10, 20]),
        scale(0.1),
        u8(&[], &[10]),
    ];
    let y = answer(microsoft("QLinearConcat").int("axis", 1), &row(), operands);
    assert_eq!(y, bytes(&[1, 6], &[0, 0, 10, 255, 10, 20]));
    let few = vec![scale(0.1), u8(&[], &[10]), X];
    assert!(refusal(microsoft("QLinearConcat").int("axis", 1), &row(), few).starts_with("operands are incomplete"));
}

#[test]
fn means_of_bytes_are_bytes() {
    let scales = || vec![X, scale(0.1), u8(&[], &[20]), scale(0.08), u8(&[], &[30])];
    let pixels: Vec<u8> = (1..=16).map(|i| i * 15).collect();
    let pool = || {
        microsoft("QLinearAveragePool")
            .ints("kernel_shape", &[3, 3])
            .ints("strides", &[2, 2])
            .ints("pads", &[1, 1, 1, 1])
    };
    let x = bytes(&[1, 1, 4, 4], &pixels);
    assert_eq!(answer(pool(), &x, scales()), bytes(&[1, 1, 2, 2], &[71, 99, 183, 211]));
    let counted = pool().int("count_include_pad", 1);
    assert_eq!(answer(counted, &x, scales()), bytes(&[1, 1, 2, 2], &[48, 76, 132, 211]));
    let last = microsoft("QLinearAveragePool").ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]);
    let y = answer(last.int("channels_last", 1), &bytes(&[1, 4, 4, 1], &pixels), scales());
    assert_eq!(y, bytes(&[1, 2, 2, 1], &[71, 108, 221, 255]));
    let x = bytes(&[1, 2, 2, 2], &[0, 30, 60, 90, 120, 150, 180, 210]);
    let scales = || vec![X, scale(0.1), u8(&[], &[20]), scale(0.05), u8(&[], &[30])];
    let global = |last| microsoft("QLinearGlobalAveragePool").int("channels_last", last);
    assert_eq!(answer(global(0), &x, scales()), bytes(&[1, 2, 1, 1], &[80, 255]));
    assert_eq!(answer(global(1), &x, scales()), bytes(&[1, 1, 1, 2], &[170, 230]));
}

#[test]
fn convolutions_of_bytes_have_a_scale_for_each_filter() {
    let x = bytes(&[1, 2, 2, 2], &[0, 30, 60, 90, 120, 150, 180, 210]);
    let weights = i8(&[2, 1, 2, 2], &[1, 2, 3, 4, -1, -2, -3, -4]);
    let operands = vec![
        X,
        scale(0.1),
        u8(&[], &[20]),
        weights,
        floats(&[2], &[0.02, 0.01]),
        i8(&[2], &[0, 0]),
        scale(0.5),
        u8(&[], &[100]),
        i32(&[2], &[100, -100]),
    ];
    let y = answer(onnx("QLinearConv").int("group", 2).ints("pads", &[0, 0, 1, 1]), &x, operands);
    assert_eq!(y, bytes(&[1, 2, 2, 2], &[102, 101, 101, 101, 97, 98, 99, 99]));
    let x = bytes(&[1, 1, 2, 2], &[1, 100, 200, 255]);
    let weights = u8(&[2, 1, 1, 1], &[140, 100]);
    let operands =
        vec![X, scale(0.1), u8(&[], &[20]), weights, scale(0.02), u8(&[], &[128]), scale(0.25), u8(&[], &[100])];
    let y = answer(onnx("QLinearConv"), &x, operands);
    assert_eq!(y, bytes(&[1, 2, 2, 2], &[98, 108, 117, 123, 104, 82, 60, 47]));
}

/// A signal is a plane of one row: its weights are reshaped, and keep a scale for each filter.
#[test]
fn convolutions_of_signals_are_of_bytes() {
    let nodes = vec![
        node("DequantizeLinear", &["w", "scales"], &["weights"]).int("axis", 0),
        node("QuantizeLinear", &["x", "scale"], &["q"]),
        node("DequantizeLinear", &["q", "scale"], &["real"]),
        node("Conv", &["real", "weights"], &["sums"]),
        node("QuantizeLinear", &["sums", "scale"], &["bytes"]),
        node("DequantizeLinear", &["bytes", "scale"], &["y"]),
    ];
    let Known(weights) = i8(&[2, 1, 2], &[1, 2, 3, 4]) else { unreachable!("weights are known") };
    let scales = vec![
        TensorProto { name: "w".into(), ..*weights },
        weight("scales", &[2], &[0.5, 0.25]),
        weight("scale", &[], &[0.5]),
    ];
    let graph = passes::optimize(import(network(&[1, 1, 3], nodes, scales)).expect("a sound network"));
    let graph = graph.expect("a sound network");
    assert!(graph.nodes().iter().any(|node| matches!(node.op, sepconv_core::Op::QConv2d(_))), "{graph}");
    let y = interpret(&graph, &[f32_tensor(&[1, 1, 3], &[1.0, 2.0, 3.0])]).expect("one input");
    assert_eq!(y, [f32_tensor(&[1, 2, 2], &[2.5, 4.0, 3.0, 4.5])]);
}

#[test]
fn matrices_of_bytes_have_a_scale_for_each_column() {
    let x = bytes(&[1, 3], &[1, 100, 200]);
    let a = || [X, scale(0.1), u8(&[], &[100])];
    let rows = || i8(&[2, 3], &[1, -2, 3, 40, 50, -60]);
    let columns = || i8(&[3, 2], &[1, 40, -2, 50, 3, -60]);
    let gemm = |b: [Operand; 3], more: Vec<Operand>| -> Vec<Operand> { a().into_iter().chain(b).chain(more).collect() };
    let turned = || microsoft("QGemm").int("transB", 1);
    let bias = || i32(&[2], &[1000, -2000]);
    let result = || [scale(0.5), u8(&[], &[128])];
    let each = [rows(), floats(&[2], &[0.02, 0.01]), i8(&[2], &[0, 0])];
    let y = answer(turned(), &x, gemm(each, [bias()].into_iter().chain(result()).collect()));
    assert_eq!(y, bytes(&[1, 2], &[133, 104]));
    let all = || [rows(), scale(0.02), i8(&[], &[0])];
    let double = AttributeProto { name: "alpha".into(), r#type: 1, f: Some(2.0), ..Default::default() };
    let y = answer(turned().with(double), &x, gemm(all(), [bias()].into_iter().chain(result()).collect()));
    assert_eq!(y, bytes(&[1, 2], &[138, 32]));
    let y = answer(turned(), &x, gemm(all(), vec![bias()]));
    assert!(y.as_f32().expect("numbers").iter().zip([2.402, -23.92]).all(|(y, e)| (y - e).abs() < 1e-5), "{y:?}");
    let product = gemm([columns(), floats(&[2], &[0.02, 0.01]), i8(&[2], &[0, 5])], result().into());
    assert_eq!(answer(onnx("QLinearMatMul"), &x, product), bytes(&[1, 2], &[129, 108]));
}

#[test]
fn integer_sums_are_whole_floats() {
    let x = bytes(&[1, 3], &[1, 100, 200]);
    let operands = vec![X, i8(&[3, 2], &[1, 40, -2, 50, 3, -60]), u8(&[], &[100]), i8(&[2], &[0, 5])];
    assert_eq!(answer(onnx("MatMulInteger"), &x, operands), f32_tensor(&[1, 2], &[201.0, -9965.0]));
    let x = bytes(&[1, 2, 2, 2], &[0, 30, 60, 90, 120, 150, 180, 210]);
    let operands = vec![X, u8(&[1, 2, 1, 2], &[1, 2, 3, 4]), u8(&[], &[20]), u8(&[], &[2])];
    let y = answer(onnx("ConvInteger").ints("pads", &[0, 1, 0, 1]), &x, operands);
    assert_eq!(y, f32_tensor(&[1, 1, 2, 3], &[200.0, 380.0, 120.0, 320.0, 500.0, 120.0]));
}

#[test]
fn bytes_are_moved_pooled_and_resized() {
    let pixels: Vec<u8> = (1..=16).map(|i| i * 15).collect();
    let pool = onnx("MaxPool").ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]);
    assert_eq!(answer(pool, &bytes(&[1, 1, 4, 4], &pixels), vec![X]), bytes(&[1, 1, 2, 2], &[90, 120, 210, 240]));
    let pads = Known(Box::new(ints("", &[4], &[0, 1, 0, 1])));
    let y = answer(onnx("Pad"), &bytes(&[1, 2], &[1, 2]), vec![X, pads, u8(&[], &[7])]);
    assert_eq!(y, bytes(&[1, 4], &[7, 1, 2, 7]));
    let wider = || vec![X, Absent, floats(&[4], &[1.0, 1.0, 1.0, 2.0])];
    let x = signed(&[1, 1, 1, 3], &[-10, 20, 31]);
    let resized = |mode| answer(onnx("Resize").text("mode", mode), &x, wider());
    assert_eq!(resized("nearest"), signed(&[1, 1, 1, 6], &[-10, -10, 20, 20, 31, 31]));
    assert_eq!(resized("linear"), signed(&[1, 1, 1, 6], &[-10, -2, 12, 22, 28, 31]));
}

#[test]
fn many_nodes_cannot_share_one_long_list_of_scales() {
    let shared = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("q{i}")).collect();
        let read = |name: &String| node("DequantizeLinear", &["w", "scale"], &[name]).int("axis", 0);
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let nodes = names.iter().map(read).chain([node("Sum", &inputs, &["y"])]).collect();
        let Known(bytes) = u8(&[10_000], &[0; 10_000]) else { unreachable!("weights are known") };
        let weights = vec![TensorProto { name: "w".into(), ..*bytes }, weight("scale", &[10_000], &[1.0; 10_000])];
        let limits = Limits { max_memory: 1 << 21, ..Limits::default() };
        load(network(&[1], nodes, weights), 13)?.graph(&ImportOptions { limits, ..ImportOptions::default() })
    };
    assert!(shared(10).is_ok());
    let error = shared(20).expect_err("20 lists of 80 kB");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn quantization_must_make_sense() {
    let x = f32_tensor(&[2, 3], &[0.0; 6]);
    let place = "\n  --> node \"y\" (QuantizeLinear)\n   = expected ";
    let quantize = |operands| refusal(onnx("QuantizeLinear"), &x, operands);
    for (value, text) in [(0.0, "0"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        assert_eq!(
            quantize(vec![X, scale(value)]),
            format!("scale of a quantization is not valid{place}a finite number other than zero, got {text}")
        );
    }
    assert_eq!(
        quantize(vec![X, scale(-0.5)]),
        format!("scale of a quantization is not valid{place}a positive number, got -0.5")
    );
    assert_eq!(
        quantize(vec![X, floats(&[2], &[1.0; 2])]),
        format!(
            "quantization does not fit its tensor{place}one scale and zero point, or 3 of each for axis 1 of [2,3], \
             got 2 scales and 2 zero points"
        )
    );
    assert_eq!(
        quantize(vec![X, floats(&[2, 3], &[1.0; 6])]),
        format!(
            "quantization by blocks is not supported{place}one scale for [2,3], or one for each index along an axis, \
             got scales or zero points [2,3]"
        )
    );
    assert_eq!(
        quantize(vec![X, floats(&[3], &[1.0; 3]), integers(5, &[3], &[0; 3])]),
        format!(
            "real numbers are quantized to 8 or 16 bits only{place}integers of 8 bits, or of 16 bits with one scale, \
             got I16"
        )
    );
    assert_eq!(
        quantize(vec![X, scale(1.0), integers(22, &[1], &[0])]),
        format!(
            "element type is not supported\n  --> tensor \"w2\"\n   = expected floats of 16 to 64 bits, \
             integers of 8 to 64 bits or booleans, got TensorProto.DataType 22 (4-bit integer)"
        )
    );
    assert_eq!(
        refusal(onnx("QuantizeLinear").int("output_dtype", 17), &x, vec![X, scale(1.0)]),
        format!(
            "element type is not supported{place}floats of 16 to 64 bits, integers of 8 to 64 bits or booleans, \
             got TensorProto.DataType 17 (8-bit float)"
        )
    );
    assert_eq!(
        refusal(onnx("QuantizeLinear").int("block_size", 2), &x, vec![X, scale(1.0)]),
        format!(
            "attribute \"block_size\" has a value that is not supported{place}\
             0: one scale, or one for each index along an axis, got 2"
        )
    );
    let place = "\n  --> node \"y\" (DequantizeLinear)\n   = expected ";
    assert_eq!(
        refusal(onnx("DequantizeLinear"), &row(), vec![X, scale(1.0), i8(&[], &[0])]),
        format!("zero point is of another type than its integers{place}u8, got i8")
    );
    let wide = Tensor::zeros(Shape::new([2]).expect("a small shape"), DType::I64);
    assert_eq!(
        refusal(onnx("DequantizeLinear").int("axis", 0), &wide, vec![X, floats(&[2], &[1.0; 2])]),
        format!(
            "computed integers of more than 8 bits have several scales, or an unknown one{place}one known scale, \
             got another"
        )
    );
}
