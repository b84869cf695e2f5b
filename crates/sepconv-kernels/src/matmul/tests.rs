use std::vec;

use super::{matmul, reference};
use crate::Isa;
use crate::testing::Lcg;

const SHAPES: [[usize; 3]; 8] =
    [[1, 1, 1], [4, 3, 16], [5, 7, 17], [3, 16, 33], [9, 1, 8], [2, 0, 5], [0, 3, 4], [6, 300, 31]];

#[test]
fn whole_numbers_are_exact() {
    let mut lcg = Lcg(1);
    for isa in Isa::available_f32() {
        for [m, k, n] in SHAPES {
            let (a, b) = (lcg.integers(m * k), lcg.integers(k * n));
            let (mut got, mut expected) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
            matmul(isa, m, k, n, &a, &b, &mut got);
            reference(m, k, n, &a, &b, &mut expected);
            assert_eq!(got, expected, "{isa} {m}x{k}x{n}");
        }
    }
}

#[test]
fn real_numbers_stay_within_the_stated_bound() {
    let mut lcg = Lcg(2);
    for isa in Isa::available_f32() {
        for [m, k, n] in SHAPES {
            let (a, b) = (lcg.f32_vec(m * k), lcg.f32_vec(k * n));
            let (mut got, mut expected) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
            matmul(isa, m, k, n, &a, &b, &mut got);
            reference(m, k, n, &a, &b, &mut expected);
            // Magnitudes are below 1, and without a fused multiply-add products are rounded too.
            let bound = (2 * k * k) as f32 * f32::EPSILON / 2.0;
            for (got, want) in got.iter().zip(&expected) {
                assert!((got - want).abs() <= bound, "{isa} {m}x{k}x{n}: expected {want}, got {got}");
            }
        }
    }
}
