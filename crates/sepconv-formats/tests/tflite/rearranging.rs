//! Operators that move pixels, and those that MediaPipe adds.

use crate::operators::{NONE, check, damage, floats, ints, open, pairs, results};
use crate::writer::Field::{Bytes, I8, I32};
use crate::writer::{CUSTOM, Node, Table, Tensor, file, file_of};
use sepconv_core::op::Conv2d;
use sepconv_core::{Op, interpret};
use sepconv_formats::ImportOptions;
use sepconv_formats::tflite::Tflite;

#[test]
fn blocks_become_channels_and_back() {
    let block = |size: i32| (0, vec![(0, I32(size))]);
    check(26, block(2), &[open(&[1, 2, 4, 1])], &[1, 1, 2, 4], &[-3.0, -2.0, 1.0, 2.0, -1.0, 0.0, 3.0, 4.0]);
    check(5, block(2), &[open(&[1, 1, 2, 4])], &[1, 2, 4, 1], &[-3.0, -2.0, 1.0, 2.0, -1.0, 0.0, 3.0, 4.0]);
    for (code, size, shape) in
        [(26, 0, [1, 2, 2, 1]), (26, 3, [1, 2, 2, 1]), (5, 2, [1, 1, 1, 6]), (5, 0, [1, 1, 1, 4])]
    {
        assert!(results(code, block(size), &[open(&shape)], 1).is_err(), "{code} {size}");
    }
}

#[test]
fn space_goes_to_the_batch_and_back() {
    let batched = [open(&[1, 2, 2, 1]), ints(&[2, 2]), pairs(&[0, 0, 1, 1])];
    check(38, NONE, &batched, &[4, 1, 2, 1], &[0.0, 0.0, -1.0, 0.0, 0.0, 2.0, 1.0, 0.0]);
    let collected = [open(&[4, 1, 2, 1]), ints(&[2, 2]), pairs(&[0, 0, 1, 1])];
    check(37, NONE, &collected, &[1, 2, 2, 1], &[-1.0, -2.0, 3.0, 2.0]);
    let refused = |code: i32, blocks: &[i32], amounts: &[i32]| {
        results(code, NONE, &[open(&[4, 3, 2, 1]), ints(blocks), pairs(amounts)], 1).is_err()
    };
    assert!(refused(38, &[2, 2], &[0, 0, 0, 0]) && refused(38, &[0, 1], &[0; 4]) && refused(38, &[1, 1], &[0; 2]));
    assert!(refused(37, &[3, 1], &[0; 4]) && refused(37, &[2, 2], &[4, 3, 0, 0]) && refused(37, &[1; 4], &[0; 8]));
}

/// Tensors: the operand, weights, bias, blocks, pads, crops; SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND.
fn batched_convolution(crops: [i32; 4]) -> Vec<u8> {
    let weights: Vec<f32> = (0..9).map(|i| i as f32 - 3.0).collect();
    let tensors = [
        Tensor::open(&[1, 5, 4, 1]),
        Tensor::floats(&[1, 3, 3, 1], &weights),
        Tensor::floats(&[1], &[0.5]),
        Tensor::ints(&[2, 2]),
        Tensor { shape: vec![2, 2], ..Tensor::ints(&[2, 3, 2, 2]) },
        Tensor { shape: vec![2, 2], ..Tensor::ints(&crops) },
        Tensor::open(&[]),
        Tensor::open(&[]),
        Tensor::open(&[]),
    ];
    let node = |code: i32, inputs: &[i32], output: i32, options: (i8, Table)| Node {
        code,
        inputs: inputs.to_vec(),
        outputs: vec![output],
        options,
    };
    let valid = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I8(1))]);
    let nodes = [node(38, &[0, 3, 4], 6, NONE), node(3, &[6, 1, 2], 7, valid), node(37, &[7, 3, 5], 8, NONE)];
    file(&tensors, &nodes, &[0], &[8])
}

