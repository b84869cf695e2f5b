use std::vec;
use std::vec::Vec;

use super::super::{VARIANTS, sampled};
use super::*;
use crate::requantize::Requantize;
use crate::simd::Word;
use crate::testing::Lcg;
use crate::{QuantizedWeights, Rows, Window};

const OUTPUT: Requantize = Requantize { zero_point: 120, low: 5, high: 250 };
const PLAIN: Epilogue<'static> = Epilogue { output: OUTPUT, lut: None, residual: None };

/// A shape with whatever output its window gives.
fn shape(window: Window, input: [usize; 3], multiplier: usize) -> Option<ConvGeometry> {
    let [oh, ow] = window.output([input[0], input[1]])?;
    Some(ConvGeometry::depthwise(window, input, [oh, ow, input[2] * multiplier]))
}

/// Padding of half a kernel on all sides.
fn same(kernel: usize, stride: usize) -> Window {
    Window { stride: [stride; 2], before: [kernel / 2; 2], after: [kernel / 2; 2], ..Window::new(kernel, kernel) }
}

/// Windows of every variant and of the general kernel, on planes from a single pixel to several tiles.
fn shapes() -> Vec<ConvGeometry> {
    let mut shapes = sampled::layers();
    let planes = [[1, 1, 1], [2, 3, 3], [5, 4, 19], [7, 7, 70], [8, 15, 8], [3, 33, 33]];
    for kernel in 1..=7 {
        for stride in 1..=3 {
            for pads in [[0, 0, 0, 0], [kernel / 2; 4], [0, 1, 1, 0], [2, 0, 1, kernel]] {
                let window = Window {
                    stride: [stride; 2],
                    before: [pads[0], pads[1]],
                    after: [pads[2], pads[3]],
                    ..Window::new(kernel, kernel)
                };
                shapes.extend(planes.into_iter().filter_map(|plane| shape(window, plane, 1)));
            }
        }
    }
    for multiplier in 1..=3 {
        for (kernel, stride, dilation) in
            [([3, 3], [1, 1], [2, 2]), ([3, 3], [2, 2], [1, 1]), ([1, 5], [1, 2], [1, 1]), ([5, 2], [3, 1], [1, 4])]
        {
            let window =
                Window { stride, dilation, before: [2, 1], after: [1, 3], ..Window::new(kernel[0], kernel[1]) };
            shapes.extend([1, 5, 16, 31].into_iter().filter_map(|c| shape(window, [9, 11, c], multiplier)));
        }
    }
    shapes
}

/// Numbers of channels on either side of every change of how they are grouped.
fn channels(isa: Isa) -> impl Iterator<Item = usize> {
    let lanes = isa.lanes();
    [lanes, 2 * lanes, 4 * lanes, 5 * lanes, 6 * lanes, 8 * lanes].into_iter().flat_map(|c| c - 1..=c + 1)
}

struct Operands {
    x: Vec<u8>,
    unsigned: Vec<u8>,
    signed: Vec<i8>,
    x_zero: u8,
    bias: Vec<i32>,
    scale: Vec<f32>,
}

impl Operands {
    fn new(dw: &ConvGeometry, lcg: &mut Lcg) -> Self {
        let (channels, taps) = (dw.output[2], dw.taps());
        let unsigned = lcg.bytes(channels * taps);
        Self {
            x: lcg.bytes(dw.input.iter().product()),
            signed: unsigned.iter().map(|&w| w as i8).collect(),
            unsigned,
            x_zero: lcg.bytes(1)[0],
            bias: lcg.bytes(channels).iter().map(|&b| (i32::from(b) - 128) * 300).collect(),
            // Most results are within the range of a byte, some beyond either end.
            scale: lcg
                .bytes(channels)
                .iter()
                .map(|&s| (f32::from(s) + 50.0) * 3e-5 / libm::sqrtf(taps as f32))
                .collect(),
        }
    }

    /// With weights of either type and zero points at the ends and within.
    fn params(&self) -> [QuantizedConvParams<'_>; 6] {
        let unsigned = |zero| QuantizedWeights::U8(&self.unsigned, zero);
        let signed = |zero| QuantizedWeights::I8(&self.signed, zero);
        [signed(0), unsigned(128), unsigned(0), unsigned(255), signed(-128), unsigned(151)].map(|weights| {
            QuantizedConvParams { weights, x_zero_point: self.x_zero, bias: &self.bias, scale: &self.scale }
        })
    }

