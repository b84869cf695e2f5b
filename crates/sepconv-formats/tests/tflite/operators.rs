//! The meaning of each TensorFlow Lite operator, on files of one node. LiteRT's reference kernels were given the same
//! files and answer the same numbers, but for weights of integers, whose activations LiteRT rounds, and a few that it
//! does not take.

use crate::writer::Field::{Bool, F32, Floats, I8, I32, Ints};
use crate::writer::{Node, Table, Tensor, file};
use sepconv_core::{Limits, Result, interpret};
use sepconv_formats::ImportOptions;
use sepconv_formats::tflite::Tflite;

/// The results of one operator: those operands that are open get 1, 2, 3… less half their number.
pub(crate) fn results(
    code: i32,
    options: (i8, Table),
    operands: &[Option<Tensor>],
    count: usize,
) -> Result<Vec<sepconv_core::Tensor>> {
    let mut tensors: Vec<Tensor> = operands.iter().flatten().cloned().collect();
    let mut given = 0..;
    let inputs = operands.iter().map(|operand| if operand.is_some() { given.next().unwrap() } else { -1 }).collect();
    let open: Vec<i32> =
        (0..).zip(&tensors).filter(|(_, tensor)| tensor.data.is_none()).map(|(index, _)| index).collect();
    let shapes: Vec<Vec<usize>> =
        open.iter().map(|&i| tensors[i as usize].shape.iter().map(|&d| d as usize).collect()).collect();
    let first = tensors.len() as i32;
    let outputs: Vec<i32> = (first..first + count as i32).collect();
    tensors.extend(vec![Tensor::open(&[]); count]);
    let node = Node { code, inputs, outputs: outputs.clone(), options };
    let bytes = file(&tensors, &[node], &open, &outputs);
    damage(&bytes);
    let graph = Tflite::parse(bytes)?.graph(&ImportOptions::default())?;
    let inputs: Result<Vec<_>> = shapes
        .into_iter()
        .map(|shape| {
            let count = shape.iter().product::<usize>();
            let data: Vec<f32> = (0..count).map(|i| (i + 1) as f32 - (count / 2) as f32).collect();
            sepconv_core::Tensor::f32(shape, data)
        })
        .collect();
    interpret(&graph, &inputs?)
}

/// Gives each byte of a file a few other values in turn. Whatever becomes of the file, nothing panics.
pub(crate) fn damage(bytes: &[u8]) {
    let limits = Limits { max_memory: 1 << 20, max_macs: 1 << 20, max_nodes: 100 };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    for place in 0..bytes.len() {
        for value in [0, 1, 4, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.to_vec();
            damaged[place] = value;
            let _ = Tflite::parse(damaged).and_then(|file| file.graph(&options));
        }
    }
}

/// Asserts the shape and the elements of the only result, the latter within a millionth.
#[track_caller]
pub(crate) fn check(code: i32, options: (i8, Table), operands: &[Option<Tensor>], shape: &[usize], expected: &[f32]) {
    let result = results(code, options, operands, 1).unwrap_or_else(|error| panic!("{error}")).remove(0);
    assert_eq!(result.shape()[..], *shape);
    let data = result.as_f32().unwrap();
    let close = data.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-6 * (1.0 + b.abs()));
    assert!(close && data.len() == expected.len(), "{data:?} instead of {expected:?}");
}

pub(crate) fn open(shape: &[i32]) -> Option<Tensor> {
    Some(Tensor::open(shape))
}

pub(crate) fn floats(shape: &[i32], data: &[f32]) -> Option<Tensor> {
    Some(Tensor::floats(shape, data))
}

pub(crate) fn ints(data: &[i32]) -> Option<Tensor> {
    Some(Tensor::ints(data))
}

pub(crate) const NONE: (i8, Table) = (0, vec![]);

