use crate::activation::{Activation, ApplyRows, apply_all, exp, exp2, sigmoid};
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
        // Each loop is of one function, so that its steps are short and overlap. A closure would not always be inlined.
        macro_rules! each {
            ($x:ident => $result:expr) => {{
                let mut fours = self.x.chunks_exact_mut(4 * S::LANES);
                for four in &mut fours {
                    unroll!(i in 0..4, {
                        let $x = simd.load(&four[i * S::LANES..]);
                        simd.store($result, &mut four[i * S::LANES..]);
                    });
                }
                for part in fours.into_remainder().chunks_mut(S::LANES) {
                    let $x = simd.load_part(part);
                    simd.store_part($result, part);
                }
            }};
        }
        match self.op {
            Op::Activation(activation) => apply_all(simd, activation, self.x),
            Op::Exp => each!(x => exp(simd, x)),
            Op::Neg => each!(x => minus(simd, x)),
            // The sum turns a negative zero.
            Op::Abs => each!(x => simd.add(simd.max(minus(simd, x), x), simd.splat(0.0))),
            Op::Reciprocal => each!(x => simd.div(simd.splat(1.0), x)),
            Op::Sqrt => each!(x => simd.sqrt(x)),
            Op::Round => each!(x => simd.round(x)),
            Op::Sign => each!(x => sign(simd, x)),
            Op::Erf => each!(x => erf(simd, x)),
            Op::Gelu { tanh: false } => each!(x => gelu(simd, x)),
            Op::Gelu { tanh: true } => each!(x => gelu_tanh(simd, x)),
            op => {
                for x in self.x {
                    *x = op.apply(*x);
                }
            }
        }
    }
}

#[inline(always)]
fn minus<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    simd.mul(x, simd.splat(-1.0))
}

/// Twice enlarged, the least number is beyond 1. The sum turns a negative zero.
#[inline(always)]
fn sign<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let large = simd.splat(1e30);
    let beyond = simd.mul(simd.mul(x, large), large);
    simd.add(simd.min(simd.splat(1.0), simd.max(simd.splat(-1.0), beyond)), simd.splat(0.0))
}

/// The series of `coefficients`, the highest power first, at `x`.
#[inline(always)]
fn series<S: Simd, const N: usize>(simd: S, coefficients: &[f32; N], x: S::F32) -> S::F32 {
    let mut sum = simd.splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = simd.mul_add(sum, x, simd.splat(coefficient));
    }
    sum
}

/// A quotient of series in `x²`, the least greatest relative error: 2e-8. It is 1 from 3.92 on.
#[inline(always)]
fn erf<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    const ABOVE: [f32; 6] = [
        2.050_048_8e-6,
        2.848_497_5e-4,
        3.764_752_8e-3,
        5.274_599_4e-2,
        0.190_388_25,
        core::f32::consts::FRAC_2_SQRT_PI,
    ];
    const BELOW: [f32; 6] = [3.808_959e-5, 1.162_301e-3, 1.496_749e-2, 0.114_101_3, 0.502_059_94, 1.0];

    let x = simd.min(simd.splat(3.92), simd.max(simd.splat(-3.92), x));
    let square = simd.mul(x, x);
    simd.div(simd.mul(x, series(simd, &ABOVE, square)), series(simd, &BELOW, square))
}

/// `max(x, 0) - |x|·Φ(-|x|)`: nothing is lost where `Φ(x)` is small.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    // The binary logarithm of Φ(-x) for x in 0..=13.25, where it passes the least f32. |x|·Φ(-|x|) is within 1.6e-7.
    const SERIES: [f32; 9] = [
        4.275_884e-8,
        -2.582_934_8e-6,
        6.571_121e-5,
        -9.365_022_4e-4,
        8.499_965e-3,
        -5.395_271_3e-2,
        -0.458_422_12,
        -1.151_301_5,
        -0.999_984,
    ];

    let magnitude = simd.min(simd.splat(13.25), simd.max(minus(simd, x), x));
    let tail = exp2(simd, series(simd, &SERIES, magnitude));
    let positive = simd.max(simd.splat(0.0), x);
    simd.mul_add(minus(simd, magnitude), tail, positive)
}

/// `x·(1 + tanh(u))/2` is `x·sigmoid(2u)`.
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    // 2·√(2/π), and that times 0.044715.
    const LINEAR: f32 = 1.595_769;
    const CUBIC: f32 = 7.135_481_6e-2;

    let twice = simd.mul(x, simd.mul_add(simd.mul(x, x), simd.splat(CUBIC), simd.splat(LINEAR)));
    simd.mul(x, sigmoid(simd, twice))
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
