//! The TensorFlow Lite reader on quantized tensors: what is dequantized, what stays bytes, and what no quantization may
//! say. Files of one operator.

use crate::malformed::refused;
use crate::operators::damage;
use crate::writer::Field::{self, Bool, F32, Floats, I8, I32, Ints, Longs};
use crate::writer::{Node, Table, Tensor, file};
use sepconv_core::{ErrorKind, Graph, Op, Tensor as Values, interpret};
use sepconv_formats::ImportOptions;
use sepconv_formats::tflite::Tflite;

const NONE: (i8, Table) = (0, vec![]);

/// The bytes of a file with one operator from `operands` to `results`.
fn network(code: i32, options: (i8, Table), operands: &[Tensor], results: &[Tensor]) -> Vec<u8> {
    let tensors = [operands, results].concat();
    let count = operands.len() as i32;
    let open: Vec<i32> = (0..count).filter(|&i| tensors[i as usize].data.is_none()).collect();
    let outputs: Vec<i32> = (count..tensors.len() as i32).collect();
    let node = Node { code, inputs: (0..count).collect(), outputs: outputs.clone(), options };
    file(&tensors, &[node], &open, &outputs)
}

fn graph(code: i32, options: (i8, Table), operands: &[Tensor], results: &[Tensor]) -> Graph {
    let bytes = network(code, options, operands, results);
    damage(&bytes);
    let graph = Tflite::parse(bytes).and_then(|file| file.graph(&ImportOptions::default()));
    graph.unwrap_or_else(|error| panic!("{error}"))
}

/// How many operators of a graph go between bytes and real numbers.
fn crossings(graph: &Graph) -> usize {
    graph.nodes().iter().filter(|node| matches!(node.op, Op::Quantize(_) | Op::Dequantize(_))).count()
}

fn u8(shape: &[usize], data: &[u8]) -> Values {
    Values::u8(shape, data).unwrap()
}

fn i8(shape: &[usize], data: &[i8]) -> Values {
    Values::i8(shape, data).unwrap()
}

/// Signed bytes of scale 1 around 0.
fn plain(shape: &[i32]) -> Tensor {
    Tensor::i8(shape, &[1.0], &[0], 0)
}

/// A bias with these scales, which the file says belong to an axis that it has not.
fn bias(data: &[i32], scale: &[f32]) -> Tensor {
    let fields = vec![(2, Floats(scale.to_vec())), (6, I32(3))];
    Tensor { more: vec![(4, Field::Table(fields))], ..Tensor::ints(data) }
}

#[test]
fn a_convolution_of_unsigned_bytes_computes_with_real_numbers() {
    // Twice (10, 30) around 20 with scale 0.5: -5 and 5. Weights (129, 126) around 127: 2 and -1, scaled by 1.
    let operands = [
        Tensor::u8(&[1, 1, 2, 2], 0.5, 20),
        Tensor { kind: 3, ..Tensor::u8(&[1, 1, 1, 2], 1.0, 127).holding(&[-127, 126]) },
        bias(&[6], &[0.5]),
    ];
    let options = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I8(0))]);
    let graph = graph(3, options, &operands, &[Tensor::u8(&[1, 1, 2, 1], 0.25, 100)]);
    let y = interpret(&graph, &[u8(&[1, 1, 2, 2], &[10, 30, 30, 10])]).unwrap();
    // -5·2 + 5·-1 + 3 = -12 and 18, which 8-bit bytes hold as 100 - 48 and 100 + 72.
    assert_eq!(y, [u8(&[1, 1, 2, 1], &[52, 172])]);
    assert_eq!(crossings(&graph), 4);
}

