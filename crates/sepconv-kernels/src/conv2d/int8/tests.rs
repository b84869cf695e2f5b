use std::vec;
use std::vec::Vec;

use super::super::tests::{conv, windows};
use super::*;
use crate::Epilogue;
use crate::Rows;
use crate::simd::Word;
use crate::testing::{Lcg, QuantizedCase, epilogues, lut};
use crate::window::Window;

struct Case {
    conv: ConvGeometry,
    layer: QuantizedCase,
    x: Vec<u8>,
    residual: Vec<u8>,
}

impl Case {
    fn new(lcg: &mut Lcg, conv: ConvGeometry, kind: usize) -> Self {
        let layer = QuantizedCase::new(lcg, conv.depth(), conv.output[2], kind);
        let [x, residual] = [conv.input, conv.output].map(|dims| lcg.bytes(dims.iter().product()));
        Self { conv, layer, x, residual }
    }

    fn residual(&self, epilogue: &Epilogue<'_>) -> Option<&[u8]> {
        epilogue.residual.map(|_| &self.residual[..])
    }

    fn want(&self, epilogue: &Epilogue<'_>) -> Vec<u8> {
        let mut out = vec![0; self.residual.len()];
        reference_int8(&self.conv, &self.x, &self.layer.params(), self.residual(epilogue), epilogue, &mut out);
        out
    }

    fn packed(&self, isa: Isa, tile: Tile) -> Vec<i8> {
        let mut packed = vec![77; packed_len_int8(isa, tile, &self.conv, &self.layer.params())];
        pack_int8(isa, tile, &self.conv, &self.layer.params(), &mut packed);
        packed
    }

    /// The output, made `step` rows at a time from `x`.
    fn got(&self, isa: Isa, tile: Tile, epilogue: &Epilogue<'_>, step: usize) -> Vec<u8> {
        let (packed, zero_points) = (self.packed(isa, tile), self.layer.params().zero_points());
        let (conv, row) = (&self.conv, self.conv.output[1] * self.conv.output[2]);
        let mut scratch = vec![77; scratch_len_int8(isa, tile, conv)];
        let mut out = vec![0; self.residual.len()];
        for (i, out) in out.chunks_mut(step * row).enumerate() {
            let rows = i * step..i * step + out.len() / row;
            let residual = self.residual(epilogue).map(|residual| &residual[rows.start * row..][..out.len()]);
            let x = Rows::new(&self.x, conv.input[1] * conv.input[2]);
            conv2d_int8(
                isa,
                tile,
                conv,
                zero_points,
                ConvOperands { x, packed: &packed, rows },
                Int8Output::U8 { epilogue, residual, out },
                &mut scratch,
            );
        }
        out
    }
}

/// As the function of this name, on the token that has no instruction set, too.
fn conv2d_int8(
    isa: Isa,
    tile: Tile,
    conv: &ConvGeometry,
    zero_points: ZeroPoints,
    operands: ConvOperands<'_, u8, i8>,
    output: Int8Output<'_>,
    scratch: &mut [u8],
) {
    match isa {
        Isa::WORD => conv2d_int8_on(Word, tile, conv, zero_points, operands, output, scratch),
        _ => super::conv2d_int8(isa, tile, conv, zero_points, operands, output, scratch),
    }
}

fn variants() -> impl Iterator<Item = (Isa, Tile)> {
    Isa::available().chain([Isa::WORD]).flat_map(|isa| Tile::variants_int8(isa).map(move |tile| (isa, tile)))
}

#[test]
fn equals_the_reference_for_every_window() {
    let (mut lcg, lut) = (Lcg(1), lut());
    let mut epilogues = epilogues(&lut).into_iter().cycle();
    for (i, window) in windows().into_iter().enumerate() {
        for (j, (c, o, groups)) in
            [(3, 9, 1), (8, 33, 1), (6, 4, 2), (12, 60, 3), (5, 5, 5), (2, 6, 2)].into_iter().enumerate()
        {
            let conv = conv(window, [7, 15 + i % 3, c], o, groups);
            let (case, epilogue) =
                (Case::new(&mut lcg, conv, (i + j) % QuantizedCase::KINDS), epilogues.next().unwrap());
            let want = case.want(&epilogue);
            for (isa, tile) in variants() {
                let got = case.got(isa, tile, &epilogue, if i % 2 == 0 { 4 } else { 100 });
                assert!(got == want, "{isa} {tile:?} {conv:?} {:?}", case.layer.params());
            }
        }
    }
}