#[test]
fn convolution_pads_the_odd_pixel_at_the_end() {
    // 4x4 of -7..8, 3x3 of ones, SAME at stride 2: windows at 0..3 and 2..4.
    let options = |activation: i8| (1, vec![(0, I8(0)), (1, I32(2)), (2, I32(2)), (3, I8(activation))]);
    let operands = [open(&[1, 4, 4, 1]), floats(&[1, 3, 3, 1], &[1.0; 9]), floats(&[1], &[0.0])];
    check(3, options(0), &operands, &[1, 2, 2, 1], &[-18.0, -3.0, 24.0, 22.0]);
    check(3, options(3), &operands, &[1, 2, 2, 1], &[0.0, 0.0, 6.0, 6.0]);
    let biased = [operands[0].clone(), operands[1].clone(), floats(&[1], &[6.5])];
    check(3, options(2), &biased, &[1, 2, 2, 1], &[-1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn convolution_takes_groups_from_its_weights_and_reads_width_before_height() {
    // Channels 0 and 1 of each pixel, each with its own weight.
    let pointwise = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(1))]);
    check(
        3,
        pointwise,
        &[open(&[1, 1, 2, 2]), floats(&[2, 1, 1, 1], &[10.0, 100.0]), floats(&[2], &[0.0; 2])],
        &[1, 1, 2, 2],
        &[-10.0, 0.0, 10.0, 200.0],
    );
    // Width: stride 1, dilation 2. Height: stride 2, dilation 1.
    let options = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(2)), (4, I32(2)), (5, I32(1))]);
    check(
        3,
        options,
        &[open(&[1, 3, 4, 1]), floats(&[1, 1, 2, 1], &[1.0, 10.0]), floats(&[1], &[0.0])],
        &[1, 2, 2, 1],
        &[-35.0, -24.0, 53.0, 64.0],
    );
}

#[test]
fn depthwise_keeps_the_multiples_of_a_channel_together() {
    let options = |multiplier: i32| (2, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I32(multiplier))]);
    let operands = [open(&[1, 1, 2, 2]), floats(&[1, 1, 1, 4], &[1.0, 10.0, 100.0, 1000.0])];
    check(4, options(2), &operands, &[1, 1, 2, 4], &[-1.0, -10.0, 0.0, 0.0, 1.0, 10.0, 200.0, 2000.0]);
    check(4, options(0), &operands, &[1, 1, 2, 4], &[-1.0, -10.0, 0.0, 0.0, 1.0, 10.0, 200.0, 2000.0]);
    let error = results(4, options(3), &operands, 1).unwrap_err().to_string();
    assert!(error.contains("depthwise weights do not match the input channels"), "{error}");
    // Dilated by 2 across, SAME: two columns of padding, one on each side.
    let dilated = (2, vec![(0, I8(0)), (1, I32(1)), (2, I32(1)), (3, I32(1)), (5, I32(2))]);
    let operands = [open(&[1, 1, 4, 1]), floats(&[1, 1, 2, 1], &[1.0, 10.0])];
    check(4, dilated, &operands, &[1, 1, 4, 1], &[0.0, 9.0, 20.0, 1.0]);
}

#[test]
fn weights_may_be_halves_or_integers_with_a_scale_for_each_filter() {
    let quantization = vec![(2, Floats(vec![0.5, 2.0])), (6, I32(0))];
    let mut weights = Tensor { kind: 9, data: Some(vec![3, 0xff]), ..Tensor::open(&[2, 1, 1, 1]) };
    weights.more = vec![(4, crate::writer::Field::Table(quantization))];
    let options = (1, vec![(0, I8(1)), (1, I32(1)), (2, I32(1))]);
    check(3, options, &[open(&[1, 1, 2, 1]), Some(weights)], &[1, 1, 2, 2], &[0.0, 0.0, 1.5, -2.0]);
    // One, minus two, the smallest half and infinity.
    let halves = Tensor { kind: 1, data: Some(vec![0, 0x3c, 0, 0xc0, 1, 0, 0, 0x7c]), ..Tensor::open(&[4]) };
    let result = results(6, NONE, &[Some(halves)], 1).unwrap().remove(0);
    assert_eq!(result.as_f32().unwrap(), [1.0, -2.0, 2f32.powi(-24), f32::INFINITY]);
}

#[test]
fn transposed_convolution_fills_the_shape_that_it_is_given() {
    let options = |padding: i8, stride: i32| (49, vec![(0, I8(padding)), (1, I32(stride)), (2, I32(stride))]);
    let weights = floats(&[1, 1, 3, 1], &[1.0, 10.0, 100.0]);
    let x = open(&[1, 1, 2, 1]);
    // SAME at stride 2: 0 spreads over columns 0, 1, 2 and 1 over 2, 3, 4, of which the last is cut off.
    let operands = [ints(&[1, 1, 4, 1]), weights.clone(), x.clone()];
    let y = results(67, options(0, 2), &operands, 1).unwrap().remove(0);
    assert_eq!((y.shape()[..].to_vec(), y.as_f32().unwrap().to_vec()), (vec![1, 1, 4, 1], vec![0.0, 0.0, 1.0, 10.0]));
    let operands = [ints(&[1, 1, 5, 1]), weights.clone(), x.clone(), floats(&[1], &[0.5])];
    check(67, options(1, 2), &operands, &[1, 1, 5, 1], &[0.5, 0.5, 1.5, 10.5, 100.5]);
    let error = results(67, options(1, 2), &[ints(&[1, 5, 1]), weights, x], 1).unwrap_err().to_string();
    assert!(error.contains("output shape has the wrong rank"), "{error}");
}

