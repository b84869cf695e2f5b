use std::vec;
use std::vec::Vec;

use super::*;
use crate::activation;
use crate::testing::Lcg;

const SHAPES: [[usize; 2]; 6] = [[1, 1], [3, 7], [64, 8], [65, 33], [200, 16], [130, 40]];

/// One channel of `[pixels, c]`.
fn channel(x: &[f32], c: usize, channel: usize) -> Vec<f64> {
    x.iter().skip(channel).step_by(c).map(|&x| f64::from(x)).collect()
}

fn assert_near(got: f32, want: f64, magnitude: f64, what: &str) {
    assert!((f64::from(got) - want).abs() <= 2e-5 * magnitude.max(1e-3), "{what}: expected {want}, got {got}");
}

#[test]
fn moments_equal_the_reference_and_join() {
    let mut lcg = Lcg(1);
    for isa in Isa::available_f32() {
        for [pixels, c] in SHAPES {
            // A mean that is large beside the deviation.
            let x: Vec<f32> = lcg.f32_vec(pixels * c).iter().map(|x| x + 100.0).collect();
            let [mut mean, mut squares] = [vec![f32::NAN; c], vec![f32::NAN; c]];
            moments(isa, &x, &mut mean, &mut squares);
            for i in 0..c {
                let want = moments_reference(&x, c, i);
                assert_near(mean[i], want.mean, want.mean, &std::format!("{isa} {pixels}x{c} mean"));
                assert_near(squares[i], want.squares, want.squares, &std::format!("{isa} {pixels}x{c} squares"));
                let part = pixels / 3 * c;
                let joined = moments_reference(&x[..part], c, i).join(moments_reference(&x[part..], c, i));
                if part > 0 {
                    assert!((joined.squares - want.squares).abs() <= 1e-9 * want.squares, "{joined:?} {want:?}");
                    assert!((joined.mean - want.mean).abs() <= 1e-9, "{joined:?} {want:?}");
                }
            }
        }
    }
}

#[test]
fn nothing_joined_to_moments_changes_nothing() {
    let some = Moments { count: 3.0, mean: 2.0, squares: 5.0 };
    assert_eq!([some.join(Moments::default()), Moments::default().join(some)], [some; 2]);
    assert_eq!((some.variance(), some.unbiased()), (5.0 / 3.0, 2.5));
}

/// The reference against central differences of the definition, in double precision.
#[test]
fn the_reference_is_the_difference_of_the_definition() {
    let mut lcg = Lcg(2);
    let params = [1.3, 0.2, 1e-3];
    // Smooth ones, and one with bends that no value is near to.
    for activation in [Activation::Identity, Activation::Silu, Activation::Sigmoid, Activation::Tanh, Activation::Relu]
    {
        let (x, dy) = (channel(&lcg.f32_vec(20), 1, 0), channel(&lcg.f32_vec(20), 1, 0));
        let total = |x: &[f64], [gamma, beta, epsilon]: [f64; 3]| -> f64 {
            let count = x.len() as f64;
            let mean = x.iter().sum::<f64>() / count;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            let z = |x: f64| (x - mean) / (variance + epsilon).sqrt() * gamma + beta;
            let y = |z: f64| match activation {
                Activation::Identity => z,
                Activation::Silu => z / (1.0 + (-z).exp()),
                Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
                Activation::Tanh => z.tanh(),
                _ => z.max(0.0),
            };
            x.iter().zip(&dy).map(|(&x, dy)| y(z(x)) * dy).sum()
        };
        let mut gradient = vec![0.0; x.len()];
        let [scale, shift] = input_gradient_reference(params, activation, [&x, &dy], &mut gradient);
        let step = 1e-6;
        for i in 0..x.len() {
            let moved = |step: f64| {
                let mut x = x.clone();
                x[i] += step;
                total(&x, params)
            };
            let want = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((gradient[i] - want).abs() < 1e-7, "{activation:?} {i}: {want} {}", gradient[i]);
        }
        for (i, got) in [scale, shift].into_iter().enumerate() {
            let moved = |step: f64| {
                let mut params = params;
                params[i] += step;
                total(&x, params)
            };
            let want = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((got - want).abs() < 1e-7, "{activation:?} parameter {i}: {want} {got}");
        }
    }
}

/// The derivatives of all activations against differences of the activations themselves, away from bends.
#[test]
fn derivatives_are_differences_of_the_activations() {
    for activation in activation::ALL {
        for x in [-7.3f32, -2.9, -1.6, -0.7, -0.1, 0.3, 1.1, 2.3, 3.7, 5.9, 6.4] {
            let at = |x: f32| f64::from(activation.apply(x));
            let step = 1.0 / 128.0;
            let want = (at(x + step) - at(x - step)) / f64::from((x + step) - (x - step));
            let got = activation.derivative(f64::from(x));
            assert!((got - want).abs() < 2e-4, "{activation:?} at {x}: {want} {got}");
        }
    }
}

