use std::vec;
use std::vec::Vec;

use super::*;
use crate::Activation;
use crate::testing::{Lcg, absolute, assert_within_bound};

struct Case {
    k: usize,
    n: usize,
    x: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    residual: Option<Vec<f32>>,
}

impl Case {
    fn new(m: usize, k: usize, n: usize, residual: bool, mut data: impl FnMut(usize) -> Vec<f32>) -> Self {
        let residual = residual.then(|| data(m * n));
        Self { k, n, x: data(m * k), weights: data(n * k), bias: data(n), residual }
    }

    fn absolute(&self) -> Self {
        Self {
            k: self.k,
            n: self.n,
            x: absolute(&self.x),
            weights: absolute(&self.weights),
            bias: absolute(&self.bias),
            residual: self.residual.as_deref().map(absolute),
        }
    }

    fn out(&self) -> Vec<f32> {
        vec![f32::NAN; self.x.len() / self.k * self.n]
    }

    fn want(&self, activation: Activation) -> Vec<f32> {
        let mut out = self.out();
        let residual = self.residual.as_deref();
        reference(self.k, self.n, &self.x, &self.weights, &self.bias, residual, activation, &mut out);
        out
    }

    fn got(&self, isa: Isa, tile: Tile, activation: Activation) -> Vec<f32> {
        let mut packed = vec![f32::NAN; packed_len(isa, tile, self.k, self.n)];
        pack(isa, tile, self.k, &self.weights, &self.bias, &mut packed);
        let mut out = self.out();
        let residual = self.residual.as_deref();
        pointwise(isa, tile, [self.k, self.n], &self.x, &packed, F32Output { residual, activation, out: &mut out });
        out
    }
}

fn variants() -> impl Iterator<Item = (Isa, Tile)> {
    Isa::available_f32().flat_map(|isa| Tile::variants(isa).map(move |tile| (isa, tile)))
}

#[test]
fn equals_the_reference_around_every_edge() {
    let mut lcg = Lcg(1);
    for (isa, tile) in variants() {
        let (lanes, columns) = (isa.lanes(), tile.columns(isa));
        for n in [1, lanes - 1, lanes, lanes + 1, (columns - 1).max(1), columns, columns + 1, 2 * columns + 3] {
            for k in [1, 2, lanes - 1, lanes + 1, 33] {
                for m in [1, 2, tile.mr, tile.mr + 1, 2 * tile.mr + 1] {
                    let case = Case::new(m, k, n, (m + k + n) % 2 == 0, |length| lcg.integers(length));
                    let got = case.got(isa, tile, Activation::Relu);
                    assert!(got == case.want(Activation::Relu), "{isa} {} at {m}x{k}x{n}", tile.name(isa));
                }
            }
        }
    }
}

#[test]
fn equals_the_reference_for_every_number_of_rows() {
    let mut lcg = Lcg(2);
    for (isa, tile) in variants() {
        for m in 0..=2 * tile.mr {
            let case = Case::new(m, 7, tile.columns(isa) + 1, true, |length| lcg.integers(length));
            assert!(case.got(isa, tile, Activation::Identity) == case.want(Activation::Identity), "{isa} {tile:?} {m}");
        }
    }
}

#[test]
fn stays_within_the_bound_on_real_numbers() {
    let mut lcg = Lcg(3);
    for (isa, tile) in variants() {
        for (m, k, n) in [(29, 576, 96), (1, 1280, 100), (15, 19, 40)] {
            let case = Case::new(m, k, n, true, |length| lcg.f32_vec(length));
            let (got, want) = (case.got(isa, tile, Activation::Identity), case.want(Activation::Identity));
            let absolute = case.absolute().want(Activation::Identity);
            assert_within_bound(&got, &want, &absolute, k, &std::format!("{isa} {tile:?} {m}x{k}x{n}"));
        }
    }
}

#[test]
fn applies_every_activation_after_the_residual() {
    let mut lcg = Lcg(4);
    for (isa, tile) in variants() {
        let case = Case::new(tile.mr + 2, 3, tile.columns(isa) + 5, true, |length| lcg.integers(length));
        for activation in crate::activation::ALL {
            let (got, want) = (case.got(isa, tile, activation), case.want(activation));
            for (got, want) in got.iter().zip(&want) {
                // The sums are exact, so this is the error of the activation alone: 2e-7 or four units.
                let bound = 2e-7f32.max(want.abs() * 4.0 * f32::EPSILON);
                assert!((got - want).abs() <= bound, "{isa} {tile:?} {activation:?}: expected {want}, got {got}");
            }
        }
    }
}

#[test]
fn dividing_the_pixels_changes_no_bit() {
    let mut lcg = Lcg(5);
    for (isa, tile) in variants() {
        let (m, k, n) = (37, 50, 21);
        let case = Case::new(m, k, n, false, |length| lcg.f32_vec(length));
        let whole = case.got(isa, tile, Activation::HardSwish);
        for first in [1, 6, 14, 36] {
            let part = |range: core::ops::Range<usize>| {
                let x = case.x[range.start * k..range.end * k].to_vec();
                let (weights, bias) = (case.weights.clone(), case.bias.clone());
                Case { k, n, x, weights, bias, residual: None }.got(isa, tile, Activation::HardSwish)
            };
            assert!(whole == [part(0..first), part(first..m)].concat(), "{isa} {tile:?} {first}");
        }
    }
}

#[test]
fn gated_inputs_are_weights_times_the_gate() {
    let mut lcg = Lcg(6);
    let (k, n) = (5, 30);
    let (weights, bias, gate) = (lcg.integers(n * k), lcg.integers(n), lcg.integers(k));
    let products: Vec<_> = weights.iter().zip(gate.iter().cycle()).map(|(weight, gate)| weight * gate).collect();
    for (isa, tile) in variants() {
        let packed = |weights| {
            let mut packed = vec![f32::NAN; packed_len(isa, tile, k, n)];
            pack(isa, tile, k, weights, &bias, &mut packed);
            packed
        };
        let mut gated = vec![f32::NAN; packed_len(isa, tile, k, n)];
        gate_inputs(isa, tile, &gate, &packed(&weights), &mut gated);
        assert!(gated == packed(&products), "{isa} {tile:?}");
    }
}

#[test]
fn nan_reaches_the_output_through_a_clip() {
    for (isa, tile) in variants() {
        let mut case = Case::new(2, 3, 4, false, |length| vec![1.0; length]);
        case.x[0] = f32::NAN;
        let got = case.got(isa, tile, Activation::RELU6);
        assert!(got[..4].iter().all(|x| x.is_nan()) && got[4..] == [4.0; 4], "{isa} {tile:?}: {got:?}");
    }
}

#[test]
fn the_chosen_tile_has_a_kernel_and_suits_one_row() {
    for isa in Isa::available_f32() {
        for (m, n) in [(0, 1), (1, 1), (1, 1000), (49, 160), (12544, 16), (1 << 24, 24)] {
            let tile = Tile::choose(isa, m, 96, n);
            assert!(Tile::variants(isa).any(|variant| variant == tile), "{isa} {m}x{n}: {tile:?}");
        }
        // A module that is downloaded has no wider tiles.
        let many = if cfg!(target_family = "wasm") { 2 } else { 4 };
        assert!(Tile::choose(isa, 1, 1280, 1000).nr >= many, "{isa}: one row needs many sums in flight");
    }
}
