use std::vec;
use std::vec::Vec;

use super::*;
use crate::Activation;
use crate::Rows;
use crate::Window;
use crate::testing::{Lcg, absolute, assert_within_bound};

/// A convolution whose output follows from the rest.
pub(super) fn conv(window: Window, input: [usize; 3], o: usize, groups: usize) -> ConvGeometry {
    let [oh, ow] = window.output([input[0], input[1]]).expect("the window fits");
    ConvGeometry { window, input, output: [oh, ow, o], groups }
}

/// Windows of every kind: kernels 1 to 7, strides, dilation, asymmetric padding, windows wholly in the padding.
pub(super) fn windows() -> Vec<Window> {
    let mut windows: Vec<_> =
        (1..=7).map(|k| Window { before: [k / 2; 2], after: [k / 2; 2], ..Window::new(k, k) }).collect();
    windows.extend([
        Window::new(3, 3),
        Window { stride: [2; 2], after: [1; 2], ..Window::new(3, 3) },
        Window { stride: [2, 1], before: [0, 3], after: [2, 1], ..Window::new(2, 5) },
        Window { stride: [1, 3], before: [1, 0], ..Window::new(5, 2) },
        Window { dilation: [2; 2], before: [2; 2], after: [2; 2], ..Window::new(3, 3) },
        Window { dilation: [3, 1], before: [3, 1], after: [1, 2], stride: [1, 2], ..Window::new(2, 3) },
        Window { dilation: [1, 2], before: [0, 4], after: [1, 0], ..Window::new(1, 3) },
        Window { stride: [2; 2], ..Window::new(1, 1) },
        Window { before: [4, 5], after: [5, 4], ..Window::new(2, 2) },
    ]);
    windows
}

struct Case {
    conv: ConvGeometry,
    x: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    residual: Option<Vec<f32>>,
}

impl Case {
    fn new(conv: ConvGeometry, residual: bool, mut data: impl FnMut(usize) -> Vec<f32>) -> Self {
        let [[h, w, c], [oh, ow, o]] = [conv.input, conv.output];
        let weights = data(o * conv.depth());
        Self { conv, x: data(h * w * c), weights, bias: data(o), residual: residual.then(|| data(oh * ow * o)) }
    }

    fn want(&self, activation: Activation) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.conv.output.iter().product()];
        let Self { conv, x, weights, bias, residual } = self;
        reference(conv, x, weights, bias, residual.as_deref(), activation, &mut out);
        out
    }

    /// The output, made `step` rows at a time from `x`.
    fn got(&self, isa: Isa, tile: Tile, activation: Activation, step: usize) -> Vec<f32> {
        let ConvGeometry { input: [_, w, c], output: [oh, ow, o], .. } = self.conv;
        let mut packed = vec![f32::NAN; packed_len(isa, tile, &self.conv)];
        pack(isa, tile, &self.conv, &self.weights, &self.bias, &mut packed);
        let mut scratch = vec![f32::NAN; scratch_len(isa, tile, &self.conv)];
        let mut out = vec![f32::NAN; oh * ow * o];
        for (i, out) in out.chunks_mut(step * ow * o).enumerate() {
            let rows = i * step..i * step + out.len() / (ow * o);
            let residual = self.residual.as_ref().map(|residual| &residual[rows.start * ow * o..][..out.len()]);
            let x = Rows::new(&self.x, w * c);
            conv2d(
                isa,
                tile,
                &self.conv,
                ConvOperands { x, packed: &packed, rows },
                F32Output { residual, activation, out },
                &mut scratch,
            );
        }
        out
    }
}

fn variants(conv: &ConvGeometry) -> impl Iterator<Item = (Isa, Tile)> {
    Isa::available_f32().flat_map(|isa| conv.tiles(isa).map(move |tile| (isa, tile)))
}

