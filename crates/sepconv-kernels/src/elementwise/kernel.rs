use crate::activation::{Activation, ApplyRows, apply_all, exp};
use crate::simd::{Kernel, Simd};

/// The arguments of [`unary_in_place`](super::unary_in_place).
pub(super) struct Unary<'a> {
    pub(super) op: super::Unary,
    pub(super) x: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Unary<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        use super::Unary as Op;
        let minus = |x| simd.mul(x, simd.splat(-1.0));
        match self.op {
            Op::Activation(activation) => apply_all(simd, activation, self.x),
            Op::Exp => each(simd, self.x, |x| exp(simd, x)),
            Op::Neg => each(simd, self.x, minus),
            // The sum turns a negative zero.
            Op::Abs => each(simd, self.x, |x| simd.add(simd.max(minus(x), x), simd.splat(0.0))),
            Op::Reciprocal => each(simd, self.x, |x| simd.div(simd.splat(1.0), x)),
            Op::Sqrt => each(simd, self.x, |x| simd.sqrt(x)),
            Op::Round => each(simd, self.x, |x| simd.round(x)),
            op => {
                for x in self.x {
                    *x = op.apply(*x);
                }
            }
        }
    }
}

#[inline(always)]
fn each<S: Simd>(simd: S, x: &mut [f32], function: impl Fn(S::F32) -> S::F32) {
    let mut vectors = x.chunks_exact_mut(S::LANES);
    for x in &mut vectors {
        simd.store(function(simd.load(x)), x);
    }
    let rest = vectors.into_remainder();
    simd.store_part(function(simd.load_part(rest)), rest);
}

/// The arguments of [`binary`](super::binary), checked.
pub(super) struct Binary<'a> {
    pub(super) op: super::Binary,
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) activation: Activation,
    pub(super) out: &'a mut [f32],
}

/// f32 values that are computed before the activation passes over them, while they are in the nearest cache.
pub(super) const BLOCK: usize = 1024;

impl<S: Simd> Kernel<S> for Binary<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        use super::Binary as Op;
        match self.op {
            Op::Add => self.blocks(simd, S::add),
            Op::Sub => self.blocks(simd, S::sub),
            Op::Mul => self.blocks(simd, S::mul),
            Op::Div => self.blocks(simd, S::div),
            Op::Min => self.blocks(simd, S::min),
            Op::Max => self.blocks(simd, S::max),
            Op::PRelu => self.blocks(simd, prelu),
            Op::Pow => {
                let operands = self.a.iter().cycle().zip(self.b.iter().cycle());
                for (out, (&a, &b)) in self.out.iter_mut().zip(operands) {
                    *out = Op::Pow.apply(a, b);
                }
                apply_all(simd, self.activation, self.out);
            }
        }
    }
}

impl Binary<'_> {
    #[inline(always)]
    fn blocks<S: Simd>(self, simd: S, op: impl Fn(S, S::F32, S::F32) -> S::F32) {
        // One period of the operand that repeats lies against one stretch of the other.
        let n = self.out.len();
        let period = self.a.len().min(self.b.len());
        let stretch = if period == 1 { n } else { period };
        for start in (0..n).step_by(stretch) {
            for block in (0..stretch).step_by(BLOCK) {
                let length = BLOCK.min(stretch - block);
                let part = |x: &'_ [f32]| match x.len() {
                    1 => 0..1,
                    len if len == n => start + block..start + block + length,
                    _ => block..block + length,
                };
                let (a, b) = (&self.a[part(self.a)], &self.b[part(self.b)]);
                let out = &mut self.out[start + block..][..length];
                for (v, out) in out.chunks_mut(S::LANES).enumerate() {
                    let (a, b) = (operand(simd, a, v, out.len()), operand(simd, b, v, out.len()));
                    simd.store_part(op(simd, a, b), out);
                }
                if self.activation != Activation::Identity {
                    // Not inlined: it is large, and would be in the code of every operator.
                    let (rows, stride, columns) = (1, out.len(), out.len());
                    simd.vectorize(ApplyRows { activation: self.activation, data: out, rows, stride, columns });
                }
            }
        }
    }
}

/// Vector `v` of an operand, or its only number in every lane.
#[inline(always)]
fn operand<S: Simd>(simd: S, x: &[f32], v: usize, lanes: usize) -> S::F32 {
    if x.len() == 1 { simd.splat(x[0]) } else { simd.load_part(&x[v * S::LANES..][..lanes]) }
}

#[inline(always)]
fn prelu<S: Simd>(simd: S, x: S::F32, slope: S::F32) -> S::F32 {
    let zero = simd.splat(0.0);
    simd.mul_add(slope, simd.min(zero, x), simd.max(zero, x))
}