#[test]
fn fully_connected_flattens_its_input() {
    let weights = floats(&[1, 4], &[1.0, 2.0, 3.0, 4.0]);
    check(9, (8, vec![]), &[open(&[2, 1, 2, 2]), weights.clone(), None], &[2, 1], &[-10.0, 30.0]);
    let keep = (8, vec![(2, Bool(true))]);
    check(9, keep, &[open(&[1, 2, 4]), weights.clone(), floats(&[1], &[0.5])], &[1, 2, 1], &[-9.5, 30.5]);
    assert!(results(9, (8, vec![]), &[open(&[1, 3]), weights, None], 1).is_err());
}

#[test]
fn elementwise_operators_broadcast_and_clip() {
    let row = floats(&[2], &[1.0, -2.0]);
    let x = || open(&[2, 2]); // -1, 0, 1, 2
    check(0, (11, vec![(0, I8(2))]), &[x(), row.clone()], &[2, 2], &[0.0, -1.0, 1.0, 0.0]);
    check(41, (28, vec![]), &[x(), row.clone()], &[2, 2], &[-2.0, 2.0, 0.0, 4.0]);
    check(18, (21, vec![(0, I8(1))]), &[x(), row.clone()], &[2, 2], &[0.0, 0.0, 1.0, 0.0]);
    check(42, (29, vec![(0, I8(0))]), &[x(), row.clone()], &[2, 2], &[-1.0, 0.0, 1.0, -1.0]);
    check(55, NONE, &[x(), row.clone()], &[2, 2], &[1.0, 0.0, 1.0, 2.0]);
    check(57, NONE, &[x(), row.clone()], &[2, 2], &[-1.0, -2.0, 1.0, -2.0]);
    check(99, NONE, &[x(), row.clone()], &[2, 2], &[4.0, 4.0, 0.0, 16.0]);
    check(54, NONE, &[x(), floats(&[2], &[0.5, 7.0])], &[2, 2], &[-0.5, 0.0, 1.0, 2.0]);
    check(78, NONE, &[x(), floats(&[1], &[2.0])], &[2, 2], &[1.0, 0.0, 1.0, 4.0]);
    check(92, NONE, &[x()], &[2, 2], &[1.0, 0.0, 1.0, 4.0]);
    check(106, NONE, &[x(), x(), x()], &[2, 2], &[-3.0, 0.0, 3.0, 6.0]);
    let error = results(0, (11, vec![(0, I8(5))]), &[x(), row], 1).unwrap_err().to_string();
    assert!(error.contains("fused activation is not supported"), "{error}");
}

#[test]
fn functions_of_one_number_have_their_meaning() {
    let x = || [open(&[4])]; // -1, 0, 1, 2
    let e = 1f32.exp();
    check(19, NONE, &x(), &[4], &[0.0, 0.0, 1.0, 2.0]);
    check(20, NONE, &x(), &[4], &[-1.0, 0.0, 1.0, 1.0]);
    check(152, NONE, &x(), &[4], &[0.0, 0.0, 1.0, 1.0]);
    check(98, (75, vec![(0, F32(0.25))]), &x(), &[4], &[-0.25, 0.0, 1.0, 2.0]);
    check(111, NONE, &x(), &[4], &[1.0 / e - 1.0, 0.0, 1.0, 2.0]);
    check(117, NONE, &x(), &[4], &[-1.0 / 3.0, 0.0, 2.0 / 3.0, 5.0 / 3.0]);
    check(14, NONE, &x(), &[4], &[1.0 / (1.0 + e), 0.5, e / (1.0 + e), e * e / (1.0 + e * e)]);
    check(47, NONE, &x(), &[4], &[1.0 / e, 1.0, e, e * e]);
    check(101, NONE, &x(), &[4], &[1.0, 0.0, 1.0, 2.0]);
    check(59, NONE, &x(), &[4], &[1.0, 0.0, -1.0, -2.0]);
    check(76, NONE, &[floats(&[2], &[4.0, 0.25])], &[2], &[0.5, 2.0]);
}