    fn run(
        &self,
        isa: Isa,
        variant: Variant,
        dw: &ConvGeometry,
        params: &QuantizedConvParams<'_>,
        epilogue: &Epilogue<'_>,
    ) -> Vec<u8> {
        let mut out = vec![7; dw.output.iter().product()];
        let x = Rows::new(&self.x[..], dw.input[1] * dw.input[2]);
        let packed = packed(isa, variant, dw, params);
        depthwise_int8(
            isa,
            variant,
            dw,
            ConvOperands { x, packed: &packed, rows: 0..dw.output[0] },
            self.x_zero,
            epilogue,
            &mut out,
        );
        out
    }
}

/// As the function of this name, on the token that has no instruction set, too.
fn depthwise_int8(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    operands: ConvOperands<'_, u8, i8>,
    x_zero: u8,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    if isa != Isa::WORD {
        return super::depthwise_int8(isa, variant, dw, operands, epilogue, out);
    }
    let padding = &vec![x_zero; padding_len(dw)][..];
    match variant {
        Variant::K3S1 => depthwise_int8_on::<_, 3, 1, 3>(Word, variant, dw, operands, padding, epilogue, out),
        Variant::K3S2 => depthwise_int8_on::<_, 3, 2, 2>(Word, variant, dw, operands, padding, epilogue, out),
        Variant::K5S1 => depthwise_int8_on::<_, 5, 1, 5>(Word, variant, dw, operands, padding, epilogue, out),
        Variant::K5S2 => depthwise_int8_on::<_, 5, 2, 3>(Word, variant, dw, operands, padding, epilogue, out),
        #[cfg(not(target_family = "wasm"))]
        Variant::K7S1 => depthwise_int8_on::<_, 7, 1, 7>(Word, variant, dw, operands, padding, epilogue, out),
        #[cfg(not(target_family = "wasm"))]
        Variant::K7S2 => depthwise_int8_on::<_, 7, 2, 4>(Word, variant, dw, operands, padding, epilogue, out),
        Variant::General => depthwise_int8_general_on(Word, dw, operands, padding, epilogue, out),
    }
}

fn packed(isa: Isa, variant: Variant, dw: &ConvGeometry, params: &QuantizedConvParams<'_>) -> Vec<i8> {
    let mut packed = vec![77; packed_len_int8(isa, variant, dw, params)];
    pack_int8(isa, variant, dw, params, &mut packed);
    packed
}

/// Runs `check` on every instruction set and every variant that fits.
fn everywhere(dw: &ConvGeometry, mut check: impl FnMut(Isa, Variant)) {
    for isa in Isa::available().chain([Isa::WORD]) {
        for &variant in VARIANTS.iter().filter(|variant| variant.fits(dw)) {
            check(isa, variant);
        }
    }
}

#[test]
fn every_byte_is_that_of_the_definition() {
    let mut lcg = Lcg(1);
    let mut shapes = shapes();
    for isa in Isa::available() {
        for c in channels(isa) {
            let windows = [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)].map(|(kernel, stride)| same(kernel, stride));
            shapes.extend(windows.into_iter().filter_map(|window| shape(window, [4, 9, c], 1)));
        }
    }
    let (mut met, mut inner) = (Vec::new(), 0);
    for (i, dw) in shapes.iter().enumerate() {
        let operands = Operands::new(dw, &mut lcg);
        let params = &operands.params()[i % 6];
        let mut expected = vec![7; dw.output.iter().product()];
        reference_int8(dw, &operands.x, params, &PLAIN, &mut expected);
        inner += expected.iter().filter(|&&y| OUTPUT.low < y && y < OUTPUT.high).count() * 2 / expected.len();
        everywhere(dw, |isa, variant| {
            met.push(variant);
            let got = operands.run(isa, variant, dw, params, &PLAIN);
            assert!(got == expected, "{isa} {} {dw:?} {}", variant.name(), params.weights.zero_point());
        });
    }
    assert!(VARIANTS.iter().all(|variant| met.contains(variant)), "a variant that no shape tests");
    assert!(inner > shapes.len() / 2, "results that are no more than the ends of the range");
}