#[test]
fn a_convolution_between_batched_blocks_is_a_dilated_one() {
    let graph = |bytes: Vec<u8>| Tflite::parse(bytes).unwrap().graph(&ImportOptions::default()).unwrap();
    let x = sepconv_core::Tensor::f32([1, 5, 4, 1], (0..20).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let weights: Vec<f32> = (0..9).map(|i| i as f32 - 3.0).collect();
    let dilated = (1, vec![(0, I8(0)), (1, I32(1)), (2, I32(1)), (3, I8(1)), (4, I32(2)), (5, I32(2))]);
    let tensors = [
        Tensor::open(&[1, 5, 4, 1]),
        Tensor::floats(&[1, 3, 3, 1], &weights),
        Tensor::floats(&[1], &[0.5]),
        Tensor::open(&[]),
    ];
    let node = Node { code: 3, inputs: vec![0, 1, 2], outputs: vec![3], options: dilated };
    let expected = interpret(&graph(file(&tensors, &[node], &[0], &[3])), std::slice::from_ref(&x)).unwrap();
    let recognized = graph(batched_convolution([0, 1, 0, 0]));
    let dilations = recognized.nodes().iter().map(|node| match &node.op {
        Op::Conv2d(Conv2d { window, .. }) => window.dilation,
        other => panic!("{other:?}"),
    });
    assert_eq!(dilations.collect::<Vec<_>>(), [[2, 2]]);
    assert_eq!(interpret(&recognized, std::slice::from_ref(&x)).unwrap(), expected);
    // More is cut off than was added: that is no padding.
    let literal = graph(batched_convolution([3, 0, 0, 0]));
    assert!(literal.nodes().len() > 3);
    let got = interpret(&literal, &[x]).unwrap().remove(0);
    assert_eq!(got.shape()[..], [1, 3, 4, 1]);
    assert_eq!(got.as_f32().unwrap()[..8], expected[0].as_f32().unwrap()[12..]);
}

#[test]
fn vectors_are_divided_by_their_length_and_axes_reversed() {
    check(11, NONE, &[floats(&[2, 2], &[3.0, -4.0, 0.0, 0.0])], &[2, 2], &[0.6, -0.8, 0.0, 0.0]);
    check(105, NONE, &[open(&[2, 3]), ints(&[-1])], &[2, 3], &[0.0, -1.0, -2.0, 3.0, 2.0, 1.0]);
    check(105, NONE, &[open(&[2, 3]), ints(&[0, 1])], &[2, 3], &[3.0, 2.0, 1.0, 0.0, -1.0, -2.0]);
    let pool = (5, vec![(0, I8(1)), (1, I32(2)), (2, I32(1)), (3, I32(2)), (4, I32(1))]);
    check(12, pool, &[floats(&[1, 1, 4, 1], &[1.0, 7.0, -3.0, 3.0])], &[1, 1, 2, 1], &[5.0, 3.0]);
    let result = results(145, NONE, &[ints(&[2, 1, 3]), ints(&[4, 1])], 1).unwrap().remove(0);
    assert_eq!(result.as_i64().unwrap(), [2, 4, 3]);
    assert!(results(145, NONE, &[ints(&[2, 3]), ints(&[4, 1])], 1).is_err());
}

fn custom(name: &str, words: &[i32]) -> (i8, Table) {
    let words = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    (0, vec![(1, Bytes(name.as_bytes().to_vec())), (5, Bytes(words))])
}

#[test]
fn transposed_convolutions_of_mediapipe_find_their_size() {
    let operands = [open(&[1, 1, 2, 1]), floats(&[1, 1, 3, 1], &[1.0, 10.0, 100.0]), floats(&[1], &[0.5])];
    let options = |padding: i32| custom("Convolution2DTransposeBias", &[padding, 2, 1]);
    // 0 and 1, two pixels apart.
    check(CUSTOM, options(2), &operands, &[1, 1, 5, 1], &[0.5, 0.5, 1.5, 10.5, 100.5]);
    check(CUSTOM, options(1), &operands, &[1, 1, 4, 1], &[0.5, 0.5, 1.5, 10.5]);
    for broken in [custom("Convolution2DTransposeBias", &[2, 2]), options(0), options(3)] {
        assert!(results(CUSTOM, broken, &operands, 1).is_err());
    }
}

#[test]
fn pooling_remembers_where_the_largest_were() {
    let pool = |name: &str| custom(name, &[1, 2, 2, 2, 2, 0]);
    let x = floats(&[1, 2, 4, 1], &[1.0, 5.0, 2.0, 2.0, 4.0, 0.0, 1.0, 2.0]);
    let pooled = results(CUSTOM, pool("MaxPoolingWithArgmax2D"), &[x], 2).unwrap();
    assert_eq!(pooled[0].as_f32().unwrap(), [5.0, 2.0]);
    let places: Vec<u32> = pooled[1].as_f32().unwrap().iter().map(|place| place.to_bits()).collect();
    assert_eq!(places, [1, 0]);
    let places: Vec<f32> = [1, 2].map(f32::from_bits).to_vec();
    let operands = [open(&[1, 1, 2, 1]), floats(&[1, 1, 2, 1], &places)];
    check(CUSTOM, pool("MaxUnpooling2D"), &operands, &[1, 2, 4, 1], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    for words in [&[1, 1, 2, 2, 2, 0], &[1, 2, 2, 2, 0, 0], &[1, 9, 9, 9, 9, 0]] {
        assert!(results(CUSTOM, custom("MaxPoolingWithArgmax2D", words), &[open(&[1, 18, 18, 1])], 2).is_err());
    }
}

/// A network of one composite operator, and the network that spells that out: the negated operand.
fn composite(subgraph: i32, inner: &[Node]) -> sepconv_core::Result<Vec<sepconv_core::Tensor>> {
    let tensors = [Tensor::open(&[2]), Tensor::open(&[2])];
    let node = Node { code: 206, inputs: vec![0], outputs: vec![1], options: (21, vec![(1, I32(subgraph))]) };
    let bytes = file_of(&[(&tensors, &[node], &[0], &[1]), (&tensors, inner, &[0], &[1])]);
    damage(&bytes);
    let graph = Tflite::parse(bytes)?.graph(&ImportOptions::default())?;
    interpret(&graph, &[sepconv_core::Tensor::f32([2], [1.0, -2.0])?])
}

#[test]
fn composite_operators_are_spelled_out_by_a_subgraph() {
    let node = |code: i32, options: (i8, Table)| Node { code, inputs: vec![0], outputs: vec![1], options };
    assert_eq!(composite(1, &[node(59, NONE)]).unwrap()[0].as_f32().unwrap(), [-1.0, 2.0]);
    assert!(composite(2, &[node(59, NONE)]).is_err(), "there is no such subgraph");
    let itself = composite(1, &[node(206, (21, vec![(1, I32(1))]))]).unwrap_err().to_string();
    assert!(itself.contains("subgraph cannot be called"), "{itself}");
    assert!(composite(1, &[]).is_err(), "the result is not computed");
}
