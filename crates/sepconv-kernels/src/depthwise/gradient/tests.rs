use std::vec;
use std::vec::Vec;

use super::*;
use crate::testing::{Lcg, absolute, assert_within_bound};
use crate::{Activation, Window};

/// Kernels, strides, dilation, padding before and after, map.
type Shape = ([usize; 2], [usize; 2], usize, [usize; 2], [usize; 2], [usize; 2]);

const SHAPES: [Shape; 14] = [
    ([3, 3], [1, 1], 1, [1, 1], [1, 1], [6, 7]),
    ([3, 3], [2, 2], 1, [1, 1], [1, 1], [8, 9]),
    ([3, 3], [2, 2], 1, [0, 0], [1, 1], [8, 8]),
    ([5, 5], [1, 1], 1, [2, 2], [2, 2], [7, 5]),
    ([5, 5], [2, 2], 1, [2, 2], [2, 2], [9, 14]),
    ([7, 7], [1, 1], 1, [3, 3], [3, 3], [4, 4]),
    ([3, 3], [1, 1], 2, [2, 2], [2, 2], [7, 8]),
    ([3, 3], [2, 2], 2, [2, 2], [2, 2], [9, 9]),
    ([3, 3], [3, 2], 2, [1, 2], [0, 1], [11, 9]),
    ([1, 5], [1, 2], 1, [0, 2], [0, 2], [3, 11]),
    ([4, 1], [4, 1], 1, [0, 0], [0, 0], [10, 1]),
    ([2, 2], [3, 3], 1, [0, 0], [0, 0], [8, 7]),
    ([3, 3], [1, 1], 1, [4, 3], [3, 4], [2, 2]),
    ([4, 4], [2, 2], 1, [1, 1], [1, 1], [16, 2]),
];

fn geometry((kernel, stride, dilation, before, after, [h, w]): Shape, c: usize, multiplier: usize) -> ConvGeometry {
    let window = Window { stride, dilation: [dilation; 2], before, after, ..Window::new(kernel[0], kernel[1]) };
    let [oh, ow] = window.output([h, w]).unwrap();
    ConvGeometry::depthwise(window, [h, w, c], [oh, ow, c * multiplier])
}

struct Case {
    dw: ConvGeometry,
    x: Vec<f32>,
    weights: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(dw: ConvGeometry, images: usize, mut data: impl FnMut(usize) -> Vec<f32>) -> Self {
        let size = |[h, w, c]: [usize; 3]| images * h * w * c;
        Self { dw, x: data(size(dw.input)), weights: data(dw.output[2] * dw.taps()), dy: data(size(dw.output)) }
    }

    fn by_weight(&self, isa: Isa) -> Vec<f32> {
        let mut scratch = vec![f32::NAN; weight_gradient_scratch_len(isa, &self.dw)];
        let mut out = vec![0.0; self.weights.len()];
        weight_gradient(isa, &self.dw, &self.x, &self.dy, &mut scratch, &mut out);
        out
    }

    fn by_input(&self, isa: Isa) -> Vec<f32> {
        let mut scratch = vec![f32::NAN; input_gradient_scratch_len(isa, &self.dw)];
        let mut out = vec![f32::NAN; self.x.len()];
        input_gradient(isa, &self.dw, &self.weights, &self.dy, &mut scratch, &mut out);
        out
    }

    fn references(&self) -> [Vec<f32>; 2] {
        let [mut by_weight, mut by_input] = [vec![0.0; self.weights.len()], vec![0.0; self.x.len()]];
        weight_gradient_reference(&self.dw, &self.x, &self.dy, &mut by_weight);
        input_gradient_reference(&self.dw, &self.weights, &self.dy, &mut by_input);
        [by_weight, by_input].map(|sums| sums.into_iter().map(|x| x as f32).collect())
    }

    /// `Σ dy · convolution`, by the forward reference: linear in `x` and in `weights`, and exact on whole numbers.
    fn total(&self) -> f64 {
        let mut y = vec![0.0; self.dy.len()];
        crate::depthwise::reference(&self.dw, &self.x, &self.weights, None, Activation::Identity, &mut y);
        y.iter().zip(&self.dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
    }
}

#[test]
fn references_are_differences_of_the_convolution() {
    let mut lcg = Lcg(1);
    for (shape, multiplier) in SHAPES.into_iter().flat_map(|shape| [(shape, 1), (shape, 3)]) {
        let dw = geometry(shape, 2, multiplier);
        let mut case = Case::new(dw, 1, |length| lcg.integers(length));
        let (before, [by_weight, by_input]) = (case.total(), case.references());
        for (i, &gradient) in by_weight.iter().enumerate() {
            case.weights[i] += 1.0;
            assert_eq!(case.total() - before, f64::from(gradient), "{dw:?} weight {i}");
            case.weights[i] -= 1.0;
        }
        for (i, &gradient) in by_input.iter().enumerate() {
            case.x[i] += 1.0;
            assert_eq!(case.total() - before, f64::from(gradient), "{dw:?} input {i}");
            case.x[i] -= 1.0;
        }
    }
}

#[test]
fn kernels_equal_the_references() {
    let mut lcg = Lcg(2);
    for isa in Isa::available_f32() {
        for shape in SHAPES {
            for (c, multiplier) in [(1, 1), (isa.lanes(), 1), (2 * isa.lanes() + 3, 1), (isa.lanes() + 1, 2), (3, 3)] {
                for images in [1, 3] {
                    let case = Case::new(geometry(shape, c, multiplier), images, |length| lcg.integers(length));
                    let [by_weight, by_input] = case.references();
                    assert_eq!(case.by_weight(isa), by_weight, "{isa} {:?} by weight", case.dw);
                    assert_eq!(case.by_input(isa), by_input, "{isa} {:?} by input", case.dw);
                }
            }
        }
    }
}

#[test]
fn kernels_stay_within_the_bound_on_real_numbers() {
    let mut lcg = Lcg(3);
    for isa in Isa::available_f32() {
        for shape in SHAPES {
            let mut case = Case::new(geometry(shape, 11, 1), 2, |length| lcg.f32_vec(length));
            let (got, want) = ([case.by_weight(isa), case.by_input(isa)], case.references());
            let pixels = case.dw.output[0] * case.dw.output[1] * 2;
            case.x = absolute(&case.x);
            case.weights = absolute(&case.weights);
            case.dy = absolute(&case.dy);
            let bounds = case.references();
            let what = std::format!("{isa} {:?}", case.dw);
            assert_within_bound(&got[0], &want[0], &bounds[0], pixels, &what);
            assert_within_bound(&got[1], &want[1], &bounds[1], case.dw.taps(), &what);
        }
    }
}