#[test]
fn pooling_leaves_padding_out() {
    let options = (5, vec![(0, I8(0)), (1, I32(2)), (2, I32(2)), (3, I32(3)), (4, I32(3)), (5, I8(0))]);
    check(1, options.clone(), &[open(&[1, 4, 4, 1])], &[1, 2, 2, 1], &[-2.0, -0.5, 4.0, 5.5]);
    check(17, options, &[open(&[1, 4, 4, 1])], &[1, 2, 2, 1], &[3.0, 4.0, 7.0, 8.0]);
    let relu = (5, vec![(0, I8(1)), (1, I32(1)), (2, I32(1)), (3, I32(2)), (4, I32(1)), (5, I8(1))]);
    check(1, relu, &[open(&[1, 2, 2, 1])], &[1, 2, 1, 1], &[0.0, 1.5]);
}

#[test]
fn reductions_take_axes_from_both_ends() {
    let keep = |keep| (27, vec![(0, Bool(keep))]);
    check(40, keep(false), &[open(&[1, 2, 2, 2]), ints(&[1, -2, 2])], &[1, 2], &[0.0, 1.0]);
    check(74, keep(true), &[open(&[2, 2]), ints(&[-1])], &[2, 1], &[-1.0, 3.0]);
    check(82, keep(false), &[open(&[2, 2]), ints(&[0])], &[2], &[1.0, 2.0]);
    check(89, keep(false), &[open(&[2, 2]), ints(&[0, 1])], &[], &[-1.0]);
    assert!(results(40, keep(false), &[open(&[2, 2]), ints(&[2])], 1).is_err());
}

#[test]
fn softmax_is_scaled_by_beta() {
    let share = |beta: f32| 1.0 / (1.0 + beta.exp());
    let options = |beta: f32| (9, vec![(0, F32(beta))]);
    check(25, options(1.0), &[open(&[1, 2])], &[1, 2], &[share(1.0), 1.0 - share(1.0)]);
    check(25, options(2.0), &[open(&[1, 2])], &[1, 2], &[share(2.0), 1.0 - share(2.0)]);
    check(50, NONE, &[open(&[1, 2])], &[1, 2], &[share(1.0).ln(), (1.0 - share(1.0)).ln()]);
}