#[test]
fn panels_used_one_at_a_time_give_the_same() {
    let (mut lcg, lut) = (Lcg(2), lut());
    let window = Window { before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    for (kind, groups) in [(0, 1), (3, 1), (2, 2)] {
        let case = Case::new(&mut lcg, conv(window, [3, 4, 240], 500, groups), kind);
        for epilogue in epilogues(&lut).into_iter().take(1 + kind) {
            let want = case.want(&epilogue);
            for (isa, tile) in variants() {
                assert!(case.got(isa, tile, &epilogue, 2) == want, "{isa} {tile:?} {groups}");
            }
        }
    }
}

#[test]
fn a_ring_of_rows_equals_the_whole_plane() {
    let (mut lcg, lut) = (Lcg(3), lut());
    let window = Window { stride: [1, 2], before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    for (kind, epilogue) in [0, 3, 6].into_iter().zip(epilogues(&lut)) {
        let case = Case::new(&mut lcg, conv(window, [10, 17, 4], 19, 1), kind);
        let (want, ConvGeometry { input: [h, w, c], output: [_, ow, o], .. }) = (case.want(&epilogue), case.conv);
        let zero_points = case.layer.params().zero_points();
        for (isa, tile) in variants() {
            let (packed, mut scratch) = (case.packed(isa, tile), vec![77; scratch_len_int8(isa, tile, &case.conv)]);
            let (mut ring, mut out) = (vec![77; 4 * w * c], vec![0; want.len()]);
            let mut held = 0;
            for (oy, out) in out.chunks_exact_mut(ow * o).enumerate() {
                while held < (oy + 2).min(h) {
                    ring[held % 4 * w * c..][..w * c].copy_from_slice(&case.x[held * w * c..][..w * c]);
                    held += 1;
                }
                let (x, rows) = (Rows::new(&ring, w * c), oy..oy + 1);
                conv2d_int8(
                    isa,
                    tile,
                    &case.conv,
                    zero_points,
                    ConvOperands { x, packed: &packed, rows },
                    Int8Output::U8 { epilogue: &epilogue, residual: None, out },
                    &mut scratch,
                );
            }
            assert!(out == want, "{isa} {tile:?}");
        }
    }
}

#[test]
fn floats_are_sums_times_their_scale() {
    let mut lcg = Lcg(4);
    let window = Window { stride: [2; 2], before: [0, 1], after: [1, 1], ..Window::new(3, 3) };
    for kind in 0..QuantizedCase::KINDS {
        let case = Case::new(&mut lcg, conv(window, [9, 14, 3], 21, 1), kind);
        let (ConvGeometry { input: [_, w, c], output, .. }, params) = (case.conv, case.layer.params());
        let want = (0..output.iter().product())
            .map(|i| reference::sum(&case.conv, &case.x, &params, i) as f32 * params.scale[i % output[2]]);
        for (isa, tile) in variants() {
            let (packed, mut scratch) = (case.packed(isa, tile), vec![77; scratch_len_int8(isa, tile, &case.conv)]);
            let mut got = vec![f32::NAN; output.iter().product()];
            let (x, zero_points) = (Rows::new(&case.x, w * c), params.zero_points());
            conv2d_int8(
                isa,
                tile,
                &case.conv,
                zero_points,
                ConvOperands { x, packed: &packed, rows: 0..output[0] },
                Int8Output::F32(&mut got),
                &mut scratch,
            );
            assert!(want.clone().eq(got), "{isa} {tile:?} {params:?}");
        }
    }
}