#[test]
fn weights_of_every_size() {
    // All weights that a byte and a zero point can make, 255 and -255 among them, in a group with and without room for
    // them.
    let dw = shape(same(3, 1), [3, 5, 70], 1).expect("a window that fits");
    let mut operands = Operands::new(&dw, &mut Lcg(2));
    for (extreme, w_zero) in [(255, 0), (255, 1), (0, 255), (0, 254), (0, 127), (255, 128)] {
        for channel in [0, 20, 69] {
            operands.unsigned.fill(w_zero);
            operands.unsigned[channel * 9..][..9].fill(extreme);
            let weights = QuantizedWeights::U8(&operands.unsigned, w_zero);
            let params = QuantizedConvParams { weights, ..operands.params()[0] };
            let mut expected = vec![7; dw.output.iter().product()];
            reference_int8(&dw, &operands.x, &params, &PLAIN, &mut expected);
            everywhere(&dw, |isa, variant| {
                let got = operands.run(isa, variant, &dw, &params, &PLAIN);
                assert!(got == expected, "{isa} {} {extreme} - {w_zero} in {channel}", variant.name());
            });
        }
    }
}

#[test]
fn weights_whose_every_pair_would_saturate() {
    let signs: [fn(usize) -> i8; 4] =
        [|_| 127, |_| -128, |i| if i.is_multiple_of(2) { 127 } else { -128 }, |i| if i < 1000 { 64 } else { 65 }];
    let square = [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)].map(|(kernel, stride)| same(kernel, stride));
    for window in square.into_iter().chain([Window::new(1, 9), Window::new(9, 1), Window::new(2, 5)]) {
        for channels in [5, 45, 70] {
            let dw = shape(window, [11, 12, channels], 1).expect("a window that fits");
            let mut operands = Operands::new(&dw, &mut Lcg(8));
            operands.x.fill(255);
            operands.x_zero = 0;
            operands.scale.fill(1e-4 / dw.taps() as f32);
            for sign in signs {
                operands.signed = (0..channels * dw.taps()).map(sign).collect();
                let params = &operands.params()[0];
                let mut expected = vec![7; dw.output.iter().product()];
                reference_int8(&dw, &operands.x, params, &PLAIN, &mut expected);
                everywhere(&dw, |isa, variant| {
                    assert!(
                        operands.run(isa, variant, &dw, params, &PLAIN) == expected,
                        "{isa} {} {dw:?}",
                        variant.name()
                    );
                });
            }
        }
    }
}

#[test]
fn weights_of_one_byte_are_packed_once() {
    let dw = shape(same(5, 1), [7, 7, 960], 1).expect("a window that fits");
    let mut operands = Operands::new(&dw, &mut Lcg(3));
    let len = |isa, params: &QuantizedConvParams<'_>| packed_len_int8(isa, Variant::K5S1, &dw, params);
    for isa in Isa::available().filter(|isa| !isa.parts_weights()) {
        let [signed, centered, unsigned, ..] = operands.params();
        assert_eq!(len(isa, &signed), len(isa, &centered), "{isa}");
        assert!(len(isa, &unsigned) > len(isa, &signed), "{isa}");
    }
    // Of these no two saturate.
    operands.signed.iter_mut().for_each(|weight| *weight /= 2);
    for isa in Isa::available() {
        // 7 slots of 4 bytes, a bias and a scale; the row of padding; a header for each vector, where they are made one
        // by one.
        assert!(len(isa, &operands.params()[0]) <= 960 * (7 * 4 + 8) + 7 * 960 + 16 * 960 / 4 + 2 * 64, "{isa}");
    }
}

#[test]
fn pairs_of_three_rows_share_the_second() {
    // No pair saturates while the three weights of a column are at most 256 together.
    let dw = shape(same(3, 1), [3, 3, 32], 1).expect("a window that fits");
    let mut operands = Operands::new(&dw, &mut Lcg(9));
    let mut len = |isa, column: [i8; 3]| {
        operands.signed = (0..dw.macs() / 9).map(|i| column[i / 3 % 3]).collect();
        packed_len_int8(isa, Variant::K3S1, &dw, &operands.params()[0])
    };
    for isa in Isa::available() {
        let small = len(isa, [1, 2, 3]);
        assert_eq!(len(isa, [85, 86, 85]), small, "{isa}");
        assert_eq!(len(isa, [-128, 127, -128]), small, "{isa}");
        assert_eq!(len(isa, [86, 86, 85]) > small, isa.parts_weights(), "{isa}");
    }
}

