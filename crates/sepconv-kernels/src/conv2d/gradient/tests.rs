use std::vec;
use std::vec::Vec;

use super::*;
use crate::conv_transpose::{self, conv_transpose};
use crate::testing::{Lcg, absolute, assert_within_bound};
use crate::{Activation, ConvOperands, Rows, Window};

/// Kernel, stride, dilation, padding before and after, input, outputs, groups.
type Shape = (usize, usize, usize, [usize; 2], [usize; 3], usize, usize);

const SHAPES: [Shape; 9] = [
    (1, 1, 1, [0, 0], [5, 4, 7], 13, 1),
    (1, 1, 1, [0, 0], [4, 4, 50], 9, 1),
    (1, 2, 1, [0, 0], [5, 6, 8], 16, 1),
    (3, 1, 1, [1, 1], [6, 5, 3], 17, 1),
    (3, 2, 1, [0, 1], [8, 7, 9], 6, 1),
    (3, 1, 2, [2, 2], [7, 7, 4], 20, 1),
    (5, 2, 1, [2, 2], [9, 9, 6], 10, 2),
    (3, 1, 1, [1, 1], [5, 5, 12], 18, 3),
    (2, 3, 1, [0, 0], [8, 8, 5], 5, 5),
];

fn geometries() -> impl Iterator<Item = ConvGeometry> {
    SHAPES.into_iter().map(|(kernel, stride, dilation, [before, after], input, outputs, groups)| {
        let window = Window {
            stride: [stride; 2],
            dilation: [dilation; 2],
            before: [before; 2],
            after: [after; 2],
            ..Window::new(kernel, kernel)
        };
        let [oh, ow] = window.output([input[0], input[1]]).unwrap();
        ConvGeometry { window, input, output: [oh, ow, outputs], groups }
    })
}

struct Case {
    conv: ConvGeometry,
    x: Vec<f32>,
    weights: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(conv: ConvGeometry, images: usize, mut data: impl FnMut(usize) -> Vec<f32>) -> Self {
        let size = |[h, w, c]: [usize; 3]| images * h * w * c;
        Self {
            conv,
            x: data(size(conv.input)),
            weights: data(conv.output[2] * conv.depth()),
            dy: data(size(conv.output)),
        }
    }

    fn weight_gradient(&self, isa: Isa) -> Vec<f32> {
        let mut scratch = vec![f32::NAN; weight_gradient_scratch_len(isa, &self.conv)];
        let mut out = vec![0.0; self.weights.len()];
        weight_gradient(isa, &self.conv, &self.x, &self.dy, &mut scratch, &mut out);
        out
    }

    fn weight_gradient_reference(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.weights.len()];
        weight_gradient_reference(&self.conv, &self.x, &self.dy, &mut out);
        out.into_iter().map(|x| x as f32).collect()
    }

    fn input_gradient_reference(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.x.len()];
        input_gradient_reference(&self.conv, &self.weights, &self.dy, &mut out);
        out.into_iter().map(|x| x as f32).collect()
    }

    /// `Σ dy · convolution`, by the forward reference: linear in `x` and in `weights`, and exact on whole numbers.
    fn total(&self) -> f64 {
        let size = |[h, w, c]: [usize; 3]| h * w * c;
        let bias = vec![0.0; self.conv.output[2]];
        let images = self.x.chunks_exact(size(self.conv.input)).zip(self.dy.chunks_exact(size(self.conv.output)));
        let total = images.map(|(x, dy)| {
            let mut y = vec![0.0; dy.len()];
            crate::conv2d::reference(&self.conv, x, &self.weights, &bias, None, Activation::Identity, &mut y);
            y.iter().zip(dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum::<f64>()
        });
        total.sum()
    }
}

