use std::vec;
use std::vec::Vec;

use super::super::{pack_int8, packed_len_int8};
use super::*;
use crate::Epilogue;
use crate::simd::Word;
use crate::testing::{Lcg, QuantizedCase, epilogues};

/// A layer with `m` pixels of data.
struct Case {
    m: usize,
    k: usize,
    layer: QuantizedCase,
    x: Vec<u8>,
    residual: Vec<u8>,
}

impl Case {
    fn new(lcg: &mut Lcg, [m, k, n]: [usize; 3], kind: usize) -> Self {
        let layer = QuantizedCase::new(lcg, k, n, kind);
        Self { m, k, layer, x: lcg.bytes(m * k), residual: lcg.bytes(m * n) }
    }

    fn n(&self) -> usize {
        self.layer.bias.len()
    }

    fn residual(&self, epilogue: &Epilogue<'_>) -> Option<&[u8]> {
        epilogue.residual.map(|_| &self.residual[..])
    }

    fn want(&self, epilogue: &Epilogue<'_>) -> Vec<u8> {
        let mut out = vec![0; self.m * self.n()];
        reference_int8(self.k, &self.x, &self.layer.params(), self.residual(epilogue), epilogue, &mut out);
        out
    }

    fn packed(&self, isa: Isa, tile: Tile) -> Vec<i8> {
        let mut packed = vec![77; packed_len_int8(isa, tile, self.k, &self.layer.params())];
        pack_int8(isa, tile, self.k, &self.layer.params(), &mut packed);
        packed
    }

    fn got(&self, isa: Isa, tile: Tile, epilogue: &Epilogue<'_>) -> Vec<u8> {
        let (packed, zero_points) = (self.packed(isa, tile), self.layer.params().zero_points());
        let mut out = vec![0; self.m * self.n()];
        let residual = self.residual(epilogue);
        pointwise_int8(
            isa,
            tile,
            [self.k, self.n()],
            zero_points,
            &self.x,
            &packed,
            Int8Output::U8 { epilogue, residual, out: &mut out },
        );
        out
    }
}

/// As the function of this name, on the token that has no instruction set, too.
fn pointwise_int8(
    isa: Isa,
    tile: Tile,
    sizes: [usize; 2],
    zero_points: ZeroPoints,
    x: &[u8],
    packed: &[i8],
    output: Int8Output<'_>,
) {
    match isa {
        Isa::WORD => {
            let scratch = &mut vec![77; scratch_len_int8(isa, sizes[0])];
            pointwise_int8_on(Word, tile, sizes, zero_points, x, packed, output, scratch);
        }
        _ => super::pointwise_int8(isa, tile, sizes, zero_points, x, packed, output),
    }
}

fn variants() -> impl Iterator<Item = (Isa, Tile)> {
    Isa::available().chain([Isa::WORD]).flat_map(|isa| Tile::variants_int8(isa).map(move |tile| (isa, tile)))
}

#[test]
fn equals_the_reference_around_every_edge() {
    let (mut lcg, lut) = (Lcg(1), crate::testing::lut());
    let mut epilogues = epilogues(&lut).into_iter().cycle();
    for (isa, tile) in variants() {
        let columns = tile.columns(isa);
        for n in [1, (isa.lanes() - 1).max(1), isa.lanes() + 1, columns, columns + 1, 2 * columns + 3] {
            for k in [1, 2, 3, 4, 5, 15, 17, 33] {
                for m in [1, tile.mr, tile.mr + 1] {
                    let kind = (m + k + n) % QuantizedCase::KINDS;
                    let (case, epilogue) = (Case::new(&mut lcg, [m, k, n], kind), epilogues.next().unwrap());
                    let same = case.got(isa, tile, &epilogue) == case.want(&epilogue);
                    assert!(same, "{isa} {} at {m}x{k}x{n}, {:?}", tile.name(isa), case.layer.params());
                }
            }
        }
    }
}

#[test]
fn equals_the_reference_for_every_number_of_rows() {
    let (mut lcg, lut) = (Lcg(2), crate::testing::lut());
    for (isa, tile) in variants() {
        for m in 0..=2 * tile.mr {
            let case = Case::new(&mut lcg, [m, 7, tile.columns(isa) + 1], m % QuantizedCase::KINDS);
            for epilogue in epilogues(&lut) {
                assert!(case.got(isa, tile, &epilogue) == case.want(&epilogue), "{isa} {tile:?} {m} {epilogue:?}");
            }
        }
    }
}

