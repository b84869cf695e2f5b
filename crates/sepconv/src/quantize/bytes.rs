use sepconv_core::{DType, op::QuantParams};

/// The scale and zero point of a value that becomes unsigned bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) zero: u8,
}

impl Affine {
    /// The bytes that cover a range, which zero is made part of: padding needs it to be exact.
    pub(super) fn covering((low, high): (f32, f32)) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / 255.0;
        // What was always zero needs any scale.
        let scale = if scale.is_normal() { scale } else { 1.0 };
        Self { scale, zero: (-low / scale).round_ties_even().clamp(0.0, 255.0) as u8 }
    }

    pub(super) fn quantization(self) -> QuantParams {
        QuantParams::per_tensor(DType::U8, self.scale, self.zero.into())
    }

    /// The reals that the least and the greatest byte stand for.
    pub(super) fn range(self) -> (f32, f32) {
        let dequantized = |byte: u8| (f32::from(byte) - f32::from(self.zero)) * self.scale;
        (dequantized(0), dequantized(u8::MAX))
    }

    /// A real number as its byte gives it back.
    pub(super) fn round(self, real: f32) -> f32 {
        let zero = f32::from(self.zero);
        (real / self.scale).round_ties_even().clamp(-zero, 255.0 - zero) * self.scale
    }

    /// As [`Op::Quantize`](sepconv_core::Op::Quantize) defines it.
    pub(super) fn encode(self, dequantized: &[f32]) -> Vec<u8> {
        // Adding and taking away 1.5·2²³ rounds halves to even in two instructions.
        const ROUND: f32 = 12_582_912.0;
        let zero = f32::from(self.zero);
        let (low, high) = (-zero, 255.0 - zero);
        let byte = |x: &f32| (((x / self.scale).max(low).min(high) + ROUND) - ROUND + zero) as u8;
        dequantized.iter().map(byte).collect()
    }

    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let table: [f32; 256] = std::array::from_fn(|byte| (byte as f32 - f32::from(self.zero)) * self.scale);
        bytes.iter().map(|&byte| table[usize::from(byte)]).collect()
    }
}