#[test]
fn references_are_differences_of_the_convolution() {
    let mut lcg = Lcg(1);
    for conv in geometries() {
        let mut case = Case::new(conv, 1, |length| lcg.integers(length));
        let (before, by_weight, by_input) =
            (case.total(), case.weight_gradient_reference(), case.input_gradient_reference());
        for i in (0..case.weights.len()).step_by(7) {
            case.weights[i] += 1.0;
            assert_eq!(case.total() - before, f64::from(by_weight[i]), "{conv:?} weight {i}");
            case.weights[i] -= 1.0;
        }
        for i in (0..case.x.len()).step_by(5) {
            case.x[i] += 1.0;
            assert_eq!(case.total() - before, f64::from(by_input[i]), "{conv:?} input {i}");
            case.x[i] -= 1.0;
        }
    }
}

#[test]
fn the_kernel_equals_the_reference_for_any_number_of_images() {
    let mut lcg = Lcg(2);
    for isa in Isa::available_f32() {
        for conv in geometries() {
            for images in [0, 1, 2, 23] {
                let case = Case::new(conv, images, |length| lcg.integers(length));
                assert_eq!(case.weight_gradient(isa), case.weight_gradient_reference(), "{isa} {conv:?} {images}");
            }
        }
    }
}

#[test]
fn every_size_of_a_tile_is_right() {
    let mut lcg = Lcg(3);
    for isa in Isa::available_f32() {
        for outputs in 1..20 {
            for inputs in [1, isa.lanes(), isa.lanes() + 1, 3 * isa.lanes() + 2] {
                let (input, output) = ([3, 5, inputs], [3, 5, outputs]);
                let conv = ConvGeometry { window: Window::new(1, 1), input, output, groups: 1 };
                let case = Case::new(conv, 1, |length| lcg.integers(length));
                assert_eq!(case.weight_gradient(isa), case.weight_gradient_reference(), "{isa} {inputs}x{outputs}");
            }
        }
    }
}

#[test]
fn stays_within_the_bound_on_real_numbers() {
    let mut lcg = Lcg(4);
    for isa in Isa::available_f32() {
        for conv in geometries() {
            let mut case = Case::new(conv, 30, |length| lcg.f32_vec(length));
            let (got, want) = (case.weight_gradient(isa), case.weight_gradient_reference());
            (case.x, case.dy) = (absolute(&case.x), absolute(&case.dy));
            assert_within_bound(&got, &want, &case.weight_gradient_reference(), 128, &std::format!("{isa} {conv:?}"));
        }
    }
}

#[test]
fn sums_are_added_to_what_is_there() {
    let mut lcg = Lcg(5);
    let conv = geometries().next().unwrap();
    let case = Case::new(conv, 1, |length| lcg.integers(length));
    for isa in Isa::available_f32() {
        let mut scratch = vec![f32::NAN; weight_gradient_scratch_len(isa, &conv)];
        let mut out = vec![3.0; case.weights.len()];
        weight_gradient(isa, &conv, &case.x, &case.dy, &mut scratch, &mut out);
        let want: Vec<f32> = case.weight_gradient_reference().iter().map(|x| x + 3.0).collect();
        assert_eq!(out, want, "{isa}");
    }
}

#[test]
fn the_input_gradient_is_the_transposed_convolution() {
    let mut lcg = Lcg(6);
    for isa in Isa::available_f32() {
        for conv in geometries() {
            let case = Case::new(conv, 1, |length| lcg.integers(length));
            let mut weights = vec![f32::NAN; case.weights.len()];
            transpose_weights(&conv, &case.weights, &mut weights);
            let transposed = ConvGeometry { input: conv.output, output: conv.input, ..conv };
            let tile = transposed.transposed_tile(isa);
            let mut packed = vec![f32::NAN; conv_transpose::packed_len(isa, tile, &transposed)];
            let bias = vec![0.0; conv.input[2]];
            conv_transpose::pack(isa, tile, &transposed, &weights, &bias, &mut packed);
            let mut out = vec![f32::NAN; case.x.len()];
            let rows = Rows::new(&case.dy, conv.output[1] * conv.output[2]);
            let operands = ConvOperands { x: rows, packed: &packed, rows: 0..conv.input[0] };
            conv_transpose(isa, tile, &transposed, operands, Activation::Identity, &mut out);
            assert_eq!(out, case.input_gradient_reference(), "{isa} {conv:?}");
        }
    }
}