#[test]
fn sums_wrap_as_defined() {
    let dw = shape(same(3, 1), [2, 2, 20], 1).expect("a window that fits");
    let mut operands = Operands::new(&dw, &mut Lcg(4));
    operands.bias = (0..20).map(|o| if o % 2 == 0 { i32::MAX - o } else { i32::MIN + o }).collect();
    operands.scale.fill(1.0 / 16_777_216.0);
    for params in operands.params() {
        let mut expected = vec![7; dw.output.iter().product()];
        reference_int8(&dw, &operands.x, &params, &PLAIN, &mut expected);
        everywhere(&dw, |isa, variant| {
            assert!(operands.run(isa, variant, &dw, &params, &PLAIN) == expected, "{isa} {}", variant.name());
        });
    }
}

#[test]
fn a_table_follows_the_sums() {
    let lut = core::array::from_fn(|i| (i * 91 + 5) as u8);
    let epilogue = Epilogue { lut: Some(&lut), ..PLAIN };
    for kernel in [3, 4] {
        let dw = shape(same(kernel, 1), [5, 9, 83], 1).expect("a window that fits");
        let operands = Operands::new(&dw, &mut Lcg(5));
        let params = &operands.params()[0];
        let mut expected = vec![7; dw.output.iter().product()];
        reference_int8(&dw, &operands.x, params, &epilogue, &mut expected);
        everywhere(&dw, |isa, variant| {
            assert!(operands.run(isa, variant, &dw, params, &epilogue) == expected, "{isa} {}", variant.name());
        });
    }
}

#[test]
fn a_ring_of_rows_gives_the_same_bytes_as_the_plane() {
    let mut lcg = Lcg(6);
    for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (4, 1)] {
        let window = Window { stride: [stride; 2], before: [1, 2], after: [2, 1], ..Window::new(kernel, kernel) };
        let dw = shape(window, [13, 12, 85], 1).expect("a window that fits");
        let operands = Operands::new(&dw, &mut lcg);
        let params = &operands.params()[1];
        let ([h, w, c], [oh, ow, _]) = (dw.input, dw.output);
        everywhere(&dw, |isa, variant| {
            let expected = operands.run(isa, variant, &dw, params, &PLAIN);
            let packed = packed(isa, variant, &dw, params);
            for step in [1, 2, 3] {
                // Room for the rows that `step` output rows meet; all others hold rows long past.
                let capacity = (step - 1) * stride + kernel;
                let mut ring = vec![0; capacity * w * c];
                let mut filled = 0;
                for first in (0..oh).step_by(step) {
                    let rows = first..oh.min(first + step);
                    let end = ((rows.end - 1) * stride + kernel).saturating_sub(1).min(h);
                    for y in filled..end {
                        ring[y % capacity * w * c..][..w * c].copy_from_slice(&operands.x[y * w * c..][..w * c]);
                    }
                    filled = filled.max(end);
                    let mut out = vec![7; rows.len() * ow * c];
                    let x = Rows::new(&ring[..], w * c);
                    depthwise_int8(
                        isa,
                        variant,
                        &dw,
                        ConvOperands { x, packed: &packed, rows: rows.clone() },
                        operands.x_zero,
                        &PLAIN,
                        &mut out,
                    );
                    assert!(
                        out == expected[rows.start * ow * c..rows.end * ow * c],
                        "{isa} {} {rows:?}",
                        variant.name()
                    );
                }
            }
        });
    }
}

#[test]
fn scales_and_sums_of_any_size() {
    let dw = shape(same(3, 1), [3, 9, 70], 1).expect("a window that fits");
    let mut operands = Operands::new(&dw, &mut Lcg(7));
    for scale in [1.0, 300.0, 1e9, f32::MAX, -1e9, 0.0, -0.01] {
        operands.scale.fill(0.01);
        operands.scale[69] = scale;
        operands.scale[20] = scale;
        for params in &operands.params()[..3] {
            let mut expected = vec![7; dw.output.iter().product()];
            reference_int8(&dw, &operands.x, params, &PLAIN, &mut expected);
            everywhere(&dw, |isa, variant| {
                assert!(
                    operands.run(isa, variant, &dw, params, &PLAIN) == expected,
                    "{isa} {} {scale}",
                    variant.name()
                );
            });
        }
    }
}