#[test]
fn weights_of_signed_bytes_have_a_scale_for_each_filter() {
    let options = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I8(1))]);
    let x = Tensor::i8(&[1, 1, 1, 2], &[0.5], &[-4], 0);
    let y = Tensor::i8(&[1, 1, 1, 3], &[1.0], &[-128], 0);
    // The last filter's scale is negative, as files have where a batch normalization was folded in.
    let scale = [1.0, 2.0, -1.0];
    let given = [6i8, 10];
    for zeros in [&[][..], &[0], &[0, 0, 0]] {
        let weights = Tensor::i8(&[3, 1, 1, 2], &scale, zeros, 0).holding(&[1, 2, 3, 4, 5, -6]);
        let operands = [x.clone(), weights, bias(&[2, 0, 0], &[0.5, 1.0, -0.5])];
        let graph = graph(3, options.clone(), &operands, std::slice::from_ref(&y));
        // 5 and 7: 5·1 + 7·2 + 1, twice 5·3 + 7·4, and -(5·5 - 7·6), above -128.
        let result = interpret(&graph, &[i8(&[1, 1, 1, 2], &given)]).unwrap();
        assert_eq!(result, [i8(&[1, 1, 1, 3], &[-108, -42, -111])]);
    }
    // Depthwise, where filters are the last axis.
    let weights = Tensor::i8(&[1, 1, 1, 2], &scale[..2], &[], 3).holding(&[1, -3]);
    let options = (2, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I32(1)), (4, I8(0))]);
    let y = Tensor::i8(&[1, 1, 1, 2], &[0.5], &[0], 0);
    let graph = graph(4, options, &[x, weights, bias(&[2, 2], &[0.5, 1.0])], &[y]);
    let result = interpret(&graph, &[i8(&[1, 1, 1, 2], &given)]).unwrap();
    assert_eq!(result, [i8(&[1, 1, 1, 2], &[12, -80])]);
}

#[test]
fn weights_alone_may_be_bytes() {
    let weights = Tensor::i8(&[2, 2], &[0.5, 0.25], &[], 0).holding(&[1, 2, 3, 4]);
    let graph = graph(9, (8, vec![]), &[Tensor::open(&[1, 2]), weights], &[Tensor::open(&[1, 2])]);
    let y = interpret(&graph, &[Values::f32([1, 2], [10.0, 100.0]).unwrap()]).unwrap();
    assert_eq!(y[0].as_f32().unwrap(), [105.0, 107.5]);
}

/// An operator that moves elements: its number and options, its operands behind the bytes, and what it makes of 1 to 6
/// in two rows.
type Moving = (i32, (i8, Table), Vec<Tensor>, Vec<i8>);

fn moves() -> Vec<Moving> {
    let ints = |data: &[i32]| Tensor::ints(data);
    let pairs = |data: &[i32]| Tensor { shape: vec![2, 2], ..Tensor::ints(data) };
    let scalar = |value: i32| Tensor { shape: vec![], ..Tensor::ints(&[value]) };
    let all = vec![1, 2, 3, 4, 5, 6];
    vec![
        (22, NONE, vec![ints(&[3, 2])], all.clone()),
        (43, (30, vec![]), vec![], all.clone()),
        (70, NONE, vec![scalar(0)], all),
        (39, NONE, vec![ints(&[1, 0])], vec![1, 4, 2, 5, 3, 6]),
        (100, (77, vec![(0, I8(0))]), vec![pairs(&[0, 0, 1, 0])], vec![2, 1, 2, 3, 5, 4, 5, 6]),
        (130, NONE, vec![ints(&[1, 2, 3])], vec![1, 2, 3, 4, 5, 6]),
        (36, (23, vec![(0, I32(1))]), vec![ints(&[2, 0])], vec![3, 1, 6, 4]),
        (65, NONE, vec![ints(&[0, 1]), ints(&[2, 1])], vec![2, 5]),
        (45, (32, vec![]), vec![ints(&[0, 0]), ints(&[1, 3]), ints(&[1, 2])], vec![1, 3]),
    ]
}

