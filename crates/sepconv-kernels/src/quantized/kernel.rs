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

/// Bytes that a short operand is repeated to, at most.
const REPEATED: usize = 512;

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
        let (n, period) = (out.len(), a.len().min(b.len()));
        let mut short = if a.len() == period { a } else { b };
        // An operand that repeats often does so in memory, until it fills some vectors.
        let mut repeated = [0; REPEATED];
        let times = REPEATED / period;
        if period < n && times > 1 {
            repeated.chunks_exact_mut(period).for_each(|to| to.copy_from_slice(short));
            short = &repeated[..times * period];
        }
        for (out, at) in out.chunks_mut(short.len()).zip((0..).step_by(short.len())) {
            let a = if a.len() == n { &a[at..] } else { short };
            let b = if b.len() == n { &b[at..] } else { short };
            run(simd, op, &a[..out.len()], &b[..out.len()], out);
        }
    }
}

/// Operands as long as the result.
#[inline(always)]
fn run<S: Int8>(simd: S, op: &QuantizedBinary, a: &[u8], b: &[u8], out: &mut [u8]) {
    let operands = (a, b, out);
    match op.function {
        Binary::Sub => each_pair::<S, Difference>(simd, op, operands),
        Binary::Mul => each_pair::<S, Product>(simd, op, operands),
        _ => each_pair::<S, Sum>(simd, op, operands),
    }
}

/// The real result for a vector of each operand: a trait, as closures are not inlined where they are called twice.
trait Pair<S: Int8> {
    fn vector(simd: S, op: &QuantizedBinary, a: S::I32, b: S::I32) -> S::F32;
}

struct Sum;
struct Difference;
struct Product;

impl<S: Int8> Pair<S> for Sum {
    #[inline(always)]
    fn vector(simd: S, op: &QuantizedBinary, a: S::I32, b: S::I32) -> S::F32 {
        simd.add(op.a.vector(simd, a), op.b.vector(simd, b))
    }
}

impl<S: Int8> Pair<S> for Difference {
    #[inline(always)]
    fn vector(simd: S, op: &QuantizedBinary, a: S::I32, b: S::I32) -> S::F32 {
        simd.sub(op.a.vector(simd, a), op.b.vector(simd, b))
    }
}

impl<S: Int8> Pair<S> for Product {
    /// Products of bytes are below 2²⁴, exact in f32 too.
    #[inline(always)]
    fn vector(simd: S, op: &QuantizedBinary, a: S::I32, b: S::I32) -> S::F32 {
        let (zero_a, zero_b) = (i32::from(op.a.zero_point), i32::from(op.b.zero_point));
        let a = simd.to_f32(simd.sub_i32(a, simd.splat_i32(zero_a)));
        let b = simd.to_f32(simd.sub_i32(b, simd.splat_i32(zero_b)));
        simd.mul(simd.mul(a, b), simd.splat(op.a.scale * op.b.scale))
    }
}

#[inline(always)]
fn each_pair<S: Int8, P: Pair<S>>(simd: S, op: &QuantizedBinary, (a, b, out): (&[u8], &[u8], &mut [u8])) {
    let whole = out.len() - out.len() % (4 * S::LANES);
    for at in (0..whole).step_by(4 * S::LANES) {
        let (a, b, out) = (&a[at..], &b[at..], &mut out[at..]);
        let mut results = [simd.splat(0.0); 4];
        for (v, result) in results.iter_mut().enumerate() {
            *result = P::vector(simd, op, simd.load_u8(&a[v * S::LANES..]), simd.load_u8(&b[v * S::LANES..]));
        }
        simd.store_quads(simd.deinterleave(op.output.round_quads(simd, results)), out);
    }
    let (a, b, out) = (&a[whole..], &b[whole..], &mut out[whole..]);
    for part in vectors::<S>(out.len()) {
        let result = P::vector(simd, op, simd.load_u8_part(&a[part.clone()]), simd.load_u8_part(&b[part.clone()]));
        simd.store_u8_part(op.output.round_vector(simd, result), &mut out[part]);
    }
}

/// The places of `length` numbers, a vector of them at a time.
#[inline(always)]
fn vectors<S: Simd>(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length.div_ceil(S::LANES)).map(move |v| v * S::LANES..length.min((v + 1) * S::LANES))
}
