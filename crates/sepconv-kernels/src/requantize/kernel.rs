use super::{AddResidual, RequantOperand, Requantize};
use crate::epilogue::Epilogue;
use crate::simd::Int8;

impl Requantize {
    /// Sums as u8, one in each lane.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, acc: S::I32, scale: S::F32) -> S::I32 {
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

    /// Clamping first gives the same, as the bounds are whole numbers, and nothing overflows.
    #[inline(always)]
    pub(crate) fn round_vector<S: Int8>(self, simd: S, x: S::F32) -> S::I32 {
        let zero_point = i32::from(self.zero_point);
        let bound = |bound: u8| simd.splat((i32::from(bound) - zero_point) as f32);
        let (low, high) = (bound(self.low), bound(self.high));
        let clamped = simd.min(simd.max(x, low), high);
        simd.add_i32(simd.to_i32(clamped), simd.splat_i32(zero_point))
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
    /// u8 with a residual added, one in each lane.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, q: S::I32, residual: S::I32) -> S::I32 {
        let sum = simd.add(self.sum.vector(simd, q), self.residual.vector(simd, residual));
        self.output.round_vector(simd, sum)
    }
}

impl Epilogue<'_> {
    /// Sums as u8, one in each lane; the bytes of the residual are asked for only where one is added.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(
        &self,
        simd: S,
        acc: S::I32,
        scale: S::F32,
        residual: impl FnOnce() -> S::I32,
    ) -> S::I32 {
        let mut y = self.output.vector(simd, acc, scale);
        if let Some(lut) = self.lut {
            y = simd.lookup(lut, y);
        }
        if let Some(add) = self.residual {
            y = add.vector(simd, y, residual());
        }
        y
    }
}
