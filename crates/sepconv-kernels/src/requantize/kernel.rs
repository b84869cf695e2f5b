use super::{AddResidual, RequantOperand, Requantize};
use crate::epilogue::Epilogue;
use crate::simd::Int8;

impl Requantize {
    /// Sums as u8, one in each lane.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, acc: S::I32, scale: S::F32) -> S::I32 {
        if S::LANES == 1 {
            // A number that fits no byte saturates, which costs less than clamping f32 does.
            let rounded = simd.to_i32(simd.mul(simd.to_f32(acc), scale));
            let bytes = simd.narrow([rounded; 4], self.zero_point, [self.low, self.high]);
            let mut byte = [0];
            simd.store_u8_part(bytes, &mut byte);
            return simd.load_u8(&byte);
        }
        self.round_vector(simd, simd.mul(simd.to_f32(acc), scale))
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
    /// Sums as u8, one in each lane, where no residual is added.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(&self, simd: S, acc: S::I32, scale: S::F32) -> S::I32 {
        let y = self.output.vector(simd, acc, scale);
        match self.lut {
            Some(lut) => simd.lookup(lut, y),
            None => y,
        }
    }

    /// As [`vector`](Self::vector), with the bytes of a residual that is added.
    #[inline(always)]
    pub(crate) fn vector_with_residual<S: Int8>(
        &self,
        simd: S,
        add: AddResidual,
        acc: S::I32,
        scale: S::F32,
        residual: S::I32,
    ) -> S::I32 {
        let sum = add.sum.vector(simd, self.vector(simd, acc, scale));
        add.output.round_vector(simd, simd.add(sum, add.residual.vector(simd, residual)))
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