#[test]
fn moving_elements_leaves_bytes_alone() {
    let x = |shape: &[i32]| Tensor::i8(shape, &[0.3], &[7], 0);
    let input = i8(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    for (code, options, more, expected) in moves() {
        let operands = [&[x(&[2, 3])], &more[..]].concat();
        // Another scale changes nothing; another type does.
        for result in [x(&[]), Tensor::i8(&[], &[0.2], &[0], 0)] {
            let graph = graph(code, options.clone(), &operands, &[result]);
            assert_eq!(crossings(&graph), 0, "{graph}");
            let result = interpret(&graph, std::slice::from_ref(&input)).unwrap().remove(0);
            assert_eq!(result.as_i8().unwrap(), expected, "operator {code}");
        }
        let graph = graph(code, options, &operands, &[Tensor::u8(&[], 0.3, 8)]);
        let result = interpret(&graph, std::slice::from_ref(&input)).unwrap().remove(0);
        let expected: Vec<u8> = expected.iter().map(|byte| (byte + 1).cast_unsigned()).collect();
        assert_eq!(result.as_u8().unwrap(), expected, "operator {code}");
    }
}

#[test]
fn parts_are_taken_from_bytes() {
    let x = || Tensor::u8(&[2, 2], 0.3, 7);
    let axis = Tensor { shape: vec![], ..Tensor::ints(&[0]) };
    let rows = [u8(&[1, 2], &[1, 2]), u8(&[1, 2], &[3, 4])];
    let cases = [
        (49, (35, vec![(0, I32(2))]), vec![axis.clone(), x()], rows.clone()),
        (102, (79, vec![(0, I32(2))]), vec![x(), Tensor::ints(&[1, 1]), axis], rows),
        (88, (64, vec![(0, I32(2))]), vec![x()], [u8(&[2], &[1, 2]), u8(&[2], &[3, 4])]),
    ];
    for (code, options, operands, expected) in cases {
        let graph = graph(code, options, &operands, &[x(), x()]);
        assert_eq!(crossings(&graph), 0, "{graph}");
        assert_eq!(interpret(&graph, &[u8(&[2, 2], &[1, 2, 3, 4])]).unwrap(), expected, "operator {code}");
    }
}

#[test]
fn padding_is_made_of_the_byte_that_stands_for_zero() {
    let pairs = || Tensor { shape: vec![1, 2], ..Tensor::ints(&[1, 2]) };
    let byte = |scale, data: u8| Tensor::u8(&[], scale, 7).holding(&[data.cast_signed()]);
    let pad = |operands: &[Tensor], result| {
        let graph = graph(if operands.len() == 3 { 60 } else { 34 }, NONE, operands, &[result]);
        (crossings(&graph), interpret(&graph, &[u8(&[2], &[1, 200])]).unwrap().remove(0))
    };
    let x = || Tensor::u8(&[2], 0.5, 7);
    assert_eq!(pad(&[x(), pairs()], x()), (0, u8(&[5], &[7, 1, 200, 7, 7])));
    assert_eq!(pad(&[x(), pairs(), byte(0.5, 9)], x()), (0, u8(&[5], &[9, 1, 200, 9, 9])));
    // Otherwise real numbers are padded: here with 0, with (9 - 7)·2 = 4, and with 1 where the result has another
    // scale.
    assert_eq!(pad(&[x(), pairs()], Tensor::u8(&[5], 1.0, 6)), (2, u8(&[5], &[6, 3, 102, 6, 6])));
    assert_eq!(pad(&[x(), pairs(), byte(2.0, 9)], x()), (2, u8(&[5], &[15, 1, 200, 15, 15])));
    let dequantized = Tensor::floats(&[], &[1.0]);
    assert_eq!(pad(&[x(), pairs(), dequantized], Tensor::u8(&[5], 1.0, 6)), (2, u8(&[5], &[7, 3, 102, 7, 7])));
}

#[test]
fn tensors_are_joined_as_bytes_where_all_are_quantized_alike() {
    let x = |scale| Tensor::u8(&[1, 2], scale, 10);
    let join = |code, options, operands: &[Tensor], result| {
        let graph = graph(code, options, operands, &[result]);
        let inputs = [u8(&[1, 2], &[10, 14]), u8(&[1, 2], &[10, 18])];
        (crossings(&graph), interpret(&graph, &inputs[..graph.inputs().len()]).unwrap().remove(0))
    };
    let concat = |activation| (10, vec![(0, I32(0)), (1, I8(activation))]);
    let bytes = || u8(&[2, 2], &[10, 14, 10, 18]);
    assert_eq!(join(2, concat(0), &[x(1.0), x(1.0)], x(1.0)), (0, bytes()));
    assert_eq!(join(2, concat(0), &[x(1.0), x(0.5)], x(1.0)), (3, u8(&[2, 2], &[10, 14, 10, 14])));
    assert_eq!(join(2, concat(3), &[x(1.0), x(1.0)], x(1.0)), (3, u8(&[2, 2], &[10, 14, 10, 16])));
    let held = x(1.0).holding(&[10, 18]);
    assert_eq!(join(2, concat(0), &[x(1.0), held], x(1.0)), (0, bytes()));
    let pack = (59, vec![(0, I32(2)), (1, I32(0))]);
    assert_eq!(join(83, pack, &[x(1.0), x(1.0)], x(1.0)).1, u8(&[2, 1, 2], &[10, 14, 10, 18]));
}

#[test]
fn the_largest_of_bytes_is_a_byte() {
    let x = |scale| Tensor::i8(&[1, 1, 2, 1], &[scale], &[-100], 0);
    let pool = |activation, result| {
        let options = (5, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I32(2)), (4, I32(1)), (5, I8(activation))]);
        let graph = graph(17, options, &[x(1.0)], &[result]);
        (crossings(&graph), interpret(&graph, &[i8(&[1, 1, 2, 1], &[-120, 50])]).unwrap().remove(0))
    };
    assert_eq!(pool(0, x(1.0)), (0, i8(&[1, 1, 1, 1], &[50])));
    assert_eq!(pool(3, x(1.0)), (2, i8(&[1, 1, 1, 1], &[-94])));
    assert_eq!(pool(0, x(2.0)), (2, i8(&[1, 1, 1, 1], &[-25])));
}

