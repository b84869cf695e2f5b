use std::vec;
use std::vec::Vec;

use super::*;
use crate::Rows;
use crate::Window;
use crate::testing::{Lcg, absolute, assert_within_bound};

struct Case {
    conv: ConvGeometry,
    x: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(conv: ConvGeometry, mut data: impl FnMut(usize) -> Vec<f32>) -> Self {
        let weights = data(conv.output[2] * conv.depth());
        Self { conv, x: data(conv.input.iter().product()), weights, bias: data(conv.output[2]) }
    }

    fn want(&self, activation: Activation) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.conv.output.iter().product()];
        reference(&self.conv, &self.x, &self.weights, &self.bias, activation, &mut out);
        out
    }

    /// The output, made `step` rows at a time.
    fn got(&self, isa: Isa, tile: Tile, activation: Activation, step: usize) -> Vec<f32> {
        let ConvGeometry { input: [_, w, c], output: [oh, ow, o], .. } = self.conv;
        let mut packed = vec![f32::NAN; packed_len(isa, tile, &self.conv)];
        pack(isa, tile, &self.conv, &self.weights, &self.bias, &mut packed);
        let mut out = vec![f32::NAN; oh * ow * o];
        for (i, out) in out.chunks_mut(step * ow * o).enumerate() {
            let rows = i * step..i * step + out.len() / (ow * o);
            conv_transpose(
                isa,
                tile,
                &self.conv,
                ConvOperands { x: Rows::new(&self.x, w * c), packed: &packed, rows },
                activation,
                out,
            );
        }
        out
    }
}

fn variants() -> impl Iterator<Item = (Isa, Tile)> {
    Isa::available_f32().flat_map(|isa| Tile::variants(isa).map(move |tile| (isa, tile)))
}

/// Windows with strides shorter and longer than the kernel, dilations that share a factor with the stride, and padding.
fn windows() -> [Window; 9] {
    [
        Window::new(1, 1),
        Window { stride: [2; 2], ..Window::new(2, 2) },
        Window { stride: [2; 2], before: [1; 2], ..Window::new(4, 4) },
        Window { stride: [2, 3], before: [1, 2], ..Window::new(3, 7) },
        Window { stride: [3, 4], ..Window::new(2, 1) },
        Window { dilation: [2; 2], before: [2; 2], ..Window::new(3, 3) },
        Window { stride: [2, 4], dilation: [2, 6], before: [0, 5], ..Window::new(3, 3) },
        Window { stride: [3, 2], dilation: [2, 3], before: [4, 1], ..Window::new(4, 5) },
        Window { before: [7, 9], ..Window::new(2, 3) },
    ]
}

#[test]
fn equals_the_reference_for_every_window() {
    let mut lcg = Lcg(1);
    for (i, window) in windows().into_iter().enumerate() {
        for (c, o, groups) in [(1, 1, 1), (5, 37, 1), (6, 4, 2), (9, 60, 3)] {
            // Less, as much, and more than the input spreads to.
            for output in [[1, 2], [7, 25], [40, 90]] {
                let conv = ConvGeometry { window, input: [4, 19, c], output: [output[0], output[1], o], groups };
                let case = Case::new(conv, |length| lcg.integers(length));
                let want = case.want(Activation::Relu);
                for (isa, tile) in variants() {
                    let got = case.got(isa, tile, Activation::Relu, 3 + i);
                    assert!(got == want, "{isa} {tile:?} {conv:?}");
                }
            }
        }
    }
}

#[test]
fn is_the_gradient_of_the_convolution() {
    // <conv(a), b> = <a, transposed(b)> for every a and b, with the weights' channels exchanged.
    let mut lcg = Lcg(2);
    for window in windows().map(|window| Window { after: [3, 5], ..window }) {
        let ([h, w, c], o) = ([11, 26, 3], 5);
        let [oh, ow] = window.output([h, w]).expect("the window fits");
        let forward = ConvGeometry { window, input: [h, w, c], output: [oh, ow, o], groups: 1 };
        let backward = ConvGeometry { window, input: [oh, ow, o], output: [h, w, c], groups: 1 };
        let taps = window.kernel[0] * window.kernel[1];
        let (a, b, weights) = (lcg.integers(h * w * c), lcg.integers(oh * ow * o), lcg.integers(o * taps * c));
        let exchanged = (0..c * taps * o).map(|i| weights[(i % o * taps + i / o % taps) * c + i / (o * taps)]);

        let mut conv_a = vec![0.0; oh * ow * o];
        crate::conv2d::reference(&forward, &a, &weights, &[0.0; 5], None, Activation::Identity, &mut conv_a);
        let case = Case { conv: backward, x: b.clone(), weights: exchanged.collect(), bias: vec![0.0; c] };
        let isa = Isa::best();
        let spread = case.got(isa, backward.transposed_tile(isa), Activation::Identity, h);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        assert_eq!(dot(&conv_a, &b), dot(&a, &spread), "{window:?}");
    }
}

#[test]
fn stays_within_the_bound_on_real_numbers() {
    let mut lcg = Lcg(3);
    let window = Window { stride: [2; 2], before: [1; 2], ..Window::new(4, 4) };
    let conv = ConvGeometry { window, input: [9, 17, 24], output: [18, 34, 21], groups: 1 };
    let mut case = Case::new(conv, |length| lcg.f32_vec(length));
    let want = case.want(Activation::Identity);
    let got: Vec<_> = variants().map(|(isa, tile)| case.got(isa, tile, Activation::Identity, 5)).collect();
    for data in [&mut case.x, &mut case.weights, &mut case.bias] {
        *data = absolute(data);
    }
    let absolute = case.want(Activation::Identity);
    for ((isa, tile), got) in variants().zip(got) {
        assert_within_bound(&got, &want, &absolute, conv.depth(), &std::format!("{isa} {tile:?}"));
    }
}
