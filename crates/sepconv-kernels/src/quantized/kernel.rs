use core::ops::Range;

use super::Pair;
use crate::elementwise::Binary;
use crate::requantize::{Requantize, Term};
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
    pub(super) term: Term,
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

pub(super) struct Lookup<'a> {
    pub(super) table: &'a [u8; 256],
    pub(super) x: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Lookup<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        simd.lookup_all(self.table, self.x);
    }
}

/// The arguments of [`binary`](super::binary), checked.
pub(super) struct Pairs<'a> {
    pub(super) pair: &'a Pair,
    pub(super) a: &'a [u8],
    pub(super) b: &'a [u8],
    pub(super) out: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Pairs<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { pair, a, b, out } = self;
        // One byte that repeats is a vector of it.
        let spread = [[a[0]; 64], [b[0]; 64]];
        let period = a.len().min(b.len());
        let step = if period == 1 { spread[0].len() } else { period };
        for (i, out) in out.chunks_mut(step).enumerate() {
            let (at, len) = (i * step, out.len());
            let a = if a.len() == 1 { &spread[0][..len] } else { &a[at % a.len()..][..len] };
            let b = if b.len() == 1 { &spread[1][..len] } else { &b[at % b.len()..][..len] };
            run(simd, pair, a, b, out);
        }
    }
}

/// Operands as long as the result.
#[inline(always)]
fn run<S: Int8>(simd: S, pair: &Pair, a: &[u8], b: &[u8], out: &mut [u8]) {
    let operands = (a, b, out);
    match pair.function {
        Binary::Sub => each_pair(simd, pair, operands, |a, b| simd.sub(pair.a.vector(simd, a), pair.b.vector(simd, b))),
        // Products below 2²⁴ are exact in floats too.
        Binary::Mul => {
            let product = simd.splat(pair.a.scale * pair.b.scale);
            let centred =
                |q: S::I32, term: Term| simd.to_f32(simd.sub_i32(q, simd.splat_i32(i32::from(term.zero_point))));
            each_pair(simd, pair, operands, |a, b| simd.mul(simd.mul(centred(a, pair.a), centred(b, pair.b)), product));
        }
        _ => each_pair(simd, pair, operands, |a, b| simd.add(pair.a.vector(simd, a), pair.b.vector(simd, b))),
    }
}

#[inline(always)]
fn each_pair<S: Int8>(
    simd: S,
    pair: &Pair,
    (a, b, out): (&[u8], &[u8], &mut [u8]),
    function: impl Fn(S::I32, S::I32) -> S::F32,
) {
    for part in vectors::<S>(out.len()) {
        let result = function(simd.load_u8_part(&a[part.clone()]), simd.load_u8_part(&b[part.clone()]));
        simd.store_u8_part(pair.output.round_vector(simd, result), &mut out[part]);
    }
}

/// The places of `length` numbers, a vector of them at a time.
#[inline(always)]
fn vectors<S: Simd>(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length.div_ceil(S::LANES)).map(move |v| v * S::LANES..length.min((v + 1) * S::LANES))
}