#[test]
fn the_greatest_sums_are_exact() {
    let k = crate::QuantizedConvParams::MAX_PRODUCTS;
    let scale = [1.0 / 8_388_608.0; 3];
    let bias = [16_000_000, -16_000_000, 0];
    // Every product is 255², the next channel's -255², the last's are of changing sign.
    for (x_zero_point, x, signs) in [(0, 255, [1, -1, 0]), (255, 0, [-1, 1, 0])] {
        for u8_zero_point in [0, 255] {
            let weights: Vec<u8> = (0..3 * k).map(|i| if u8_zero_point == 0 { 255 } else { (i % 2) as u8 }).collect();
            let weights = crate::QuantizedWeights::U8(&weights, u8_zero_point);
            let params = crate::QuantizedConvParams { weights, x_zero_point, bias: &bias, scale: &scale };
            let x = vec![x; k];
            let output = crate::Requantize { zero_point: 128, low: 0, high: 255 };
            let epilogue = Epilogue { output, lut: None, residual: None };
            let mut want = [0; 3];
            reference_int8(k, &x, &params, None, &epilogue, &mut want);
            assert!(u8_zero_point == 255 || (want[0] == 255) == (signs[0] > 0), "{want:?}");
            for (isa, tile) in variants() {
                let mut packed = vec![0; packed_len_int8(isa, tile, k, &params)];
                pack_int8(isa, tile, k, &params, &mut packed);
                let mut got = [0; 3];
                let zero_points = params.zero_points();
                pointwise_int8(
                    isa,
                    tile,
                    [k, 3],
                    zero_points,
                    &x,
                    &packed,
                    Int8Output::U8 { epilogue: &epilogue, residual: None, out: &mut got },
                );
                assert_eq!(got, want, "{isa} {tile:?} {x_zero_point} {u8_zero_point}");
            }
        }
    }
}

#[test]
fn products_of_two_that_leave_16_bits_are_exact() {
    let scale = [1.0 / 1024.0; 40];
    let output = crate::Requantize { zero_point: 128, low: 0, high: 255 };
    let epilogue = Epilogue { output, lut: None, residual: None };
    // Every pair of neighbors, every second, and one in a panel; just beyond 16 bits, and far beyond.
    for (every, [a, b]) in [1, 2, 64].into_iter().flat_map(|every| {
        [[127, 127], [-128, -128], [64, 65], [-64, -65], [127, 2], [-128, -1]].map(|pair| (every, pair))
    }) {
        for k in [3, 4, 8, 30, 64] {
            let weight = |i: usize| match (i / 2).is_multiple_of(every) {
                true => [a, b][i % 2],
                false => [120, -120][i % 2],
            };
            let weights: Vec<i8> = (0..40 * k).map(weight).collect();
            let bias: Vec<i32> =
                (0..40).map(|o| -255 * (o * k..(o + 1) * k).map(|i| i32::from(weights[i])).sum::<i32>()).collect();
            let weights = crate::QuantizedWeights::I8(&weights, 0);
            let params = crate::QuantizedConvParams { weights, x_zero_point: 0, bias: &bias, scale: &scale };
            let x = vec![255; 7 * k];
            for (isa, tile) in variants() {
                let mut packed = vec![0; packed_len_int8(isa, tile, k, &params)];
                pack_int8(isa, tile, k, &params, &mut packed);
                let mut got = vec![0; 7 * 40];
                let output = Int8Output::U8 { epilogue: &epilogue, residual: None, out: &mut got };
                pointwise_int8(isa, tile, [k, 40], params.zero_points(), &x, &packed, output);
                // The bias takes away what exact products add up to.
                assert!(got.iter().all(|&y| y == 128), "{isa} {tile:?} {k} {every} {a} {b}");
            }
        }
    }
}

#[test]
fn floats_are_sums_times_their_scale() {
    let mut lcg = Lcg(4);
    for (isa, tile) in variants() {
        for (kind, [m, k, n]) in [[1, 19, 40], [tile.mr + 1, 6, 17], [3, 64, 5]].into_iter().enumerate() {
            let case = Case::new(&mut lcg, [m, k, n], kind);
            let (packed, params) = (case.packed(isa, tile), case.layer.params());
            let mut got = vec![f32::NAN; m * n];
            pointwise_int8(isa, tile, [k, n], params.zero_points(), &case.x, &packed, Int8Output::F32(&mut got));
            let want = (0..m * n).map(|i| reference::sum(k, &case.x, &params, i) as f32 * params.scale[i % n]);
            assert!(want.eq(got), "{isa} {tile:?} {m}x{k}x{n}");
        }
    }
}

#[test]
fn the_chosen_tile_has_a_kernel() {
    for isa in Isa::available() {
        for (m, n) in [(0, 1), (1, 1), (1, 1000), (49, 160), (12544, 16), (1 << 24, 24)] {
            let tile = Tile::choose_int8(isa, m, 96, n);
            assert!(Tile::variants_int8(isa).any(|variant| variant == tile), "{isa} {m}x{n}: {tile:?}");
        }
    }
}
