use super::{AddResidual, Epilogue, Requantize, Term};
use crate::simd::{Int8, Kernel};

impl Requantize {
    /// Sums as bytes, one in each lane.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, acc: S::I32, scale: S::F32) -> S::I32 {
        self.round_vector(simd, simd.mul(simd.to_f32(acc), scale))
    }

    /// Clamping first gives the same, as the bounds are whole numbers, and nothing overflows.
    #[inline(always)]
    fn round_vector<S: Int8>(self, simd: S, x: S::F32) -> S::I32 {
        let zero_point = i32::from(self.zero_point);
        let [low, high] = [self.low, self.high].map(|bound| simd.splat((i32::from(bound) - zero_point) as f32));
        let clamped = simd.min(simd.max(x, low), high);
        simd.add_i32(simd.to_i32(clamped), simd.splat_i32(zero_point))
    }
}

impl Term {
    #[inline(always)]
    fn vector<S: Int8>(self, simd: S, q: S::I32) -> S::F32 {
        let steps = simd.sub_i32(q, simd.splat_i32(i32::from(self.zero_point)));
        simd.mul(simd.splat(self.scale), simd.to_f32(steps))
    }
}

impl AddResidual {
    /// Bytes with a residual added, one in each lane.
    #[inline(always)]
    pub(crate) fn vector<S: Int8>(self, simd: S, q: S::I32, residual: S::I32) -> S::I32 {
        let sum = simd.add(self.sum.vector(simd, q), self.residual.vector(simd, residual));
        self.output.round_vector(simd, sum)
    }
}

/// What follows requantisation, done in place on `columns` bytes in each of `rows` rows of `out`, `stride` apart. The residual is laid
/// out as `out`.
///
/// Run it by `vectorize` on a tile just stored, so that it is compiled once rather than into every kernel.
pub(crate) struct Complete<'a> {
    pub(crate) epilogue: &'a Epilogue<'a>,
    pub(crate) out: &'a mut [u8],
    pub(crate) residual: Option<&'a [u8]>,
    pub(crate) rows: usize,
    pub(crate) stride: usize,
    pub(crate) columns: usize,
}

impl<S: Int8> Kernel<S> for Complete<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { epilogue, out, residual, rows, stride, columns } = self;
        for start in (0..rows).map(|row| row * stride) {
            let out = &mut out[start..][..columns];
            if let Some(table) = epilogue.table {
                each_vector::<S>(out, |_, out| {
                    simd.store_u8_part(simd.lookup(table, simd.load_u8_part(out)), out);
                });
            }
            if let (Some(add), Some(residual)) = (epilogue.residual, residual) {
                let residual = &residual[start..][..columns];
                each_vector::<S>(out, |i, out| {
                    let residual = simd.load_u8_part(&residual[i..][..out.len()]);
                    simd.store_u8_part(add.vector(simd, simd.load_u8_part(out), residual), out);
                });
            }
        }
    }
}

/// Gives `f` a vector's length of `data` after the other, and where each begins; the last may be shorter.
#[inline(always)]
fn each_vector<S: Int8>(data: &mut [u8], mut f: impl FnMut(usize, &mut [u8])) {
    for (part, i) in data.chunks_mut(S::LANES).zip((0..).step_by(S::LANES)) {
        f(i, part);
    }
}
