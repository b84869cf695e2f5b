use std::vec;

use super::{Reduction, as_middle_axis, reduce, reference};
use crate::Isa;
use crate::testing::{Lcg, absolute};

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
        reference(reduction, &[2, 2], &[true, true], &x, &mut out);
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
        reference(reduction, &[2, 0, 3], &[false, true, true], &[], &mut out);
        assert_eq!(out, [want; 2], "{reduction:?}");
        assert!(out[0] != 0.0 || out[0].is_sign_positive(), "{reduction:?} gave -0");
    }
    let mut out = [0.0];
    reference(Reduction::Mean, &[0], &[true], &[], &mut out);
    assert!(out[0].is_nan());
}

#[test]
fn great_exponents_do_not_overflow() {
    let mut out = [f32::NAN];
    reference(Reduction::LogSumExp, &[2], &[true], &[1000.0, 1000.0], &mut out);
    assert_eq!(out[0], 1000.0 + core::f32::consts::LN_2);
    reference(Reduction::LogSumExp, &[2], &[true], &[-INFINITY, -INFINITY], &mut out);
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
        reference(Reduction::Sum, &dims, &reduced, &x, &mut out);
        assert_eq!(out, expected, "{reduced:?}");
    }
}

const WITH_VECTORS: [Reduction; 6] =
    [Reduction::Mean, Reduction::Sum, Reduction::Max, Reduction::Min, Reduction::L2, Reduction::SumSquare];

#[test]
fn vectors_agree_with_the_definition() {
    let mut lcg = Lcg(1);
    for isa in Isa::available_f32() {
        for outer in [1, 3] {
            for n in [1, 2, 7, 16, 100, 1000, 5000] {
                for inner in [1, 2, 5, 16, 67, 130] {
                    let shape = [outer, n, inner];
                    let (whole, real) = (lcg.integers(outer * n * inner), lcg.f32_vec(outer * n * inner));
                    for reduction in WITH_VECTORS {
                        let run = |x: &[f32]| {
                            let (mut got, mut want) = (vec![f32::NAN; outer * inner], vec![f32::NAN; outer * inner]);
                            reduce(isa, reduction, shape, x, &mut got);
                            reference(reduction, &shape, &[false, true, false], x, &mut want);
                            (got, want)
                        };
                        let (got, want) = run(&whole);
                        assert_eq!(got, want, "{isa} {reduction:?} {shape:?}");
                        let (got, want) = run(&real);
                        let (_, most) = run(&absolute(&real));
                        for ((got, want), most) in got.iter().zip(&want).zip(&most) {
                            let bound = (64.0 + n as f32 / 64.0) * f32::EPSILON / 2.0 * most;
                            let near = (got - want).abs() <= bound;
                            assert!(near, "{isa} {reduction:?} {shape:?}: expected {want}, got {got}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn extremes_pass_over_nan() {
    let x: std::vec::Vec<f32> = (0..40).map(|i| if i % 3 == 0 { f32::NAN } else { i as f32 }).collect();
    for isa in Isa::available_f32() {
        for [n, inner] in [[40, 1], [20, 2]] {
            for (reduction, want) in [(Reduction::Max, [38.0, 37.0]), (Reduction::Min, [1.0, 2.0])] {
                let mut got = vec![f32::NAN; inner];
                reduce(isa, reduction, [1, n, inner], &x, &mut got);
                let mut expected = vec![f32::NAN; inner];
                reference(reduction, &[n, inner], &[true, false], &x, &mut expected);
                assert_eq!(got, expected, "{isa} {reduction:?} of {n}");
                assert!(inner > 1 || got[0] == want[0]);
            }
        }
    }
}

#[test]
fn neighboring_axes_are_one() {
    let middle = |dims: &[usize], flags: &[usize]| {
        as_middle_axis(dims, &flags.iter().map(|&f| f == 1).collect::<std::vec::Vec<_>>())
    };
    assert_eq!(middle(&[2, 3, 4, 5], &[0, 1, 1, 0]), Some([2, 12, 5]));
    assert_eq!(middle(&[2, 3, 4, 5], &[1, 0, 0, 0]), Some([1, 2, 60]));
    assert_eq!(middle(&[2, 3, 4, 5], &[0, 0, 0, 1]), Some([24, 5, 1]));
    assert_eq!(middle(&[2, 1, 4, 5], &[1, 0, 1, 0]), Some([1, 8, 5]));
    assert_eq!(middle(&[2, 3, 4, 5], &[1, 0, 1, 0]), None);
    assert_eq!(middle(&[2, 3], &[0, 0]), Some([6, 1, 1]));
}
