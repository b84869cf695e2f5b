use std::vec;
use std::vec::Vec;

use super::{Binary, Unary, binary, binary_strided, unary, unary_in_place};
use crate::testing::Lcg;
use crate::{Activation, Isa};

const PAIRS: [Binary; 8] =
    [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Min, Binary::Max, Binary::Pow, Binary::PRelu];

/// Equal, or both NaN.
fn same(got: &[f32], want: &[f32]) -> bool {
    got.len() == want.len() && got.iter().zip(want).all(|(got, want)| got == want || got.is_nan() && want.is_nan())
}

#[test]
fn known_values() {
    let cases = [
        (Unary::Activation(Activation::Relu), -3.0, 0.0),
        (Unary::Exp, 1.0, core::f32::consts::E),
        (Unary::Log, 1.0, 0.0),
        (Unary::Sqrt, 9.0, 3.0),
        (Unary::Neg, 2.0, -2.0),
        (Unary::Abs, -2.0, 2.0),
        (Unary::Reciprocal, 4.0, 0.25),
        (Unary::Floor, -1.5, -2.0),
        (Unary::Ceil, -1.5, -1.0),
        (Unary::Round, 2.5, 2.0),
        (Unary::Round, 3.5, 4.0),
        (Unary::Erf, 1.0, 0.842_700_8),
        (Unary::Sign, -7.0, -1.0),
        (Unary::Sign, 0.0, 0.0),
        (Unary::Softplus, 0.0, core::f32::consts::LN_2),
        (Unary::Softplus, 100.0, 100.0),
        (Unary::Softsign, -1.0, -0.5),
        (Unary::Elu { alpha: 2.0 }, -1.0, -1.264_241_1),
        (Unary::Selu { alpha: 2.0, gamma: 3.0 }, -1.0, -3.792_723_4),
        (Unary::Selu { alpha: 2.0, gamma: 3.0 }, 1.0, 3.0),
        (Unary::Celu { alpha: 2.0 }, -1.0, -0.786_938_7),
        (Unary::Gelu { tanh: false }, 1.0, 0.841_344_8),
        (Unary::Gelu { tanh: true }, 1.0, 0.841_192),
        (Unary::Mish, 1.0, 0.865_098_4),
        (Unary::ThresholdedRelu { alpha: 1.5 }, 1.5, 0.0),
        (Unary::ThresholdedRelu { alpha: 1.5 }, 2.0, 2.0),
        (Unary::Sin, 1.0, 0.841_471),
        (Unary::Cos, 1.0, 0.540_302_3),
        (Unary::Tan, 1.0, 1.557_407_7),
        (Unary::Asin, 0.5, core::f32::consts::FRAC_PI_6),
        (Unary::Acos, 0.5, core::f32::consts::FRAC_PI_3),
        (Unary::Atan, 1.0, core::f32::consts::FRAC_PI_4),
        (Unary::Sinh, 1.0, 1.175_201_2),
        (Unary::Cosh, 1.0, 1.543_080_6),
        (Unary::Asinh, 1.0, 0.881_373_6),
        (Unary::Acosh, 2.0, 1.316_958),
        (Unary::Atanh, 0.5, 0.549_306_15),
    ];
    for (op, x, want) in cases {
        let got = op.apply(x);
        assert!((got - want).abs() <= 3e-7 * want.abs(), "{op:?} of {x}: expected {want}, got {got}");
        for isa in Isa::available_f32() {
            let mut vector = [x; 37];
            unary_in_place(isa, op, &mut vector);
            assert!(vector.iter().all(|y| (y - got).abs() <= 3e-7 * want.abs()), "{isa} {op:?}: {vector:?}");
        }
    }
}

#[test]
fn signs_of_the_least_and_the_greatest_numbers() {
    let least = f32::from_bits(1);
    let x = [f32::NAN, f32::INFINITY, -f32::INFINITY, least, -least, f32::MAX, f32::MIN_POSITIVE, 0.0, -0.0, 3.5, -1.0];
    for isa in Isa::available_f32() {
        let mut out = x;
        unary_in_place(isa, Unary::Sign, &mut out);
        assert!(same(&out, &x.map(|x| Unary::Sign.apply(x))), "{isa}: {out:?}");
    }
    assert!(Unary::Sign.apply(f32::NAN).is_nan());
}

#[test]
fn unary_reads_one_slice_and_writes_another() {
    let x = Lcg(1).f32_vec(50);
    for isa in Isa::available_f32() {
        let mut out = [f32::NAN; 50];
        unary(isa, Unary::Neg, &x, &mut out);
        assert!(x.iter().zip(out).all(|(x, out)| -x == out), "{isa}");
    }
}

#[test]
fn pairs_repeat_the_shorter_operand() {
    let mut lcg = Lcg(2);
    for isa in Isa::available_f32() {
        for (n, period) in [(1, 1), (40, 40), (40, 1), (60, 3), (102, 17), (64, 16), (6000, 2000), (3000, 1)] {
            for op in PAIRS {
                let (long, short) = (lcg.integers(n), lcg.integers(period));
                for (a, b) in [(&long, &short), (&short, &long)] {
                    let mut got = vec![f32::NAN; n];
                    binary(isa, op, a, b, Activation::RELU6, &mut got);
                    let at = |x: &[f32], i: usize| x[i % x.len()];
                    let want: Vec<f32> =
                        (0..n).map(|i| Activation::RELU6.apply(op.apply(at(a, i), at(b, i)))).collect();
                    assert!(same(&got, &want), "{isa} {op:?} of {} and {} f32 values", a.len(), b.len());
                }
            }
        }
    }
}

#[test]
fn pairs_over_any_broadcast() {
    let mut lcg = Lcg(3);
    let (a, b) = (lcg.integers(2 * 4), lcg.integers(3 * 4));
    // [2, 1, 4] with [3, 1]: the four inner values of `a` against one of `b`.
    for op in PAIRS {
        let mut got = [f32::NAN; 24];
        binary_strided(op, &[2, 3, 4], &a, &[4, 0, 1], &b, &[0, 1, 0], &mut got);
        let want: Vec<f32> = (0..24).map(|n| op.apply(a[n / 12 * 4 + n % 4], b[n / 4 % 3])).collect();
        assert!(same(&got, &want), "{op:?}");
    }
    let mut scalar = [f32::NAN];
    binary_strided(Binary::Sub, &[], &[5.0], &[], &[3.0], &[], &mut scalar);
    assert_eq!(scalar, [2.0]);
    binary_strided(Binary::Sub, &[2, 0], &[], &[0, 1], &[], &[0, 1], &mut []);
}

#[test]
#[should_panic(expected = "does not repeat")]
fn a_period_that_does_not_divide_panics() {
    binary(Isa::best(), Binary::Add, &[0.0; 6], &[0.0; 4], Activation::Identity, &mut [0.0; 6]);
}
