use std::vec;
use std::vec::Vec;

use super::{Cell, Layer, recurrent, reference};
use crate::Isa;
use crate::testing::Lcg;

const CELLS: [Cell; 4] = [
    Cell::Lstm { clip: f32::INFINITY },
    Cell::Lstm { clip: 0.5 },
    Cell::Gru { reset_after: true },
    Cell::Gru { reset_after: false },
];

/// Steps, batch, input and hidden.
const SIZES: [[usize; 4]; 7] =
    [[1, 1, 1, 1], [1, 1, 257, 128], [5, 1, 4, 3], [3, 2, 5, 17], [130, 1, 8, 20], [2, 70, 6, 8], [4, 33, 3, 4]];

#[test]
fn agrees_with_the_definition() {
    let mut lcg = Lcg(1);
    for [steps, batch, input, hidden] in SIZES {
        for cell in CELLS {
            for reverse in [false, true] {
                let layer = Layer { cell, reverse, steps, batch, input, hidden };
                let n = cell.gates() * hidden;
                let x = lcg.f32_vec(steps * batch * input);
                let initial = [lcg.f32_vec(batch * hidden), lcg.f32_vec(batch * hidden)];
                let weights = [lcg.f32_vec(n * input), lcg.f32_vec(n * hidden)];
                let biases = [lcg.f32_vec(n), lcg.f32_vec(n)];
                fn slices(pair: &[Vec<f32>; 2]) -> [&[f32]; 2] {
                    pair.each_ref().map(|list| &list[..])
                }
                let mut expected = vec![f32::NAN; layer.output_len()];
                reference(layer, &x, slices(&initial), slices(&weights), slices(&biases), &mut expected);
                for isa in Isa::available_f32() {
                    let tiles = layer.tiles(isa);
                    let mut packed = layer.packed_lens(isa, tiles).map(|len| vec![f32::NAN; len]);
                    layer.pack_input(isa, tiles, &weights[0], &biases[0], &mut packed[0]);
                    layer.pack_recurrent(isa, tiles, &weights[1], &biases[1], &mut packed[1]);
                    let mut scratch = vec![f32::NAN; layer.scratch_rows() * n];
                    let mut out = vec![f32::NAN; layer.output_len()];
                    recurrent(isa, layer, tiles, &x, slices(&initial), slices(&packed), &mut scratch, &mut out);
                    for (got, want) in out.iter().zip(&expected) {
                        assert!((got - want).abs() <= 2e-5, "{isa} {layer:?}: expected {want}, got {got}");
                    }
                }
            }
        }
    }
}
