//! What the tests of several operators share.
use std::vec;
use std::vec::Vec;

use crate::epilogue::Epilogue;
use crate::quantized_params::{QuantizedConvParams, QuantizedWeights};
use crate::requantize::{AddResidual, RequantOperand, Requantize};

/// A linear congruential generator (Knuth's MMIX constants): the same numbers on every machine.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// Whole numbers in -4..=4: sums of their products are exact in any order, so that results can be compared by
    /// equality.
    pub(crate) fn integers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() % 9) as f32 - 4.0).collect()
    }

    /// Bytes, one in eight of them 0 and one in eight 255.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let byte = |x: u32| match x >> 8 & 7 {
            0 => 0,
            1 => 255,
            _ => x as u8,
        };
        (0..len).map(|_| byte(self.next())).collect()
    }

    /// Numbers in -1..1.
    pub(crate) fn f32_vec(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next() as f32 / (1u64 << 30) as f32 - 1.0).collect()
    }
}

/// The absolute values, which turn a reference into the sum that an error bound is made of.
pub(crate) fn absolute(x: &[f32]) -> Vec<f32> {
    x.iter().map(|x| x.abs()).collect()
}

/// Asserts that `k` products, a bias and a residual were added with at most one rounding of half a unit for each
/// multiplication and addition: `|got - want| <= (2k + 3)·2^-24 · sum of the absolute terms`.
pub(crate) fn assert_within_bound(got: &[f32], want: &[f32], absolute: &[f32], k: usize, what: &str) {
    for (i, ((got, want), absolute)) in got.iter().zip(want).zip(absolute).enumerate() {
        let bound = (2 * k + 3) as f32 * f32::EPSILON / 2.0 * absolute;
        assert!((got - want).abs() <= bound, "{what}: expected {want}, got {got} at {i}, bound {bound:e}");
    }
}

/// The parameters of an int8 layer.
pub(crate) struct QuantizedCase {
    weights: Result<(Vec<i8>, i8), (Vec<u8>, u8)>,
    x_zero_point: u8,
    pub(crate) bias: Vec<i32>,
    pub(crate) scale: Vec<f32>,
}

impl QuantizedCase {
    /// How many kinds of weights there are: signed and unsigned with several zero points.
    pub(crate) const KINDS: usize = 7;

    /// Random weights for `n` channels of `k` products, whose results use the whole range of a byte.
    pub(crate) fn new(lcg: &mut Lcg, k: usize, n: usize, kind: usize) -> Self {
        let bytes = lcg.bytes(n * k);
        let signed = |zero_point| Ok((bytes.iter().map(|&x| x as i8).collect(), zero_point));
        let weights = match kind {
            0 | 1 => signed(0),
            2 => signed(-100),
            _ => Err((bytes, [0, 127, 128, 255][kind - 3])),
        };
        let bias = lcg.f32_vec(n).into_iter().map(|x| (x * 10_000.0) as i32).collect();
        let scale = lcg.f32_vec(n).into_iter().map(|x| (x.abs() + 0.1) / (k as f32).sqrt() / 64.0).collect();
        Self { weights, x_zero_point: lcg.bytes(1)[0], bias, scale }
    }

    pub(crate) fn params(&self) -> QuantizedConvParams<'_> {
        let weights = match &self.weights {
            Ok((weights, zero_point)) => QuantizedWeights::I8(weights, *zero_point),
            Err((weights, zero_point)) => QuantizedWeights::U8(weights, *zero_point),
        };
        QuantizedConvParams { weights, x_zero_point: self.x_zero_point, bias: &self.bias, scale: &self.scale }
    }
}

/// A function from bytes to bytes that is no simple one.
pub(crate) fn lut() -> [u8; 256] {
    core::array::from_fn(|i| (i * 91 + 5) as u8)
}

/// Epilogues with and without a clip, a table, a residual.
pub(crate) fn epilogues(lut: &[u8; 256]) -> Vec<Epilogue<'_>> {
    let (output, clip) =
        (Requantize { zero_point: 130, low: 0, high: 255 }, Requantize { zero_point: 10, low: 10, high: 220 });
    let (sum, residual) =
        (RequantOperand { zero_point: 130, scale: 0.7 }, RequantOperand { zero_point: 3, scale: 0.45 });
    let add = Some(AddResidual { sum, residual, output: clip });
    vec![
        Epilogue { output, lut: None, residual: None },
        Epilogue { output: clip, lut: None, residual: None },
        Epilogue { output, lut: Some(lut), residual: None },
        Epilogue { output, lut: None, residual: add },
        Epilogue { output: clip, lut: Some(lut), residual: add },
    ]
}
