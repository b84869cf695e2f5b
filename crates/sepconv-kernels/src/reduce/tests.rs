use std::vec;

use super::{Reduction, reduce};

const INFINITY: f32 = f32::INFINITY;

#[test]
fn every_reduction_of_a_few_numbers() {
    let x = [1.0, -2.0, 3.0, 4.0];
    let e = core::f32::consts::E;
    let cases = [
        (Reduction::Mean, 1.5),
        (Reduction::Sum, 6.0),
        (Reduction::Max, 4.0),
        (Reduction::Min, -2.0),
        (Reduction::Prod, -24.0),
        (Reduction::L1, 10.0),
        (Reduction::L2, libm::sqrtf(30.0)),
        (Reduction::SumSquare, 30.0),
        (Reduction::LogSum, libm::logf(6.0)),
        (Reduction::LogSumExp, libm::logf(e + libm::powf(e, -2.0) + libm::powf(e, 3.0) + libm::powf(e, 4.0))),
    ];
    for (reduction, want) in cases {
        let mut out = [f32::NAN];
        reduce(reduction, &[2, 2], &[true, true], &x, &mut out);
        assert!((out[0] - want).abs() <= 1e-6 * want.abs(), "{reduction:?}: expected {want}, got {}", out[0]);
    }
}

#[test]
fn every_reduction_of_nothing() {
    let cases = [
        (Reduction::Sum, 0.0),
        (Reduction::Max, -INFINITY),
        (Reduction::Min, INFINITY),
        (Reduction::Prod, 1.0),
        (Reduction::L1, 0.0),
        (Reduction::L2, 0.0),
        (Reduction::SumSquare, 0.0),
        (Reduction::LogSum, -INFINITY),
        (Reduction::LogSumExp, -INFINITY),
    ];
    for (reduction, want) in cases {
        let mut out = [f32::NAN; 2];
        reduce(reduction, &[2, 0, 3], &[false, true, true], &[], &mut out);
        assert_eq!(out, [want; 2], "{reduction:?}");
        assert!(out[0] != 0.0 || out[0].is_sign_positive(), "{reduction:?} gave -0");
    }
    let mut out = [0.0];
    reduce(Reduction::Mean, &[0], &[true], &[], &mut out);
    assert!(out[0].is_nan());
}

#[test]
fn great_exponents_do_not_overflow() {
    let mut out = [f32::NAN];
    reduce(Reduction::LogSumExp, &[2], &[true], &[1000.0, 1000.0], &mut out);
    assert_eq!(out[0], 1000.0 + core::f32::consts::LN_2);
    reduce(Reduction::LogSumExp, &[2], &[true], &[-INFINITY, -INFINITY], &mut out);
    assert_eq!(out[0], -INFINITY);
}

#[test]
fn any_set_of_axes() {
    // The value at [i, j, k, l] is a number whose digits are the index.
    let dims = [2, 3, 4, 2];
    let index = |n: usize| [n / 24, n / 8 % 3, n / 2 % 4, n % 2];
    let x: std::vec::Vec<f32> =
        (0..48).map(|n| index(n).iter().fold(0.0, |digits, i| digits * 10.0 + *i as f32)).collect();
    for flags in 0..16u32 {
        let reduced = [0, 1, 2, 3].map(|axis| flags >> axis & 1 == 1);
        let mut strides = [0; 4];
        let mut len = 1;
        for axis in (0..4).rev().filter(|&axis| !reduced[axis]) {
            (strides[axis], len) = (len, len * dims[axis]);
        }
        let mut expected = vec![0.0; len];
        for (n, x) in x.iter().enumerate() {
            let place: usize = index(n).iter().zip(strides).map(|(i, stride)| i * stride).sum();
            expected[place] += x;
        }
        let mut out = vec![f32::NAN; len];
        reduce(Reduction::Sum, &dims, &reduced, &x, &mut out);
        assert_eq!(out, expected, "{reduced:?}");
    }
}
