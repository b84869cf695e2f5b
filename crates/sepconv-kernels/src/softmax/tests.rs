use std::vec;

use super::{reference, softmax};
use crate::Isa;
use crate::testing::Lcg;

const SHAPES: [[usize; 3]; 8] =
    [[1, 1, 1], [1, 1000, 1], [3, 17, 1], [2, 5, 7], [1, 21, 33], [2, 1, 16], [4, 100, 2], [1, 20_001, 1]];

#[test]
fn agrees_with_the_definition() {
    let mut lcg = Lcg(1);
    for isa in Isa::available_f32() {
        for shape in SHAPES {
            for scale in [1.0, 20.0] {
                let len = shape.iter().product();
                let x: std::vec::Vec<f32> = lcg.f32_vec(len).iter().map(|x| x * scale).collect();
                for log in [false, true] {
                    let (mut got, mut expected) = (vec![f32::NAN; len], vec![f32::NAN; len]);
                    softmax(isa, shape, log, &x, &mut got);
                    reference(shape, log, &x, &mut expected);
                    for (got, want) in got.iter().zip(&expected) {
                        // No value is further from the greatest, nor its logarithm from zero.
                        let distance = 2.0 * scale + 10.0;
                        let bound = if log { 1e-6 * distance } else { (1e-6 + distance / (1 << 24) as f32) * want };
                        let near = (got - want).abs() <= bound;
                        assert!(near, "{isa} {shape:?} log {log}: expected {want:e}, got {got:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn great_numbers_do_not_overflow() {
    for isa in Isa::available_f32() {
        let mut out = [f32::NAN; 3];
        softmax(isa, [1, 3, 1], false, &[1e30, 1e30, -1e30], &mut out);
        assert_eq!(out, [0.5, 0.5, 0.0], "{isa}");
        softmax(isa, [1, 3, 1], false, &[f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY], &mut out);
        assert_eq!(out, [0.0, 1.0, 0.0], "{isa}");
        softmax(isa, [1, 3, 1], false, &[0.0, f32::NAN, 0.0], &mut out);
        assert!(out.iter().all(|x| x.is_nan()), "{isa} {out:?}");
        softmax(isa, [1, 3, 1], false, &[0.0, f32::INFINITY, 0.0], &mut out);
        assert!(out.iter().any(|x| x.is_nan()), "{isa} {out:?}");
        softmax(isa, [0, 3, 1], false, &[], &mut []);
    }
}
