use std::vec;
use std::vec::Vec;

use super::super::{VARIANTS, sampled};
use super::{Variant, depthwise, pack, packed_len, reference};
use crate::testing::Lcg;
use crate::{Activation, ConvGeometry, ConvOperands, Isa, Rows, Window};

/// A shape with whatever output its window gives.
fn shape(window: Window, input: [usize; 3], multiplier: usize) -> Option<ConvGeometry> {
    let [oh, ow] = window.output([input[0], input[1]])?;
    Some(ConvGeometry::depthwise(window, input, [oh, ow, input[2] * multiplier]))
}

/// Windows of every variant and of the general kernel, on planes from a single pixel to several tiles.
fn shapes() -> Vec<ConvGeometry> {
    let mut shapes = sampled::layers();
    let planes = [[1, 1], [2, 3], [5, 4], [7, 7], [8, 15], [3, 33]];
    for kernel in 1..=7 {
        for stride in 1..=3 {
            for pads in [[0, 0, 0, 0], [kernel / 2; 4], [0, 1, 1, 0], [2, 0, 1, kernel]] {
                for (i, plane) in planes.into_iter().enumerate() {
                    let window = Window {
                        stride: [stride; 2],
                        before: [pads[0], pads[1]],
                        after: [pads[2], pads[3]],
                        ..Window::new(kernel, kernel)
                    };
                    let channels = [1, 3, 8, 15, 17, 33][i];
                    shapes.extend(shape(window, [plane[0], plane[1], channels], 1));
                }
            }
        }
    }
    let uneven = |kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2]| Window {
        stride,
        dilation,
        before: [2, 1],
        after: [1, 3],
        ..Window::new(kernel[0], kernel[1])
    };
    for multiplier in 1..=3 {
        for channels in [1, 5, 16, 31] {
            shapes.extend(shape(uneven([3, 3], [1, 1], [2, 2]), [9, 11, channels], multiplier));
            shapes.extend(shape(uneven([3, 3], [2, 2], [1, 1]), [9, 11, channels], multiplier));
            shapes.extend(shape(uneven([1, 5], [1, 2], [1, 1]), [6, 10, channels], multiplier));
            shapes.extend(shape(uneven([5, 2], [3, 1], [1, 4]), [12, 9, channels], multiplier));
        }
    }
    shapes
}

/// The channels around the width of a vector.
fn channels(isa: Isa) -> [usize; 4] {
    let lanes = isa.lanes();
    [lanes - 1, lanes, lanes + 1, 2 * lanes]
}

struct Operands {
    x: Vec<f32>,
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Operands {
    fn new(dw: &ConvGeometry, mut make: impl FnMut(usize) -> Vec<f32>) -> Self {
        let channels = dw.output[2];
        let x = make(dw.input.iter().product());
        let weights = make(channels * dw.taps());
        let bias = channels.is_multiple_of(2).then(|| make(channels));
        Self { x, weights, bias }
    }

    fn packed(&self, isa: Isa, dw: &ConvGeometry) -> Vec<f32> {
        let mut packed = vec![f32::NAN; packed_len(isa, dw)];
        pack(isa, dw, &self.weights, self.bias.as_deref(), &mut packed);
        packed
    }

    fn run(&self, isa: Isa, variant: Variant, dw: &ConvGeometry, activation: Activation) -> Vec<f32> {
        let mut out = vec![f32::NAN; dw.output.iter().product()];
        let x = Rows::new(&self.x, dw.input[1] * dw.input[2]);
        depthwise(
            isa,
            variant,
            dw,
            ConvOperands { x, packed: &self.packed(isa, dw), rows: 0..dw.output[0] },
            activation,
            &mut out,
        );
        out
    }

    fn expected(&self, dw: &ConvGeometry, activation: Activation) -> Vec<f32> {
        let mut out = vec![f32::NAN; dw.output.iter().product()];
        reference(dw, &self.x, &self.weights, self.bias.as_deref(), activation, &mut out);
        out
    }
}

/// Runs `check` on every shape, every instruction set and every variant that fits.
fn everywhere(shapes: &[ConvGeometry], mut check: impl FnMut(&ConvGeometry, Isa, Variant)) {
    for dw in shapes {
        for isa in Isa::available_f32() {
            for &variant in VARIANTS.iter().filter(|variant| variant.fits(dw)) {
                check(dw, isa, variant);
            }
        }
    }
}

#[test]
fn whole_numbers_are_exact() {
    let mut lcg = Lcg(1);
    let mut shapes = shapes();
    for isa in Isa::available_f32() {
        for c in channels(isa) {
            for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)] {
                let window = Window {
                    stride: [stride; 2],
                    before: [kernel / 2; 2],
                    after: [kernel / 2; 2],
                    ..Window::new(kernel, kernel)
                };
                shapes.extend(shape(window, [14, 16, c], 1));
            }
        }
    }
    let mut met = Vec::new();
    for dw in &shapes {
        let operands = Operands::new(dw, |len| lcg.integers(len));
        let expected = operands.expected(dw, Activation::Relu);
        everywhere(core::slice::from_ref(dw), |dw, isa, variant| {
            met.push(variant);
            let got = operands.run(isa, variant, dw, Activation::Relu);
            assert_eq!(got, expected, "{isa} {} {dw:?}", variant.name());
        });
    }
    assert!(VARIANTS.iter().all(|variant| met.contains(variant)), "a variant that no shape tests");
}