#[test]
fn numbers_are_quantized_to_the_nearest_byte_and_back() {
    let x = [-1e9, -0.75, -0.25, 0.0, 0.25, 0.74, 1e9, f32::NAN];
    let quantize = graph(114, NONE, &[Tensor::open(&[8])], &[Tensor::u8(&[8], 0.5, 10)]);
    let y = interpret(&quantize, &[Values::f32([8], x).unwrap()]).unwrap();
    // Halves go to the even byte.
    assert_eq!(y, [u8(&[8], &[0, 8, 10, 10, 10, 11, 255, 0])]);
    let requantize = graph(114, NONE, &[Tensor::u8(&[3], 0.5, 10)], &[Tensor::i8(&[3], &[0.25], &[-3], 0)]);
    assert_eq!(interpret(&requantize, &[u8(&[3], &[0, 12, 200])]).unwrap(), [i8(&[3], &[-23, 1, 127])]);
    let dequantize = graph(6, NONE, &[Tensor::i8(&[2], &[0.25], &[-3], 0)], &[Tensor::open(&[2])]);
    let y = interpret(&dequantize, &[i8(&[2], &[-3, 127])]).unwrap();
    assert_eq!(y[0].as_f32().unwrap(), [0.0, 32.5]);
    let halves = Tensor { kind: 1, data: Some(vec![0, 0x3c]), ..Tensor::open(&[1]) };
    let constant = graph(6, NONE, &[halves], &[Tensor::open(&[1])]);
    assert_eq!(constant.value(constant.outputs()[0].value).constant.as_ref().unwrap().as_f32(), Some(&[1.0][..]));
}