#[test]
fn equals_the_reference_for_every_window() {
    let mut lcg = Lcg(1);
    for (i, window) in windows().into_iter().enumerate() {
        for (c, o, groups) in
            [(3, 9, 1), (1, 3, 1), (4, 2, 1), (2, 1, 1), (8, 33, 1), (6, 4, 2), (12, 60, 3), (5, 5, 5), (2, 6, 2)]
        {
            let conv = conv(window, [9, 19 + i % 3, c], o, groups);
            let case = Case::new(conv, (i + c) % 2 == 0, |length| lcg.integers(length));
            let want = case.want(Activation::Relu);
            for (isa, tile) in variants(&conv) {
                let got = case.got(isa, tile, Activation::Relu, if i % 2 == 0 { 4 } else { 100 });
                assert!(got == want, "{isa} {tile:?} {conv:?}");
            }
        }
    }
}

#[test]
fn panels_used_one_at_a_time_give_the_same() {
    let mut lcg = Lcg(2);
    let window = Window { before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    for groups in [1, 2] {
        let case = Case::new(conv(window, [4, 5, 120], 250, groups), true, |length| lcg.integers(length));
        let want = case.want(Activation::RELU6);
        for (isa, tile) in variants(&case.conv) {
            assert!(case.got(isa, tile, Activation::RELU6, 3) == want, "{isa} {tile:?} {groups}");
        }
    }
}

#[test]
fn stays_within_the_bound_on_real_numbers() {
    let mut lcg = Lcg(3);
    let window = Window { stride: [2; 2], before: [1; 2], after: [1; 2], ..Window::new(5, 5) };
    let mut case = Case::new(conv(window, [11, 31, 7], 20, 1), true, |length| lcg.f32_vec(length));
    let want = case.want(Activation::Identity);
    let got: Vec<_> = variants(&case.conv).map(|(isa, tile)| case.got(isa, tile, Activation::Identity, 1)).collect();
    for data in [&mut case.x, &mut case.weights, &mut case.bias].into_iter().chain(&mut case.residual) {
        *data = absolute(data);
    }
    let absolute = case.want(Activation::Identity);
    for ((isa, tile), got) in variants(&case.conv).zip(got) {
        assert_within_bound(&got, &want, &absolute, case.conv.depth(), &std::format!("{isa} {tile:?}"));
    }
}

#[test]
fn a_ring_of_rows_equals_the_whole_plane() {
    let mut lcg = Lcg(4);
    let window = Window { stride: [1, 2], before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    let case = Case::new(conv(window, [10, 17, 4], 19, 1), false, |length| lcg.integers(length));
    let ConvGeometry { input: [h, w, c], output: [oh, ow, o], .. } = case.conv;
    for (isa, tile) in variants(&case.conv) {
        let want = case.got(isa, tile, Activation::Silu, oh);
        let mut packed = vec![0.0; packed_len(isa, tile, &case.conv)];
        pack(isa, tile, &case.conv, &case.weights, &case.bias, &mut packed);
        let mut scratch = vec![0.0; scratch_len(isa, tile, &case.conv)];
        let (mut ring, mut out) = (vec![f32::NAN; 4 * w * c], vec![f32::NAN; oh * ow * o]);
        let mut held = 0;
        for (oy, out) in out.chunks_exact_mut(ow * o).enumerate() {
            while held < (oy + 2).min(h) {
                ring[held % 4 * w * c..][..w * c].copy_from_slice(&case.x[held * w * c..][..w * c]);
                held += 1;
            }
            let x = Rows::new(&ring, w * c);
            conv2d(
                isa,
                tile,
                &case.conv,
                ConvOperands { x, packed: &packed, rows: oy..oy + 1 },
                F32Output { residual: None, activation: Activation::Silu, out },
                &mut scratch,
            );
        }
        assert!(out == want, "{isa} {tile:?}");
    }
}

#[test]
fn the_chosen_tile_has_a_kernel() {
    for isa in Isa::available_f32() {
        for (input, o, groups) in
            [([224, 224, 3], 32, 1), ([224, 224, 3], 3, 1), ([7, 7, 512], 512, 1), ([14, 14, 64], 64, 16)]
        {
            let conv = conv(Window::new(3, 3), input, o, groups);
            let tile = conv.tile(isa);
            assert!(conv.tiles(isa).any(|variant| variant == tile), "{isa} {tile:?}");
        }
    }
}