#[test]
fn real_numbers_stay_within_the_stated_bound() {
    let mut lcg = Lcg(2);
    for dw in &shapes() {
        let operands = Operands::new(dw, |len| lcg.f32_vec(len));
        let expected = operands.expected(dw, Activation::Identity);
        let magnitudes = Operands {
            x: operands.x.iter().map(|x| x.abs()).collect(),
            weights: operands.weights.iter().map(|x| x.abs()).collect(),
            bias: operands.bias.as_ref().map(|bias| bias.iter().map(|x| x.abs()).collect()),
        };
        let magnitudes = magnitudes.expected(dw, Activation::Identity);
        everywhere(core::slice::from_ref(dw), |dw, isa, variant| {
            let got = operands.run(isa, variant, dw, Activation::Identity);
            // Instruction sets without a fused multiply-add round the products too.
            let bound = (2 * dw.taps() + 2) as f32 * f32::EPSILON / 2.0;
            for ((got, want), magnitude) in got.iter().zip(&expected).zip(&magnitudes) {
                assert!((got - want).abs() <= bound * magnitude, "{isa} {dw:?}: expected {want}, got {got}");
            }
        });
    }
}

#[test]
fn every_activation_is_applied() {
    let mut lcg = Lcg(3);
    let same =
        |kernel: usize| Window { before: [kernel / 2; 2], after: [kernel / 2; 2], ..Window::new(kernel, kernel) };
    let shapes: Vec<_> = [3, 4].into_iter().filter_map(|kernel| shape(same(kernel), [5, 9, 19], 1)).collect();
    for dw in &shapes {
        let operands = Operands::new(dw, |len| lcg.integers(len));
        for activation in [Activation::Identity, Activation::RELU6, Activation::HardSwish, Activation::Silu] {
            let expected = operands.expected(dw, activation);
            everywhere(core::slice::from_ref(dw), |dw, isa, variant| {
                for (got, want) in operands.run(isa, variant, dw, activation).iter().zip(&expected) {
                    let near = (got - want).abs() <= 1e-6 * want.abs() + 2e-7;
                    assert!(near, "{isa} {activation:?}: expected {want}, got {got}");
                }
            });
        }
    }
}

#[test]
fn a_ring_of_rows_gives_the_same_bits_as_the_plane() {
    let mut lcg = Lcg(4);
    for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (4, 1)] {
        let window = Window { stride: [stride; 2], before: [1, 2], after: [2, 1], ..Window::new(kernel, kernel) };
        let dw = shape(window, [13, 12, 21], 1).expect("a window that fits");
        let operands = Operands::new(&dw, |len| lcg.f32_vec(len));
        let ([h, w, c], [oh, ow, _]) = (dw.input, dw.output);
        everywhere(&[dw], |dw, isa, variant| {
            let expected = operands.run(isa, variant, dw, Activation::Silu);
            let packed = operands.packed(isa, dw);
            for step in [1, 2, 3] {
                // Room for the rows that `step` output rows meet; all others hold NaN or rows long past.
                let capacity = (step - 1) * stride + kernel;
                let mut ring = vec![f32::NAN; capacity * w * c];
                let mut filled = 0;
                for first in (0..oh).step_by(step) {
                    let rows = first..oh.min(first + step);
                    let end = ((rows.end - 1) * stride + kernel).saturating_sub(1).min(h);
                    for y in filled..end {
                        ring[y % capacity * w * c..][..w * c].copy_from_slice(&operands.x[y * w * c..][..w * c]);
                    }
                    filled = filled.max(end);
                    let mut out = vec![f32::NAN; rows.len() * ow * c];
                    let x = Rows::new(&ring, w * c);
                    depthwise(
                        isa,
                        variant,
                        dw,
                        ConvOperands { x, packed: &packed, rows: rows.clone() },
                        Activation::Silu,
                        &mut out,
                    );
                    let expected = &expected[rows.start * ow * c..rows.end * ow * c];
                    assert_eq!(out, expected, "{isa} {} rows {rows:?}", variant.name());
                }
            }
        });
    }
}

#[test]
fn padding_never_meets_a_weight() {
    // Infinite weights times padding would be NaN.
    for kernel in [3, 4, 5, 7] {
        let window = Window { before: [kernel / 2; 2], after: [kernel / 2; 2], ..Window::new(kernel, kernel) };
        let dw = shape(window, [1, 1, 17], 1).expect("a window that fits");
        let mut weights = vec![f32::INFINITY; 17 * dw.taps()];
        let middle = kernel / 2 * kernel + kernel / 2;
        weights.iter_mut().skip(middle).step_by(dw.taps()).for_each(|weight| *weight = 2.0);
        let operands = Operands { x: vec![3.0; 17], weights, bias: None };
        everywhere(&[dw], |dw, isa, variant| {
            let got = operands.run(isa, variant, dw, Activation::Identity);
            assert_eq!(got[..17], [6.0; 17], "{isa} {}", variant.name());
        });
    }
}

#[test]
fn the_fixed_kernels_are_chosen() {
    let window = Window { stride: [2; 2], after: [1; 2], ..Window::new(3, 3) };
    let dw = shape(window, [112, 112, 64], 1).expect("a window that fits");
    assert_eq!(Variant::choose(&dw), Variant::K3S2);
    let dilated = ConvGeometry { window: Window { dilation: [2; 2], ..window }, ..dw };
    assert_eq!(Variant::choose(&dilated), Variant::General);
    let dilated = ConvGeometry { window: Window { stride: [1; 2], ..dilated.window }, output: [110, 110, 64], ..dw };
    assert_eq!(Variant::choose(&dilated), Variant::K3S1);
    let multiplied = ConvGeometry { output: [56, 56, 128], ..dw };
    assert_eq!(Variant::choose(&multiplied), Variant::General);
}
