use super::Normalization;
use crate::Activation;
use crate::activation::{apply, derivative};
use crate::simd::{Kernel, Simd};

/// Pixels that are summed before they are added to the rest.
const BLOCK: usize = 64;

/// Adds `N` sums over the pixels of `[pixels, c]` to `sums`, block by block: `value` has the place of a vector, its
/// channel, and loads the vector of some array there.
#[inline(always)]
fn sum_pixels<S: Simd, const N: usize>(
    simd: S,
    c: usize,
    values: usize,
    sums: [&mut [f32]; N],
    value: impl Fn(usize, usize, usize) -> [S::F32; N],
) {
    let mut sums = sums;
    for block in (0..values).step_by(BLOCK * c) {
        let pixels = (block..values.min(block + BLOCK * c)).step_by(c);
        let mut channel = 0;
        while channel + 2 * S::LANES <= c {
            // Two vectors at a time: a cache line or more.
            let acc = sum_block::<S, N, 2>(simd, pixels.clone(), channel, S::LANES, &value);
            add_to(simd, &mut sums, channel, S::LANES, &acc[0]);
            add_to(simd, &mut sums, channel + S::LANES, S::LANES, &acc[1]);
            channel += 2 * S::LANES;
        }
        while channel < c {
            let lanes = S::LANES.min(c - channel);
            let [acc] = sum_block::<S, N, 1>(simd, pixels.clone(), channel, lanes, &value);
            add_to(simd, &mut sums, channel, lanes, &acc);
            channel += lanes;
        }
    }
}

/// The sums of `V` vectors of channels over `pixels`.
#[inline(always)]
fn sum_block<S: Simd, const N: usize, const V: usize>(
    simd: S,
    pixels: impl Iterator<Item = usize>,
    channel: usize,
    lanes: usize,
    value: &impl Fn(usize, usize, usize) -> [S::F32; N],
) -> [[S::F32; N]; V] {
    let mut acc = [[simd.splat(0.0); N]; V];
    for pixel in pixels {
        unroll!(v in 0..V, {
            let at = channel + v * S::LANES;
            let values = value(pixel + at, at, lanes);
            unroll!(n in 0..N, {
                acc[v][n] = simd.add(acc[v][n], values[n]);
            });
        });
    }
    acc
}

#[inline(always)]
fn add_to<S: Simd, const N: usize>(simd: S, sums: &mut [&mut [f32]; N], at: usize, lanes: usize, acc: &[S::F32; N]) {
    for (sums, acc) in sums.iter_mut().zip(acc) {
        let to = &mut sums[at..][..lanes];
        simd.store_part(simd.add(simd.load_part(to), *acc), to);
    }
}

/// `lanes` values from `at` on.
#[inline(always)]
fn load<S: Simd>(simd: S, from: &[f32], at: usize, lanes: usize) -> S::F32 {
    let from = &from[at..][..lanes];
    if lanes == S::LANES { simd.load(from) } else { simd.load_part(from) }
}

pub(super) struct MomentsOf<'a> {
    pub(super) x: &'a [f32],
    pub(super) mean: &'a mut [f32],
    pub(super) squares: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for MomentsOf<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { x, mean, squares } = self;
        let c = mean.len();
        mean.fill(0.0);
        squares.fill(0.0);
        sum_pixels(simd, c, x.len(), [&mut *mean], |at, _, lanes| [load(simd, x, at, lanes)]);
        let count = (x.len() / c).max(1) as f32;
        mean.iter_mut().for_each(|mean| *mean /= count);
        let mean = &*mean;
        sum_pixels(simd, c, x.len(), [squares], |at, channel, lanes| {
            let distance = simd.sub(load(simd, x, at, lanes), load(simd, mean, channel, lanes));
            [simd.mul(distance, distance)]
        });
    }
}

/// Calls `value` with the place, channel and lanes of each vector of `out` `[pixels, c]`, and stores what it gives.
#[inline(always)]
fn map_pixels<S: Simd>(simd: S, c: usize, out: &mut [f32], value: impl Fn(usize, usize, usize) -> S::F32) {
    let whole = c / S::LANES * S::LANES;
    for pixel in (0..out.len()).step_by(c) {
        for channel in (0..whole).step_by(S::LANES) {
            simd.store(value(pixel + channel, channel, S::LANES), &mut out[pixel + channel..]);
        }
        if whole < c {
            let x = value(pixel + whole, whole, c - whole);
            simd.store_part(x, &mut out[pixel + whole..pixel + c]);
        }
    }
}