#[test]
fn functions_are_of_real_numbers_and_their_results_are_bytes() {
    let table = |code, options: (i8, Table), result: Tensor, given: &[i8], expected: &[i8]| {
        let shape = [1, given.len()];
        let x = Tensor::i8(&[1, given.len() as i32], &[0.1], &[0], 0);
        let y = interpret(&graph(code, options, &[x], &[result]), &[i8(&shape, given)]).unwrap();
        assert_eq!(y, [i8(&shape, expected)], "operator {code}");
    };
    let fixed = |scale: f32, zero| Tensor::i8(&[], &[scale], &[zero], 0);
    let tenths = || fixed(0.1, 0);
    table(14, NONE, fixed(1.0 / 256.0, -128), &[-100, 0, 10, 100], &[-128, 0, 59, 127]);
    table(28, NONE, fixed(1.0 / 128.0, 0), &[-100, 0, 10, 100], &[-128, 0, 97, 127]);
    table(25, (9, vec![(0, F32(1.0))]), fixed(1.0 / 256.0, -128), &[0, 10], &[-59, 59]);
    table(117, NONE, tenths(), &[-40, -20, 0, 10, 40], &[0, -3, 0, 7, 40]);
    table(19, NONE, tenths(), &[-40, 40], &[0, 40]);
    table(98, (75, vec![(0, F32(0.5))]), tenths(), &[-40, 40], &[-20, 40]);
}

#[test]
fn sums_products_and_means_are_of_real_numbers() {
    let x = |scale: f32| Tensor::i8(&[1, 1, 2, 1], &[scale], &[1], 0);
    let options = |activation: i8| vec![(0, I8(activation))];
    let given = [i8(&[1, 1, 2, 1], &[5, -3]), i8(&[1, 1, 2, 1], &[11, 21])];
    let run = |code, options, operands: &[Tensor], result| {
        let graph = graph(code, options, operands, &[result]);
        interpret(&graph, &given[..graph.inputs().len()]).unwrap().remove(0).as_i8().unwrap().to_vec()
    };
    // (4, -4) and (5, 10)
    let pair = [x(1.0), x(0.5)];
    assert_eq!(run(0, (11, options(0)), &pair, x(1.0)), [10, 7]);
    assert_eq!(run(0, (11, options(3)), &pair, x(1.0)), [7, 7]);
    assert_eq!(run(41, (28, options(0)), &pair, x(1.0)), [0, -13]);
    assert_eq!(run(18, (21, options(1)), &pair, x(1.0)), [21, 1]);
    let axes = Tensor::ints(&[1, 2]);
    assert_eq!(run(40, (27, vec![(0, Bool(false))]), &[x(0.25), axes], Tensor::i8(&[], &[0.5], &[0], 0)), [0]);
    let average = (5, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I32(2)), (4, I32(1)), (5, I8(0))]);
    assert_eq!(run(1, average, &[x(1.0)], x(1.0)), [1]);
    let size = || Tensor::ints(&[1, 4]);
    assert_eq!(run(23, (15, vec![]), &[x(1.0), size()], x(1.0)), [5, 1, -3, -3]);
    assert_eq!(run(97, (74, vec![]), &[x(1.0), size()], x(1.0)), [5, 5, -3, -3]);
}

#[test]
fn a_tensor_is_dequantized_once() {
    let x = Tensor::i8(&[2], &[0.5], &[1], 0);
    let node =
        |code, inputs: &[i32], output| Node { code, inputs: inputs.to_vec(), outputs: vec![output], options: NONE };
    let nodes = [node(19, &[0], 1), node(18, &[0, 1], 2), node(0, &[0, 2], 3)];
    let file = file(&vec![x; 4], &nodes, &[0], &[3]);
    let graph = Tflite::parse(file).unwrap().graph(&ImportOptions::default()).unwrap();
    assert_eq!(crossings(&graph), 3 + 3, "{graph}");
}

