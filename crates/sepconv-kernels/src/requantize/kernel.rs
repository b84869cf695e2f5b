use super::{AddResidual, RequantOperand, Requantize};
use crate::epilogue::Epilogue;
use crate::simd::Int8;

impl Requantize {
    /// Sums as u8, one in each lane.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, acc: S::I32, scale: S::F32) -> S::I32 {
        self.round_vector(simd, simd.mul(simd.to_f32(acc), scale))
    }

    /// Sums of one channel as u8 of which nothing is cut off.
    #[inline(always)]
    pub(crate) fn bytes<S: Int8, const P: usize>(self, simd: S, sums: [i32; P], scale: f32) -> [u8; P] {
        let (rounded, mut bytes) = (simd.scale_and_round(sums, scale), [0; P]);
        unroll!(p in 0..P, {
            bytes[p] = self.byte(rounded[p]);
        });
        bytes
    }

    /// A whole number as u8 of which nothing is cut off.
    #[inline(always)]
    fn byte(self, rounded: i32) -> u8 {
        rounded.saturating_add(self.zero_point.into()).clamp(0, 255) as u8
    }

    /// Sums of four vectors as u8, each where [`Int8::narrow`] puts it.
    #[inline(always)]
    pub(crate) fn quads<S: Int8>(self, simd: S, acc: [S::I32; 4], scale: [S::F32; 4]) -> S::I32 {
        // Beyond every byte, and small enough to be a number of 32 bits.
        let most = simd.splat(65536.0);
        let mut rounded = acc;
        for v in 0..4 {
            rounded[v] = simd.to_i32(simd.min(simd.mul(simd.to_f32(acc[v]), scale[v]), most));
        }
        simd.narrow(rounded, self.zero_point, [self.low, self.high])
    }

    /// Four vectors of numbers in units of the result as u8, each where [`Int8::narrow`] puts it.
    #[inline(always)]
    pub(crate) fn round_quads<S: Int8>(self, simd: S, x: [S::F32; 4]) -> S::I32 {
        // Beyond every byte, and small enough to be numbers of 32 bits; NaN becomes the least.
        let (least, most) = (simd.splat(-65536.0), simd.splat(65536.0));
        let mut rounded = [simd.splat_i32(0); 4];
        for v in 0..4 {
            rounded[v] = simd.to_i32(simd.min(simd.max(x[v], least), most));
        }
        simd.narrow(rounded, self.zero_point, [self.low, self.high])
    }

    /// Sums as u8, less `from`, without leaving f32: whole numbers so small are exact.
    #[inline(always)]
    fn steps<S: Int8>(self, simd: S, acc: S::I32, scale: S::F32, from: u8) -> S::F32 {
        let [low, high] = self.bounds(simd);
        let clamped = simd.min(simd.max(simd.mul(simd.to_f32(acc), scale), low), high);
        simd.add(simd.round(clamped), simd.splat(f32::from(self.zero_point) - f32::from(from)))
    }

    /// The least and the greatest result, less the zero point.
    #[inline(always)]
    fn bounds<S: Int8>(self, simd: S) -> [S::F32; 2] {
        let bound = |bound: u8| simd.splat(f32::from(bound) - f32::from(self.zero_point));
        [bound(self.low), bound(self.high)]
    }

    /// Clamping first gives the same, as the bounds are whole numbers, and nothing overflows.
    #[inline(always)]
    pub(crate) fn round_vector<S: Int8>(self, simd: S, x: S::F32) -> S::I32 {
        let [low, high] = self.bounds(simd);
        let clamped = simd.min(simd.max(x, low), high);
        simd.add_i32(simd.to_i32(clamped), simd.splat_i32(i32::from(self.zero_point)))
    }
}

impl RequantOperand {
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, q: S::I32) -> S::F32 {
        let steps = simd.sub_i32(q, simd.splat_i32(i32::from(self.zero_point)));
        simd.mul(simd.splat(self.scale), simd.to_f32(steps))
    }
}

impl AddResidual {
    /// The sum of a byte and a residual.
    #[inline(always)]
    pub(crate) fn byte<S: Int8>(self, simd: S, y: u8, residual: u8) -> u8 {
        let sum = self.sum.apply(y) + self.residual.apply(residual);
        self.output.byte(simd.round_word(sum)).max(self.output.low).min(self.output.high)
    }

    /// The sum of u8, given in steps from their zero point, and residuals: four vectors as u8, each where
    /// [`Int8::narrow`] puts it.
    #[inline(always)]
    fn quads<S: Int8>(self, simd: S, steps: [S::F32; 4], residual: [S::I32; 4]) -> S::I32 {
        let mut sums = steps;
        for v in 0..4 {
            let scaled = simd.mul(simd.splat(self.sum.scale), steps[v]);
            sums[v] = simd.add(scaled, self.residual.vector(simd, residual[v]));
        }
        self.output.round_quads(simd, sums)
    }
}

impl Epilogue<'_> {
    /// Whether nothing follows [`Requantize::bytes`].
    pub(crate) fn is_plain(&self) -> bool {
        let Self { output: Requantize { low, high, .. }, lut, residual } = self;
        (low, high, lut, residual) == (&0, &255, &None, &None)
    }

    /// What follows [`Requantize::bytes`], on some bytes and as many of a residual that is added.
    #[inline(never)]
    pub(crate) fn refine<S: Int8>(&self, simd: S, bytes: &mut [u8], residual: Option<&[u8]>) {
        let Requantize { low, high, .. } = self.output;
        for byte in bytes.iter_mut() {
            *byte = (*byte).max(low).min(high);
        }
        if let Some(lut) = self.lut {
            simd.lookup_all(lut, bytes);
        }
        if let (Some(add), Some(residual)) = (self.residual, residual) {
            for (byte, &residual) in bytes.iter_mut().zip(residual) {
                *byte = add.byte(simd, *byte, residual);
            }
        }
    }

    /// Sums of four vectors as u8, in the order of lanes, where no residual is added.
    #[inline(always)]
    pub(crate) fn quads<S: Int8>(&self, simd: S, acc: [S::I32; 4], scale: [S::F32; 4]) -> S::I32 {
        let bytes = simd.deinterleave(self.output.quads(simd, acc, scale));
        match self.lut {
            Some(lut) => simd.lookup_quads(lut, bytes),
            None => bytes,
        }
    }

    /// As [`quads`](Self::quads), with four vectors of the bytes of a residual that is added.
    #[inline(always)]
    pub(crate) fn quads_with_residual<S: Int8>(
        &self,
        simd: S,
        add: AddResidual,
        acc: [S::I32; 4],
        scale: [S::F32; 4],
        residual: [S::I32; 4],
    ) -> S::I32 {
        let mut steps = scale;
        if let Some(lut) = self.lut {
            let zero_point = simd.splat_i32(i32::from(add.sum.zero_point));
            for v in 0..4 {
                let y = simd.lookup(lut, self.output.vector(simd, acc[v], scale[v]));
                steps[v] = simd.to_f32(simd.sub_i32(y, zero_point));
            }
        } else {
            for v in 0..4 {
                steps[v] = self.output.steps(simd, acc[v], scale[v], add.sum.zero_point);
            }
        }
        simd.deinterleave(add.quads(simd, steps, residual))
    }
}
