use std::vec::Vec;

use super::{ALL, Activation, apply_all, exp};
use crate::simd::{Isa, Kernel, Simd};

struct Apply<'a>(Activation, &'a mut [f32]);

impl<S: Simd> Kernel<S> for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        apply_all(simd, self.0, self.1);
    }
}

struct Exp<'a>(&'a mut [f32]);

impl<S: Simd> Kernel<S> for Exp<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        for x in self.0 {
            simd.store_part(exp(simd, simd.splat(*x)), core::slice::from_mut(x));
        }
    }
}

/// -100 to 100 in steps of 1/1024, every power of two of either sign, and the special values.
fn inputs() -> Vec<f32> {
    let dense = (-102_400..=102_400).map(|i| i as f32 / 1024.0);
    let powers = (1..=254).flat_map(|e| [f32::from_bits(e << 23), -f32::from_bits(e << 23)]);
    let denormal = f32::from_bits(1);
    let special = [0.0, -0.0, denormal, -denormal, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN];
    dense.chain(powers).chain(special).collect()
}

/// Distance in units in the last place of `want`.
fn ulps(got: f32, want: f32) -> f64 {
    let unit = f64::from(want.abs().next_up() - want.abs()).max(f64::from(f32::from_bits(1)));
    (f64::from(got) - f64::from(want)).abs() / unit
}

#[test]
fn agrees_with_the_definition_everywhere() {
    let inputs = inputs();
    for isa in Isa::available_f32() {
        for activation in ALL {
            let mut got = inputs.clone();
            isa.run(Apply(activation, &mut got));
            let exact = activation.bounds().is_some() || matches!(activation, Activation::LeakyRelu { .. });
            for (&x, &got) in inputs.iter().zip(&got) {
                let want = activation.apply(x);
                let near = !exact && ((got - want).abs() <= 2e-7 || ulps(got, want) <= 4.0);
                let same = got == want || got.is_nan() && want.is_nan();
                assert!(same || near, "{isa} {activation:?} at {x:e}: expected {want:e}, got {got:e}");
            }
        }
    }
}

#[test]
fn exp_is_within_two_units() {
    for isa in Isa::available_f32() {
        for i in -89_000..=88_370 {
            let x = i as f32 / 1000.0;
            let mut got = [x];
            isa.run(Exp(&mut got));
            let want = libm::exp(f64::from(x)) as f32;
            let flushed = x < -87.0 && got[0] == 0.0;
            assert!(flushed || ulps(got[0], want) <= 2.0, "{isa} exp({x}): expected {want:e}, got {:e}", got[0]);
        }
        let mut edges = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 0.0];
        isa.run(Exp(&mut edges));
        assert_eq!((edges[0], edges[1], edges[3]), (0.0, f32::INFINITY, 1.0), "{isa}");
        assert!(edges[2].is_nan(), "{isa}");
    }
}

#[test]
fn tanh_keeps_the_precision_of_small_numbers() {
    for isa in Isa::available_f32() {
        for i in 1..=40_000 {
            let x = i as f32 * 1e-4 / 4.0;
            for x in [x, -x, x * 1e-6] {
                let mut got = [x];
                isa.run(Apply(Activation::Tanh, &mut got));
                let want = libm::tanh(f64::from(x)) as f32;
                assert!(ulps(got[0], want) <= 4.0, "{isa} tanh({x:e}): expected {want:e}, got {:e}", got[0]);
            }
        }
    }
}
