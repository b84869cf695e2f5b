use core::ops::Range;

use super::QuantizedBinary;
use crate::elementwise::Binary;
use crate::requantize::{RequantOperand, Requantize};
use crate::simd::{Int8, Kernel, Simd};

pub(super) struct Quantize<'a> {
    pub(super) scale: f32,
    pub(super) output: Requantize,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Quantize<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let scale = simd.splat(self.scale);
        for part in vectors::<S>(self.out.len()) {
            let x = simd.load_part(&self.x[part.clone()]);
            simd.store_u8_part(self.output.round_vector(simd, simd.div(x, scale)), &mut self.out[part]);
        }
    }
}

pub(super) struct Dequantize<'a> {
    pub(super) term: RequantOperand,
    pub(super) x: &'a [u8],
    pub(super) out: &'a mut [f32],
}

impl<S: Int8> Kernel<S> for Dequantize<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        for part in vectors::<S>(self.out.len()) {
            let x = simd.load_u8_part(&self.x[part.clone()]);
            simd.store_part(self.term.vector(simd, x), &mut self.out[part]);
        }
    }
}

pub(super) struct Lut<'a> {
    pub(super) lut: &'a [u8; 256],
    pub(super) x: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Lut<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        simd.lookup_all(self.lut, self.x);
    }
}

/// The arguments of [`binary`](super::binary), checked.
pub(super) struct QuantizedBinaryTask<'a> {
    pub(super) op: &'a QuantizedBinary,
    pub(super) a: &'a [u8],
    pub(super) b: &'a [u8],
    pub(super) out: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for QuantizedBinaryTask<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { op, a, b, out } = self;
        // One byte that repeats is a vector of it.
        let spread = [[a[0]; 64], [b[0]; 64]];
        let period = a.len().min(b.len());
        let step = if period == 1 { spread[0].len() } else { period };
        for (i, out) in out.chunks_mut(step).enumerate() {
            let (at, len) = (i * step, out.len());
            let a = if a.len() == 1 { &spread[0][..len] } else { &a[at % a.len()..][..len] };
            let b = if b.len() == 1 { &spread[1][..len] } else { &b[at % b.len()..][..len] };
            run(simd, op, a, b, out);
        }
    }
}

/// Operands as long as the result.
#[inline(always)]
fn run<S: Int8>(simd: S, op: &QuantizedBinary, a: &[u8], b: &[u8], out: &mut [u8]) {
    let operands = (a, b, out);
    match op.function {
        Binary::Sub => each_pair(simd, op, operands, |a, b| simd.sub(op.a.vector(simd, a), op.b.vector(simd, b))),
        // Products below 2²⁴ are exact in f32 values too.
        Binary::Mul => {
            let product = simd.splat(op.a.scale * op.b.scale);
            let centered = |q: S::I32, term: RequantOperand| {
                simd.to_f32(simd.sub_i32(q, simd.splat_i32(i32::from(term.zero_point))))
            };
            each_pair(simd, op, operands, |a, b| simd.mul(simd.mul(centered(a, op.a), centered(b, op.b)), product));
        }
        _ => each_pair(simd, op, operands, |a, b| simd.add(op.a.vector(simd, a), op.b.vector(simd, b))),
    }
}

#[inline(always)]
fn each_pair<S: Int8>(
    simd: S,
    op: &QuantizedBinary,
    (a, b, out): (&[u8], &[u8], &mut [u8]),
    function: impl Fn(S::I32, S::I32) -> S::F32,
) {
    for part in vectors::<S>(out.len()) {
        let result = function(simd.load_u8_part(&a[part.clone()]), simd.load_u8_part(&b[part.clone()]));
        simd.store_u8_part(op.output.round_vector(simd, result), &mut out[part]);
    }
}

/// The places of `length` numbers, a vector of them at a time.
#[inline(always)]
fn vectors<S: Simd>(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length.div_ceil(S::LANES)).map(move |v| v * S::LANES..length.min((v + 1) * S::LANES))
}