#[test]
fn shapes_of_bytes_need_no_scale() {
    let unknown = Tensor { kind: 3, ..Tensor::open(&[2, 3]) };
    let graph = graph(77, (55, vec![]), std::slice::from_ref(&unknown), &[Tensor { kind: 2, ..Tensor::open(&[]) }]);
    assert_eq!(interpret(&graph, &[u8(&[2, 3], &[0; 6])]).unwrap()[0].as_i64().unwrap(), [2, 3]);
    let turned = self::graph(39, NONE, &[unknown.clone(), Tensor::ints(&[1, 0])], &[unknown]);
    let y = interpret(&turned, &[u8(&[2, 3], &[1, 2, 3, 4, 5, 6])]).unwrap();
    assert_eq!(y, [u8(&[3, 2], &[1, 4, 2, 5, 3, 6])]);
}

/// The whole text of the error for `t1 = relu(t0)`.
fn error(x: Tensor, y: Tensor) -> String {
    let file = Tflite::parse(network(19, NONE, &[x], &[y]));
    file.and_then(|file| file.graph(&ImportOptions::default())).unwrap_err().to_string()
}

#[test]
fn scales_and_zero_points_must_make_sense() {
    let quantized = |scale: &[f32], zero: &[i64]| Tensor::i8(&[2, 3], scale, zero, 0);
    for (scale, text) in [(0.0, "0"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        assert_eq!(
            error(quantized(&[scale], &[0]), plain(&[2, 3])),
            format!(
                "scale of a quantization is not valid\n  --> tensor \"t0\"\n   \
                 = expected a finite number other than zero, got {text}"
            )
        );
    }
    assert_eq!(
        error(quantized(&[-0.5], &[0]), plain(&[2, 3])),
        "scale of a quantization is not valid\n  --> tensor 0 \"t0\"\n   = expected a positive number, got -0.5"
    );
    assert_eq!(
        error(plain(&[2, 3]), quantized(&[-0.5], &[0])),
        "scale of a quantization is not valid\n  --> node \"t1\" (RELU)\n   = expected a positive number, got -0.5"
    );
    assert_eq!(
        error(quantized(&[0.5], &[-129]), plain(&[2, 3])),
        "zero point is outside its dtype\n  --> tensor \"t0\"\n   \
         = expected -128 to 127 (i8), got -129"
    );
    assert_eq!(
        error(Tensor::u8(&[2, 3], 0.5, 256), plain(&[2, 3])),
        "zero point is outside its dtype\n  --> tensor \"t0\"\n   = expected 0 to 255 (u8), got 256"
    );
    assert_eq!(
        error(quantized(&[0.5], &[1 << 40]), plain(&[2, 3])),
        "zero point is outside its dtype\n  --> tensor \"t0\"\n   \
         = expected at most 32 bits, got 1099511627776"
    );
    assert_eq!(
        error(quantized(&[0.5], &[0, 0]), plain(&[2, 3])),
        "quantization does not fit its tensor\n  --> tensor \"t0\"\n   \
         = expected one scale for [2,3] or for each index along an axis, and as many zero points or none, \
         got 1 scales and 2 zero points"
    );
}

#[test]
fn activations_are_bytes_with_one_scale() {
    let several = || Tensor::i8(&[2, 3], &[0.5; 2], &[], 0);
    let text = "activations with several scales are not supported";
    assert_eq!(error(several(), plain(&[2, 3])), format!("{text}\n  --> input \"t0\"\n   = expected one scale, got 2"));
    assert_eq!(
        error(plain(&[2, 3]), several()),
        format!("{text}\n  --> node \"t1\" (RELU)\n   = expected one scale, got 2")
    );
    let wide = || Tensor { kind: 7, ..several() };
    assert_eq!(error(wide(), plain(&[2, 3])), format!("{text}\n  --> input \"t0\"\n   = expected one scale, got 2"));
    let none = || Tensor { kind: 7, ..Tensor::i8(&[2, 3], &[0.0], &[], 0) };
    let text = "scale of a quantization is not valid";
    let rest = "\n   = expected a positive number, got 0";
    assert_eq!(error(plain(&[2, 3]), none()), format!("{text}\n  --> node \"t1\" (RELU){rest}"));
    assert_eq!(
        error(Tensor { kind: 17, ..plain(&[2, 3]) }, plain(&[2, 3])),
        "4-bit activations are not supported\n  --> input \"t0\"\n   = expected bytes, got 4-bit integers"
    );
    let unknown = || Tensor { kind: 9, ..Tensor::open(&[2, 3]) };
    let text = "quantized tensor has no scale\n  --> ";
    assert_eq!(error(unknown(), plain(&[2, 3])), format!("{text}tensor 0 \"t0\"\n   = expected a scale, got none"));
    assert_eq!(error(plain(&[2, 3]), unknown()), format!("{text}node \"t1\" (RELU)\n   = expected a scale, got none"));
}

#[test]
fn activations_of_16_bits_are_rounded_to_their_steps() {
    let wide = |scale: f32| Tensor { kind: 7, ..Tensor::i8(&[1, 4], &[scale], &[0], 0) };
    // ADD of steps of 0.25 and 0.5 in steps of 0.75.
    let graph = graph(0, (11, vec![]), &[wide(0.25), wide(0.5)], &[wide(0.75)]);
    let input = |values: &[i64]| Values::i64([1, 4], values).unwrap();
    let output = interpret(&graph, &[input(&[3, -3, 9, 32767]), input(&[1, 0, 0, 32767])]).unwrap();
    // 1.25, -0.75, 2.25 and 24575.25 are 1.67, -1, 3 and 32767 steps.
    assert_eq!(output, [input(&[2, -1, 3, 32767])]);
    let output = interpret(&graph, &[input(&[-32768, 6, 5, 4]), input(&[-32768, 0, 2, 1])]).unwrap();
    assert_eq!(output, [input(&[-32768, 2, 3, 2])]);
}

#[test]
fn scales_of_weights_must_fit_them() {
    let conv = |weights: Tensor| {
        let options = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(1))]);
        network(3, options, &[plain(&[1, 1, 1, 2]), weights], &[plain(&[1, 1, 1, 3])])
    };
    let weights =
        |scale: &[f32], zero: &[i64], axis| Tensor::i8(&[3, 1, 1, 2], scale, zero, axis).holding(&[1, 2, 3, 4, 5, 6]);
    let place = "tensor 1 \"t1\"";
    refused(
        conv(weights(&[1.0; 2], &[], 0)),
        ErrorKind::Malformed,
        &[
            "quantization does not fit its tensor",
            place,
            "one scale and zero point, or 3 of each for axis 0 of [3,1,1,2], got 2 scales and 2 zero points",
        ],
    );
    refused(conv(weights(&[1.0; 7], &[], 0)), ErrorKind::Malformed, &["does not fit its tensor", place, "7 scales"]);
    refused(conv(weights(&[1.0; 3], &[0; 2], 0)), ErrorKind::Malformed, &["does not fit its tensor", "2 zero points"]);
    refused(conv(weights(&[1.0; 3], &[0, 0, 200], 0)), ErrorKind::Malformed, &["zero point", place, "got 200"]);
    refused(conv(weights(&[1.0, 1.0, 0.0], &[], 0)), ErrorKind::Malformed, &["scale of a quantization", "got 0"]);
    for axis in [4, -5] {
        let text = format!("expected -4 to 3, got {axis}");
        refused(conv(weights(&[1.0; 3], &[], axis)), ErrorKind::Mismatch, &["axis is out of range", place, &text]);
    }
    let fields = vec![(2, Floats(vec![1.0])), (3, Longs(vec![0]))];
    let listed = Tensor { more: vec![(4, Field::Table(fields))], ..plain(&[1]) };
    let ints = (17, vec![(0, Ints(vec![1]))]);
    assert!(
        Tflite::parse(network(22, ints, &[listed], &[plain(&[1])])).unwrap().graph(&ImportOptions::default()).is_ok()
    );
}
