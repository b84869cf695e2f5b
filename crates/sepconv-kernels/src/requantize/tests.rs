use std::vec;
use std::vec::Vec;

use super::*;
use crate::Epilogue;
use crate::simd::{Int8, Isa, Kernel};

const OUTPUTS: [Requantize; 6] = [
    Requantize { zero_point: 0, low: 0, high: 255 },
    Requantize { zero_point: 255, low: 0, high: 255 },
    Requantize { zero_point: 128, low: 0, high: 255 },
    Requantize { zero_point: 128, low: 128, high: 255 },
    Requantize { zero_point: 3, low: 3, high: 200 },
    Requantize { zero_point: 250, low: 10, high: 10 },
];

/// Requantizes whole vectors of sums.
struct Sums<'a> {
    output: Requantize,
    sums: &'a [i32],
    scale: f32,
    out: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Sums<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        for (sums, out) in self.sums.chunks(S::LANES).zip(self.out.chunks_mut(S::LANES)) {
            simd.store_u8(self.output.vector(simd, simd.load_i32(sums), simd.splat(self.scale)), out);
        }
    }
}

/// Sums around every power of two and around each byte, a multiple of sixteen of them.
fn sums() -> Vec<i32> {
    let powers = (0..31).flat_map(|bit| (-2..=2).map(move |d| (1i32 << bit).saturating_add(d)));
    let mut sums: Vec<_> = (0..600).chain(powers).flat_map(|x| [x, -x]).chain([i32::MAX, i32::MIN]).collect();
    sums.resize(sums.len().next_multiple_of(16), 0);
    sums
}

#[test]
fn sums_become_the_bytes_of_the_definition() {
    let sums = sums();
    let scales =
        [0.0, 1.0, 0.5, 0.25, 0.1, 1.5, 0.003_921_569, 7e-6, 1e-30, f32::MIN_POSITIVE / 8.0, 1e30, f32::MAX, -0.5];
    for isa in Isa::available() {
        for output in OUTPUTS {
            for scale in scales {
                let mut got = vec![0; sums.len()];
                isa.run_int8(Sums { output, sums: &sums, scale, out: &mut got });
                let want: Vec<u8> = sums.iter().map(|&acc| output.apply(acc, scale)).collect();
                assert!(got == want, "{isa} {output:?} {scale}");
            }
        }
    }
}

#[test]
fn halves_go_to_even_and_clips_hold() {
    let output = Requantize { zero_point: 10, low: 8, high: 13 };
    let halves = [-100, -5, -3, -1, 0, 1, 3, 5, 6, 7, 100];
    assert_eq!(halves.map(|acc| output.apply(acc, 0.5)), [8, 8, 8, 10, 10, 10, 12, 12, 13, 13, 13]);
    // Beyond 2^24 the sum itself becomes the nearest f32, 2^24.
    let output = Requantize { zero_point: 0, low: 0, high: 255 };
    assert_eq!(output.apply((1 << 24) + 1, 1.0 / (1 << 17) as f32), 128);
    assert_eq!([f32::MAX, -f32::MAX].map(|scale| output.apply(i32::MAX, scale)), [255, 0]);
}

fn epilogues(lut: &[u8; 256]) -> Vec<Epilogue<'_>> {
    let output = OUTPUTS[2];
    let mut epilogues = vec![];
    for add in [(0.5, 0.5), (1.0, 1.0), (0.713, 1.91), (1e-20, 3e10), (-1.0, 0.1)] {
        for (output, (za, zb)) in OUTPUTS.into_iter().zip([(0, 0), (255, 0), (128, 128), (7, 250), (128, 1), (0, 255)])
        {
            let (sum, residual) =
                (RequantOperand { zero_point: za, scale: add.0 }, RequantOperand { zero_point: zb, scale: add.1 });
            epilogues.push(AddResidual { sum, residual, output });
        }
    }
    let adds = epilogues.into_iter().map(Some).chain([None]);
    adds.flat_map(|residual| [None, Some(lut)].map(|lut| Epilogue { output, lut, residual })).collect()
}

/// Runs an epilogue on sums that it makes the bytes `y` of, with a residual for each.
struct Bytes<'a> {
    epilogue: Epilogue<'a>,
    y: &'a [u8],
    residual: &'a [u8],
    out: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Bytes<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let zero_point = simd.splat_i32(i32::from(self.epilogue.output.zero_point));
        let parts = self.y.chunks(4 * S::LANES).zip(self.residual.chunks(4 * S::LANES));
        for ((y, residual), out) in parts.zip(self.out.chunks_mut(4 * S::LANES)) {
            let vector = |bytes: &[u8], v: usize| simd.load_u8(&bytes[v * S::LANES..]);
            let acc = [0, 1, 2, 3].map(|v| simd.sub_i32(vector(y, v), zero_point));
            let scale = [simd.splat(1.0); 4];
            let residual = [0, 1, 2, 3].map(|v| vector(residual, v));
            let bytes = match self.epilogue.residual {
                None => self.epilogue.quads(simd, acc, scale),
                Some(add) => self.epilogue.quads_with_residual(simd, add, acc, scale, residual),
            };
            simd.store_quads(bytes, out);
        }
    }
}

#[test]
fn tables_and_residuals_are_as_defined_for_every_pair_of_bytes() {
    let lut = core::array::from_fn(|i| (i * 91 + 5) as u8);
    let (y, residual): (Vec<_>, Vec<_>) = (0..=255u8).flat_map(|y| (0..=255u8).map(move |r| (y, r))).unzip();
    for isa in Isa::available() {
        for epilogue in epilogues(&lut) {
            let mut got = vec![0; y.len()];
            isa.run_int8(Bytes { epilogue, y: &y, residual: &residual, out: &mut got });
            for ((&got, &y), &r) in got.iter().zip(&y).zip(&residual) {
                let acc = i32::from(y) - i32::from(epilogue.output.zero_point);
                let want = epilogue.apply(acc, 1.0, epilogue.residual.map(|_| r));
                assert_eq!(got, want, "{isa} {epilogue:?} of {y} and {r}");
            }
        }
    }
}

#[test]
fn a_residual_is_added_by_hand() {
    let (sum, residual) =
        (RequantOperand { zero_point: 128, scale: 0.5 }, RequantOperand { zero_point: 100, scale: 2.0 });
    let add = AddResidual { sum, residual, output: Requantize { zero_point: 20, low: 0, high: 60 } };
    // 0.5·2 + 2·10 = 21; 0.5·1 = 0.5 rounds to 0, 0.5·3 = 1.5 to 2.
    assert_eq!([add.apply(130, 110), add.apply(129, 100), add.apply(131, 100)], [41, 20, 22]);
    assert_eq!([add.apply(0, 0), add.apply(255, 255)], [0, 60]);
}