#[test]
fn planes_are_resized_in_each_convention() {
    let x = || open(&[1, 1, 3, 1]); // 0, 1, 2
    let bilinear = |align, half| (15, vec![(2, Bool(align)), (3, Bool(half))]);
    let nearest = |align, half| (74, vec![(0, Bool(align)), (1, Bool(half))]);
    let to = |width: i32| ints(&[1, width]);
    check(23, bilinear(false, false), &[x(), to(6)], &[1, 1, 6, 1], &[0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
    check(23, bilinear(true, false), &[x(), to(5)], &[1, 1, 5, 1], &[0.0, 0.5, 1.0, 1.5, 2.0]);
    check(23, bilinear(false, true), &[x(), to(6)], &[1, 1, 6, 1], &[0.0, 0.25, 0.75, 1.25, 1.75, 2.0]);
    check(97, nearest(false, false), &[x(), to(5)], &[1, 1, 5, 1], &[0.0, 0.0, 1.0, 1.0, 2.0]);
    check(97, nearest(true, false), &[x(), to(5)], &[1, 1, 5, 1], &[0.0, 1.0, 1.0, 2.0, 2.0]);
    check(97, nearest(false, true), &[x(), to(6)], &[1, 1, 6, 1], &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    check(97, nearest(false, true), &[x(), to(2)], &[1, 1, 2, 1], &[0.0, 2.0]);
    // With both flags lines start at the corners, and the nearest pixel half a pixel farther.
    check(23, bilinear(true, true), &[x(), to(5)], &[1, 1, 5, 1], &[0.0, 0.5, 1.0, 1.5, 2.0]);
    check(97, nearest(true, true), &[x(), to(5)], &[1, 1, 5, 1], &[0.0, 1.0, 1.0, 2.0, 2.0]);
}

#[test]
fn shapes_change_and_elements_stay() {
    let elements = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
    let x = || open(&[1, 2, 1, 3]);
    check(22, NONE, &[x(), ints(&[3, -1])], &[3, 2], &elements);
    check(22, (17, vec![(0, Ints(vec![-1]))]), &[x()], &[6], &elements);
    assert!(results(22, NONE, &[x(), ints(&[4, -1])], 1).is_err());
    assert!(results(22, NONE, &[x(), ints(&[-1, -1])], 1).is_err());
    assert!(results(22, NONE, &[x(), ints(&[-2, -3])], 1).is_err());
    check(43, (30, vec![]), &[x()], &[2, 3], &elements);
    check(43, (30, vec![(0, Ints(vec![-2]))]), &[x()], &[1, 2, 3], &elements);
    assert!(results(43, (30, vec![(0, Ints(vec![1]))]), &[x()], 1).is_err());
    check(70, NONE, &[open(&[6]), ints(&[-1])], &[6, 1], &elements);
    check(39, NONE, &[open(&[2, 3]), ints(&[1, 0])], &[3, 2], &[-2.0, 1.0, -1.0, 2.0, 0.0, 3.0]);
    check(130, NONE, &[open(&[2, 1]), ints(&[2, 2])], &[2, 2], &[0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn tensors_are_joined_and_taken_apart() {
    let x = || open(&[2, 2]); // -1, 0, 1, 2
    let row = floats(&[2, 1], &[7.0, 8.0]);
    check(2, (10, vec![(0, I32(-1)), (1, I8(1))]), &[x(), row], &[2, 3], &[0.0, 0.0, 7.0, 1.0, 2.0, 8.0]);
    let pair = || open(&[2]); // 0, 1
    check(83, (59, vec![(0, I32(2)), (1, I32(-1))]), &[pair(), pair()], &[2, 2], &[0.0, 0.0, 1.0, 1.0]);
    let parts = |code, options, operands: &[Option<Tensor>], count| -> Vec<(Vec<usize>, Vec<f32>)> {
        let results = results(code, options, operands, count).unwrap();
        results.iter().map(|part| (part.shape().to_vec(), part.as_f32().unwrap().to_vec())).collect()
    };
    let halves = parts(49, (35, vec![(0, I32(2))]), &[ints_scalar(1), x()], 2);
    assert_eq!(halves, [(vec![2, 1], vec![-1.0, 1.0]), (vec![2, 1], vec![0.0, 2.0])]);
    let uneven = parts(102, (79, vec![(0, I32(2))]), &[open(&[3]), ints(&[1, -1]), ints_scalar(0)], 2);
    assert_eq!(uneven, [(vec![1], vec![0.0]), (vec![2], vec![1.0, 2.0])]);
    let rows = parts(88, (64, vec![(0, I32(2)), (1, I32(0))]), &[x()], 2);
    assert_eq!(rows, [(vec![2], vec![-1.0, 0.0]), (vec![2], vec![1.0, 2.0])]);
    assert!(results(49, (35, vec![(0, I32(3))]), &[ints_scalar(1), x()], 3).is_err());
    assert!(results(88, (64, vec![(1, I32(0))]), &[x()], 3).is_err());
}

fn ints_scalar(value: i32) -> Option<Tensor> {
    Some(Tensor { shape: vec![], ..Tensor::ints(&[value]) })
}

pub(crate) fn pairs(amounts: &[i32]) -> Option<Tensor> {
    Some(Tensor { shape: vec![amounts.len() as i32 / 2, 2], ..Tensor::ints(amounts) })
}

#[test]
fn padding_surrounds_by_pairs() {
    let x = || open(&[1, 3]); // 0, 1, 2
    check(34, NONE, &[x(), pairs(&[0, 1, 1, 0])], &[2, 4], &[0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    check(60, NONE, &[x(), pairs(&[0, 0, 1, 2]), floats(&[], &[9.0])], &[1, 6], &[9.0, 0.0, 1.0, 2.0, 9.0, 9.0]);
    check(100, (77, vec![(0, I8(0))]), &[x(), pairs(&[0, 0, 2, 1])], &[1, 6], &[2.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
    check(100, (77, vec![(0, I8(1))]), &[x(), pairs(&[0, 0, 2, 1])], &[1, 6], &[1.0, 0.0, 0.0, 1.0, 2.0, 2.0]);
    assert!(results(100, (77, vec![(0, I8(1))]), &[x(), pairs(&[0, 0, 4, 1])], 1).is_err());
    assert!(results(100, (77, vec![(0, I8(2))]), &[x(), pairs(&[0, 0, 1, 1])], 1).is_err());
    assert!(results(34, NONE, &[x(), pairs(&[0, 0])], 1).is_err());
    assert!(results(34, NONE, &[x(), pairs(&[0, 0, -1, 0])], 1).is_err());
}

#[test]
fn slices_follow_their_masks() {
    let x = || open(&[2, 4]); // -3..4
    check(65, NONE, &[x(), ints(&[1, 1]), ints(&[1, -1])], &[1, 3], &[2.0, 3.0, 4.0]);
    assert!(results(65, NONE, &[x(), ints(&[0, 2]), ints(&[1, 3])], 1).is_err());
    let slice = |masks: [i32; 3], begin: &[i32], end: &[i32], step: &[i32], shape: &[usize], expected: &[f32]| {
        let options = (32, vec![(0, I32(masks[0])), (1, I32(masks[1])), (4, I32(masks[2]))]);
        check(45, options, &[x(), ints(begin), ints(end), ints(step)], shape, expected);
    };
    slice([0, 0, 0], &[0, 1], &[2, -1], &[1, 1], &[2, 2], &[-2.0, -1.0, 2.0, 3.0]);
    slice([0, 0, 0], &[1, 0], &[9, 9], &[1, 3], &[1, 2], &[1.0, 4.0]);
    slice([0b11, 0b11, 0], &[1, 1], &[1, 1], &[-1, -2], &[2, 2], &[4.0, 2.0, 0.0, -2.0]);
    slice([0, 0b10, 0b01], &[-1, 2], &[0, 0], &[1, 1], &[2], &[3.0, 4.0]);
    slice([0, 0, 0b11], &[1, -1], &[0, 0], &[1, 1], &[], &[4.0]);
    slice([0, 0, 0], &[1], &[2], &[1], &[1, 4], &[1.0, 2.0, 3.0, 4.0]);
    slice([0, 0, 0], &[1, 3], &[2, 1], &[1, 1], &[1, 0], &[]);
    let with = |field: usize, bits: i32, entries: &[i32], shape: &[usize], expected: &[f32]| {
        let end: Vec<i32> = entries.iter().map(|begin| begin + 1).collect();
        let operands = [x(), ints(entries), ints(&end), ints(&vec![1; entries.len()])];
        check(45, (32, vec![(field, I32(bits))]), &operands, shape, expected);
    };
    with(2, 0b01, &[0, 2], &[2, 1], &[-1.0, 3.0]);
    with(2, 0b10, &[1, 0], &[1, 4], &[1.0, 2.0, 3.0, 4.0]);
    with(3, 0b01, &[0, 1], &[1, 1, 4], &[1.0, 2.0, 3.0, 4.0]);
    with(3, 0b10, &[1, 0, 2], &[1, 1, 1], &[3.0]);
    let relative = [x(), ints(&[0, 1]), ints(&[2, 2]), ints(&[1, 1])];
    check(45, (32, vec![(5, Bool(true))]), &relative, &[2, 2], &[-2.0, -1.0, 2.0, 3.0]);
    let twice = [x(), ints(&[0, 0]), ints(&[1, 1]), ints(&[1, 1])];
    assert!(results(45, (32, vec![(2, I32(3))]), &twice, 1).is_err());
    let outside = [x(), ints(&[2, 0]), ints(&[3, 1]), ints(&[1, 1])];
    assert!(results(45, (32, vec![(4, I32(1))]), &outside, 1).is_err());
    let still = [x(), ints(&[0, 0]), ints(&[1, 1]), ints(&[1, 0])];
    assert!(results(45, (32, vec![]), &still, 1).is_err());
}

#[test]
fn shapes_are_constants_and_indices_gather() {
    let result = results(77, (55, vec![]), &[open(&[2, 1, 3])], 1).unwrap().remove(0);
    assert_eq!(result.as_i64().unwrap(), [2, 1, 3]);
    check(36, (23, vec![(0, I32(-1))]), &[open(&[2, 2]), ints(&[1, 1, 0])], &[2, 3], &[0.0, 0.0, -1.0, 2.0, 2.0, 1.0]);
    assert!(results(36, (23, vec![(1, I32(1))]), &[open(&[2, 2]), ints(&[1])], 1).is_err());
}
