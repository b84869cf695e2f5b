use std::vec;
use std::vec::Vec;

use super::{
    AxisMap, Coordinates, Mode, ResizeTask, Rounding, Taps, reference, reference_int8, resize, resize_int8,
    scratch_len, taps,
};
use crate::testing::Lcg;
use crate::{Isa, Rows};

const CUBIC: Mode = Mode::Cubic { a: -0.75, exclude_outside: false };
const NEAREST: Mode = Mode::Nearest(Rounding::PreferFloor);

fn axis(mode: Mode, coordinates: Coordinates, scale: f32, in_size: usize, out_size: usize) -> Vec<Taps> {
    let mut out = vec![Taps::default(); out_size];
    taps(&AxisMap { mode, coordinates, scale }, in_size, out_size, &mut out);
    out
}

/// Resamples a row of numbers.
fn along(x: &[f32], mode: Mode, coordinates: Coordinates, scale: f32, out_size: usize) -> Vec<f32> {
    let columns = axis(mode, coordinates, scale, x.len(), out_size);
    let row = axis(NEAREST, Coordinates::Asymmetric, 1.0, 1, 1);
    let mut out = vec![f32::NAN; out_size];
    reference([1, x.len(), 1], &row, &columns, x, &mut out);
    out
}

fn near(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    let off = got.iter().zip(want).any(|(got, want)| (got - want).abs() > 1e-5 * want.abs().max(1.0));
    assert!(!off, "expected {want:?}, got {got:?}");
}

const RAMP: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