/// Repeats `body` for each activation, so that each loop is of one alone.
macro_rules! each_activation {
    ($activation:expr, $name:ident => $body:expr) => {
        match $activation {
            Activation::Identity => {
                let $name = Activation::Identity;
                $body
            }
            Activation::Relu => {
                let $name = Activation::Relu;
                $body
            }
            Activation::HardSwish => {
                let $name = Activation::HardSwish;
                $body
            }
            Activation::Silu => {
                let $name = Activation::Silu;
                $body
            }
            Activation::Clip { low, high } => {
                let $name = Activation::Clip { low, high };
                $body
            }
            $name @ (Activation::LeakyRelu { .. }
            | Activation::HardSigmoid { .. }
            | Activation::Sigmoid
            | Activation::Tanh) => $body,
        }
    };
}

pub(super) struct Normalize<'a> {
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) activation: Activation,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { scale, shift, activation, x, out } = self;
        each_activation!(activation, activation => {
            map_pixels(simd, scale.len(), out, |at, channel, lanes| {
                let [scale, shift] = [scale, shift].map(|of| load(simd, of, channel, lanes));
                apply(simd, activation, simd.mul_add(load(simd, x, at, lanes), scale, shift))
            });
        });
    }
}

pub(super) struct GradientSums<'a> {
    pub(super) norm: Normalization<'a>,
    pub(super) activation: Activation,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) shift: &'a mut [f32],
    pub(super) scale: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for GradientSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { norm, activation, x, dy, shift, scale } = self;
        let Normalization { scale: factor, shift: term, mean, inverse_deviation } = norm;
        shift.fill(0.0);
        scale.fill(0.0);
        each_activation!(activation, activation => {
            sum_pixels(simd, factor.len(), x.len(), [&mut *shift, &mut *scale], |at, channel, lanes| {
                let [factor, term, mean] = [factor, term, mean].map(|of| load(simd, of, channel, lanes));
                let x = load(simd, x, at, lanes);
                let slope = derivative(simd, activation, simd.mul_add(x, factor, term));
                let g = simd.mul(load(simd, dy, at, lanes), slope);
                [g, simd.mul(g, simd.sub(x, mean))]
            });
        });
        // The deviation is the same for all pixels.
        scale.iter_mut().zip(inverse_deviation).for_each(|(scale, inverse)| *scale *= inverse);
    }
}

pub(super) struct InputGradient<'a> {
    pub(super) norm: Normalization<'a>,
    pub(super) activation: Activation,
    pub(super) mean_g: &'a [f32],
    pub(super) mean_gx: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { norm, activation, mean_g, mean_gx, x, dy, out } = self;
        let Normalization { scale, shift, mean, inverse_deviation } = norm;
        each_activation!(activation, activation => {
            map_pixels(simd, scale.len(), out, |at, channel, lanes| {
                let [scale, shift, mean, inverse] =
                    [scale, shift, mean, inverse_deviation].map(|of| load(simd, of, channel, lanes));
                let [mean_g, mean_gx] = [mean_g, mean_gx].map(|of| load(simd, of, channel, lanes));
                let x = load(simd, x, at, lanes);
                let slope = derivative(simd, activation, simd.mul_add(x, scale, shift));
                let centered = simd.sub(simd.mul(load(simd, dy, at, lanes), slope), mean_g);
                let normal = simd.mul(simd.sub(x, mean), inverse);
                simd.mul(scale, simd.sub(centered, simd.mul(normal, mean_gx)))
            });
        });
    }
}

pub(super) struct ChannelSums<'a> {
    pub(super) a: &'a [f32],
    pub(super) b: Option<&'a [f32]>,
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for ChannelSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { a, b, out } = self;
        let c = out.len();
        out.fill(0.0);
        match b {
            Some(b) => sum_pixels(simd, c, a.len(), [out], |at, _, lanes| {
                [simd.mul(load(simd, a, at, lanes), load(simd, b, at, lanes))]
            }),
            None => sum_pixels(simd, c, a.len(), [out], |at, _, lanes| [load(simd, a, at, lanes)]),
        }
    }
}