#[test]
fn kernels_equal_the_reference() {
    let mut lcg = Lcg(3);
    let epsilon = 1e-3;
    for isa in Isa::available_f32() {
        for ([pixels, c], activation) in SHAPES.into_iter().flat_map(|shape| activation::ALL.map(|of| (shape, of))) {
            let (x, dy) = (lcg.f32_vec(pixels * c), lcg.f32_vec(pixels * c));
            let (gamma, beta) = (lcg.f32_vec(c), lcg.f32_vec(c));
            let of: Vec<Moments> = (0..c).map(|i| moments_reference(&x, c, i)).collect();
            let mean: Vec<f32> = of.iter().map(|of| of.mean as f32).collect();
            let inverse: Vec<f32> = of.iter().map(|of| (1.0 / (of.variance() + epsilon).sqrt()) as f32).collect();
            let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(gamma, inverse)| gamma * inverse).collect();
            let shift: Vec<f32> = (0..c).map(|i| beta[i] - mean[i] * scale[i]).collect();
            let norm = Normalization { scale: &scale, shift: &shift, mean: &mean, inverse_deviation: &inverse };
            let [mut by_shift, mut by_scale] = [vec![f32::NAN; c], vec![f32::NAN; c]];
            gradient_sums(isa, norm, activation, [&x, &dy], &mut by_shift, &mut by_scale);
            let means = [&by_shift, &by_scale].map(|sums| sums.iter().map(|x| x / pixels as f32).collect::<Vec<_>>());
            let mut out = vec![f32::NAN; x.len()];
            input_gradient(isa, norm, activation, [&means[0], &means[1]], [&x, &dy], &mut out);
            for i in 0..c {
                let (x, dy, out) = (channel(&x, c, i), channel(&dy, c, i), channel(&out, c, i));
                let bend = |x: f64| {
                    let z = (x - of[i].mean) / (of[i].variance() + epsilon).sqrt() * f64::from(gamma[i]);
                    let z = z + f64::from(beta[i]);
                    (activation.derivative(z - 1e-4) - activation.derivative(z + 1e-4)).abs() > 0.05
                };
                // At a bend rounding decides.
                if x.iter().any(|&x| bend(x)) {
                    continue;
                }
                let mut want = vec![0.0; pixels];
                let params = [f64::from(gamma[i]), f64::from(beta[i]), epsilon];
                let [want_scale, want_shift] = input_gradient_reference(params, activation, [&x, &dy], &mut want);
                let what = std::format!("{isa} {pixels}x{c} {activation:?}");
                assert_near(by_scale[i], want_scale, pixels as f64, &what);
                assert_near(by_shift[i], want_shift, pixels as f64, &what);
                let magnitude = f64::from(scale[i].abs()) + 1.0;
                for (got, want) in out.iter().zip(want) {
                    assert_near(*got as f32, want, magnitude, &what);
                }
            }
        }
    }
}

#[test]
fn normalizing_is_a_product_a_sum_and_the_activation() {
    let mut lcg = Lcg(4);
    for isa in Isa::available_f32() {
        for ([pixels, c], activation) in SHAPES.into_iter().flat_map(|shape| activation::ALL.map(|of| (shape, of))) {
            let (x, scale, shift) = (lcg.f32_vec(pixels * c), lcg.f32_vec(c), lcg.f32_vec(c));
            let mut out = vec![f32::NAN; x.len()];
            normalize(isa, &scale, &shift, activation, &x, &mut out);
            for (i, (got, x)) in out.iter().zip(&x).enumerate() {
                let want = activation.apply(x * scale[i % c] + shift[i % c]);
                assert!((got - want).abs() <= 1e-6, "{isa} {activation:?} {pixels}x{c}: {want} {got}");
            }
        }
    }
}

#[test]
fn sums_of_channels_are_exact_on_whole_numbers() {
    let mut lcg = Lcg(5);
    for isa in Isa::available_f32() {
        for [pixels, c] in SHAPES {
            let (a, b) = (lcg.integers(pixels * c), lcg.integers(pixels * c));
            let ones = vec![1.0; a.len()];
            for other in [None, Some(&b)] {
                let mut out = vec![f32::NAN; c];
                channel_sums(isa, &a, other.map(Vec::as_slice), &mut out);
                let factor = other.unwrap_or(&ones);
                for (i, got) in out.iter().enumerate() {
                    let want: f64 = channel(&a, c, i).iter().zip(channel(factor, c, i)).map(|(a, b)| a * b).sum();
                    assert_eq!(f64::from(*got), want, "{isa} {pixels}x{c}");
                }
            }
        }
    }
}