#[test]
fn nearest_by_hand() {
    use Coordinates::{Asymmetric, HalfPixel};
    // 0.25, 0.75, 1.25, 1.75 below the half: a factor of 2 repeats each sample.
    let at = |rounding, coordinates, scale, size| along(&RAMP, Mode::Nearest(rounding), coordinates, scale, size);
    assert_eq!(at(Rounding::PreferFloor, HalfPixel, 2.0, 8), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    // Positions 0.5 and 2.5 are ties.
    assert_eq!(at(Rounding::PreferFloor, HalfPixel, 0.5, 2), [1.0, 3.0]);
    assert_eq!(at(Rounding::PreferCeil, HalfPixel, 0.5, 2), [2.0, 4.0]);
    assert_eq!(at(Rounding::Floor, Asymmetric, 2.0, 8), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    assert_eq!(at(Rounding::Ceil, Asymmetric, 2.0, 8), [1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 4.0]);
    // 9 to 3: positions 0, 3, 6 exactly, although 1/3 is not exact in single precision.
    let nine: Vec<f32> = (0..9).map(|i| i as f32).collect();
    assert_eq!(along(&nine, Mode::Nearest(Rounding::Floor), Asymmetric, 1.0 / 3.0, 3), [0.0, 3.0, 6.0]);
}

#[test]
fn linear_by_hand() {
    let at = |coordinates, scale, size| along(&RAMP, Mode::Linear, coordinates, scale, size);
    near(&at(Coordinates::HalfPixel, 2.0, 8), &[1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]);
    near(&at(Coordinates::Asymmetric, 2.0, 8), &[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.0]);
    near(&at(Coordinates::AlignCorners, 1.75, 7), &[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]);
    // 0.6 of 4 is 2.4, of which 2 are kept: positions (o + 1/2)/0.6 - 1/2.
    near(&at(Coordinates::HalfPixel, 0.6, 2), &[1.333_333_3, 3.0]);
    // The same shifted by 4/2 · (1 - 2/2.4) = 1/3.
    near(&at(Coordinates::HalfPixelSymmetric, 0.6, 2), &[1.666_666_6, 3.333_333_3]);
    // With corners aligned: 3/1.4 apart.
    near(&at(Coordinates::AlignCorners, 0.6, 2), &[1.0, 3.142_857]);
    near(&at(Coordinates::PytorchHalfPixel, 0.25, 1), &[1.0]);
    near(&at(Coordinates::HalfPixel, 0.25, 1), &[2.5]);
}

#[test]
fn cubic_by_hand() {
    // Half way between samples the weights are a/8, 1/2 - a/8 and their mirror images: -0.09375 and 0.59375.
    let at = |mode, x: &[f32]| along(x, mode, Coordinates::HalfPixel, 0.5, x.len() / 2);
    let outer = 0.09375;
    let inner = 0.59375;
    let x = [1.0, 5.0, 2.0, 8.0, 4.0, 3.0];
    let want = [
        -outer * (1.0 + 2.0) + inner * (1.0 + 5.0),
        -outer * (5.0 + 4.0) + inner * (2.0 + 8.0),
        -outer * (8.0 + 3.0) + inner * (4.0 + 3.0),
    ];
    near(&at(CUBIC, &x), &want);
    let exclude = Mode::Cubic { a: -0.75, exclude_outside: true };
    let total = 1.0 + outer;
    let want = [(-outer * 2.0 + inner * 6.0) / total, want[1], (-outer * 8.0 + inner * 7.0) / total];
    near(&at(exclude, &x), &want);
    // On the samples themselves nothing changes.
    near(&along(&x, CUBIC, Coordinates::Asymmetric, 1.0, 6), &x);
}

#[test]
fn taps_stay_on_the_axis_and_sum_to_one() {
    let coordinates = [
        Coordinates::HalfPixel,
        Coordinates::HalfPixelSymmetric,
        Coordinates::PytorchHalfPixel,
        Coordinates::AlignCorners,
        Coordinates::Asymmetric,
    ];
    let exclude = Mode::Cubic { a: -0.5, exclude_outside: true };
    for mode in [NEAREST, Mode::Nearest(Rounding::Ceil), Mode::Linear, CUBIC, exclude] {
        for coordinates in coordinates {
            for in_size in 1..8 {
                for out_size in 1..20 {
                    for scale in [out_size as f32 / in_size as f32, (out_size as f32 + 0.4) / in_size as f32] {
                        for taps in axis(mode, coordinates, scale, in_size, out_size) {
                            assert!(taps.count >= 1 && taps.first + taps.count <= in_size, "{taps:?} of {in_size}");
                            let sum: f32 = taps.weights.iter().sum();
                            assert!((sum - 1.0).abs() < 1e-5, "{mode:?} {coordinates:?} {taps:?}");
                        }
                    }
                }
            }
        }
    }
}

/// Both axes from one size to another, half-pixel.
fn axes(mode: Mode, [h, w]: [usize; 2], [oh, ow]: [usize; 2]) -> [Vec<Taps>; 2] {
    [(h, oh), (w, ow)].map(|(from, to)| axis(mode, Coordinates::HalfPixel, to as f32 / from as f32, from, to))
}

const SIZES: [([usize; 2], [usize; 2]); 4] =
    [([5, 7], [10, 14]), ([6, 5], [4, 9]), ([1, 1], [3, 2]), ([9, 3], [1, 17])];

/// What `run` makes of the rows above and below the middle, as threads share them.
fn in_two_calls<T: Copy>(
    [input, output]: [[usize; 3]; 2],
    [row_taps, column_taps]: &[Vec<Taps>; 2],
    x: &[T],
    out: &mut [T],
    run: impl Fn(ResizeTask<'_, T>),
) {
    let [oh, ow, c] = output;
    let mut scratch = vec![f32::NAN; scratch_len(row_taps, ow * c)];
    let (top, bottom) = out.split_at_mut(oh / 2 * ow * c);
    for (rows, out) in [(0..oh / 2, top), (oh / 2..oh, bottom)] {
        let x = Rows::new(x, input[1] * c);
        run(ResizeTask { input, output, row_taps, column_taps, x, rows, scratch: &mut scratch, out });
    }
}

#[test]
fn planes_agree_with_the_definition() {
    let mut lcg = Lcg(1);
    for isa in Isa::available_f32() {
        for c in [1, 3, isa.lanes() - 1, isa.lanes(), isa.lanes() + 1] {
            for mode in [NEAREST, Mode::Linear, CUBIC] {
                for ([h, w], [oh, ow]) in SIZES {
                    let taps = axes(mode, [h, w], [oh, ow]);
                    let x = lcg.f32_vec(h * w * c);
                    let (mut got, mut want) = (vec![f32::NAN; oh * ow * c], vec![f32::NAN; oh * ow * c]);
                    in_two_calls([[h, w, c], [oh, ow, c]], &taps, &x, &mut got, |task| resize(isa, task));
                    reference([h, w, c], &taps[0], &taps[1], &x, &mut want);
                    for (got, want) in got.iter().zip(&want) {
                        let near = (got - want).abs() <= if mode == NEAREST { 0.0 } else { 2e-6 };
                        assert!(near, "{isa} {mode:?}: expected {want}, got {got}");
                    }
                }
            }
        }
    }
}

#[test]
fn bytes_are_those_of_the_definition() {
    let mut lcg = Lcg(2);
    for isa in Isa::available() {
        for c in [1, 3, 21, isa.lanes()] {
            for mode in [NEAREST, Mode::Linear, CUBIC] {
                for ([h, w], [oh, ow]) in SIZES {
                    let taps = axes(mode, [h, w], [oh, ow]);
                    let x = lcg.bytes(h * w * c);
                    let (mut got, mut want) = (vec![77; oh * ow * c], vec![78; oh * ow * c]);
                    in_two_calls([[h, w, c], [oh, ow, c]], &taps, &x, &mut got, |task| resize_int8(isa, task));
                    reference_int8([h, w, c], &taps[0], &taps[1], &x, &mut want);
                    assert_eq!(got, want, "{isa} {mode:?}");
                }
            }
        }
    }
}
