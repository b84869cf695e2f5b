use std::vec;
use std::vec::Vec;

use super::{Mean, PoolKind, global_average, global_average_reference, pool, pool_int8, reference};
use crate::requantize::Requantize;
use crate::testing::Lcg;
use crate::{ConvGeometry, Isa, Rows, Window};

const KINDS: [PoolKind; 3] =
    [PoolKind::Max, PoolKind::Average { count_padding: false }, PoolKind::Average { count_padding: true }];

fn shapes() -> Vec<(PoolKind, ConvGeometry)> {
    let mut shapes = Vec::new();
    for (i, kernel) in [[2, 2], [3, 3], [3, 2], [1, 4]].into_iter().enumerate() {
        for stride in 1..=3 {
            for dilation in 1..=2 {
                for (before, after) in [([0, 0], [0, 0]), ([1, 0], [0, 1]), ([1, 1], [1, 1])] {
                    let window = Window { kernel, stride: [stride; 2], dilation: [dilation; 2], before, after };
                    let channels = [1, 7, 16, 35][i];
                    // The output as it is, and with one more row and column, as `ceil_mode` may ask.
                    for extra in 0..=1 {
                        let output = window.output([7, 9]).map(|[h, w]| [h + extra, w + extra, channels]);
                        let make = |output| {
                            KINDS.map(|kind| (kind, ConvGeometry::depthwise(window, [7, 9, channels], output)))
                        };
                        shapes.extend(output.into_iter().flat_map(make));
                    }
                }
            }
        }
    }
    // More rows than are found at once.
    let tall = Window { before: [2, 0], after: [2, 0], ..Window::new(11, 2) };
    shapes.extend(KINDS.map(|kind| (kind, ConvGeometry::depthwise(tall, [12, 3, 5], [6, 2, 5]))));
    shapes
}

fn run(isa: Isa, kind: PoolKind, shape: &ConvGeometry, x: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; shape.output.iter().product()];
    pool(isa, kind, shape, Rows::new(x, shape.input[1] * shape.input[2]), 0..shape.output[0], &mut out);
    out
}

#[test]
fn whole_numbers_are_exact() {
    let mut lcg = Lcg(1);
    for (kind, shape) in shapes() {
        let x = lcg.integers(shape.input.iter().product());
        let mut expected = vec![f32::NAN; shape.output.iter().product()];
        reference(kind, &shape, &x, &mut expected);
        for isa in Isa::available_f32() {
            assert_eq!(run(isa, kind, &shape, &x), expected, "{isa} {kind:?} {shape:?}");
        }
    }
}

#[test]
fn padding_counts_only_when_asked_and_never_beyond_the_pads() {
    let window = Window { stride: [2; 2], before: [1; 2], after: [0; 2], ..Window::new(2, 2) };
    let shape = ConvGeometry::depthwise(window, [4, 4, 1], [3, 3, 1]);
    let kind = |count_padding| PoolKind::Average { count_padding };
    let x = [4.0; 16];
    let inside = [4.0; 9];
    // Corners at the top left hold 1 cell and 3 of padding; those at the other end hang over the feature map, where
    // nothing counts.
    let padded = [1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 2.0, 4.0, 4.0];
    for isa in Isa::available_f32() {
        assert_eq!(run(isa, kind(false), &shape, &x), inside, "{isa}");
        assert_eq!(run(isa, kind(true), &shape, &x), padded, "{isa}");
    }
}

#[test]
fn a_ring_of_rows_serves_as_well() {
    let mut lcg = Lcg(2);
    let window = Window { stride: [2, 1], before: [1, 1], after: [1, 1], ..Window::new(3, 3) };
    let shape = ConvGeometry::depthwise(window, [9, 5, 19], [5, 5, 19]);
    let row = 5 * 19;
    let x = lcg.f32_vec(9 * row);
    for isa in Isa::available_f32() {
        let expected = run(isa, PoolKind::Max, &shape, &x);
        for y in 0..5usize {
            let mut ring = vec![f32::NAN; 3 * row];
            for from in (2 * y).saturating_sub(1)..(2 * y + 2).min(9) {
                ring[from % 3 * row..][..row].copy_from_slice(&x[from * row..][..row]);
            }
            let mut out = vec![f32::NAN; row];
            pool(isa, PoolKind::Max, &shape, Rows::new(&ring, row), y..y + 1, &mut out);
            assert_eq!(out, expected[y * row..][..row], "{isa} row {y}");
        }
    }
}

#[test]
fn global_average_is_the_mean() {
    let mut lcg = Lcg(3);
    for isa in Isa::available_f32() {
        for (pixels, c) in [(1, 1), (49, 17), (50, 64), (1000, 5), (12_544, 3)] {
            let x = lcg.integers(pixels * c);
            let (mut got, mut expected) = (vec![f32::NAN; c], vec![f32::NAN; c]);
            global_average(isa, c, &x, &mut got);
            global_average_reference(c, &x, &mut expected);
            assert_eq!(got, expected, "{isa} {pixels} pixels of {c} channels");

            let x: Vec<f32> = lcg.f32_vec(pixels * c).iter().map(|x| x + 10.0).collect();
            global_average(isa, c, &x, &mut got);
            global_average_reference(c, &x, &mut expected);
            let bound = 11.0 * (64.0 + pixels as f32 / 64.0) * f32::EPSILON / 2.0;
            for (got, want) in got.iter().zip(&expected) {
                assert!((got - want).abs() <= bound, "{isa} {pixels} pixels: expected {want}, got {got}");
            }
        }
    }
}

#[test]
fn bytes_are_those_of_the_definition() {
    let mut lcg = Lcg(5);
    let output = Requantize { zero_point: 12, low: 3, high: 240 };
    let mean = Mean { zero_point: 100, scale: 1.7, output };
    for (kind, shape) in shapes() {
        let x = lcg.bytes(shape.input.iter().product());
        let [h, w, c] = shape.input;
        let average = (kind != PoolKind::Max).then_some(&mean);
        let expected = (0..shape.output.iter().product()).map(|i| {
            let [_, ow, _] = shape.output;
            let (y, column, channel) = (i / (ow * c), i / c % ow, i % c);
            let columns = shape.window.taps(1, column, w).map(|kx| shape.window.source(1, column, kx));
            let rows = shape.window.taps(0, y, h).map(|ky| shape.window.source(0, y, ky));
            let taps: Vec<u8> =
                rows.flat_map(|y| columns.clone().map(move |x| (y * w + x) * c)).map(|at| x[at + channel]).collect();
            match average {
                Some(mean) => mean.apply(taps.iter().map(|&x| i32::from(x)).sum(), taps.len()),
                None => taps.iter().copied().max().unwrap_or(0),
            }
        });
        let expected: Vec<u8> = expected.collect();
        for isa in Isa::available() {
            let mut got = vec![77; expected.len()];
            pool_int8(isa, &shape, average, Rows::new(&x[..], w * c), 0..shape.output[0], &mut got);
            assert_eq!(got, expected, "{isa} {shape:?}");
        }
    }
}
