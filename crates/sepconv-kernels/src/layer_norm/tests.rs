use std::vec;

use super::{layer_norm, reference};
use crate::Isa;
use crate::testing::Lcg;

#[test]
fn agrees_with_the_definition() {
    let mut lcg = Lcg(1);
    for isa in Isa::available_f32() {
        for (n, c, groups) in
            [(1, 1, 2), (7, 7, 3), (16, 16, 1), (40, 40, 9), (83, 83, 2), (51, 17, 2), (36_000, 24, 2)]
        {
            for offset in [0.0, 3.0] {
                let x: vec::Vec<f32> = lcg.f32_vec(n * groups).iter().map(|x| x + offset).collect();
                let (scale, shift) = (lcg.f32_vec(c), lcg.f32_vec(c));
                let (mut got, mut expected) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                layer_norm(isa, n, 1e-5, &x, &scale, &shift, &mut got);
                reference(n, 1e-5, &x, &scale, &shift, &mut expected);
                // Normalized values are below 2 but for the few of a distance: means are off by their own rounding.
                let bound = 8.0 * (1.0 + offset) / (1 << 20) as f32;
                for (got, want) in got.iter().zip(&expected) {
                    assert!((got - want).abs() <= bound, "{isa} {n} of {c}: expected {want}, got {got}");
                }
            }
        }
    }
}

#[test]
fn equal_values_become_the_shift() {
    for isa in Isa::available_f32() {
        let mut out = [f32::NAN; 20];
        layer_norm(isa, 10, 1e-5, &[3.0; 20], &[2.0; 5], &[0.5; 5], &mut out);
        assert_eq!(out, [0.5; 20], "{isa}");
    }
}
