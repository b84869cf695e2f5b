use super::Pair;
use crate::elementwise::Binary;
use crate::requantize::{Requantize, Term};
use crate::simd::{Int8, Kernel};

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
        for (x, out) in self.x.chunks(S::LANES).zip(self.out.chunks_mut(S::LANES)) {
            let bytes = self.output.round_vector(simd, simd.div(simd.load_part(x), scale));
            simd.store_u8_part(bytes, out);
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
        for (x, out) in self.x.chunks(S::LANES).zip(self.out.chunks_mut(S::LANES)) {
            simd.store_part(self.term.vector(simd, simd.load_u8_part(x)), out);
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
    let product = simd.splat(pair.a.scale * pair.b.scale);
    let operands = a.chunks(S::LANES).zip(b.chunks(S::LANES));
    for ((a, b), out) in operands.zip(out.chunks_mut(S::LANES)) {
        let (a, b) = (simd.load_u8_part(a), simd.load_u8_part(b));
        let result = match pair.function {
            Binary::Sub => simd.sub(pair.a.vector(simd, a), pair.b.vector(simd, b)),
            // Products below 2²⁴ are exact in floats too.
            Binary::Mul => {
                let centred =
                    |q: S::I32, term: Term| simd.to_f32(simd.sub_i32(q, simd.splat_i32(i32::from(term.zero_point))));
                simd.mul(simd.mul(centred(a, pair.a), centred(b, pair.b)), product)
            }
            _ => simd.add(pair.a.vector(simd, a), pair.b.vector(simd, b)),
        };
        simd.store_u8_part(pair.output.round_vector(simd, result), out);
    }
}
