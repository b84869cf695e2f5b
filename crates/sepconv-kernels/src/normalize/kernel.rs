use super::Normalization;
use crate::Activation;
use crate::activation::{apply, derivative};
use crate::simd::{Kernel, Simd};

/// Pixels that are summed before they are added to the rest.
const BLOCK: usize = 64;

/// `lanes` channels of a pixel from `channel` on; those of `[pixels, c]` lie `at` an index.
#[derive(Clone, Copy)]
struct PixelChannels {
    at: usize,
    channel: usize,
    lanes: usize,
}

impl PixelChannels {
    /// What `from` `[pixels, c]` has there.
    #[inline(always)]
    fn of_pixel<S: Simd>(self, simd: S, from: &[f32]) -> S::F32 {
        load(simd, from, self.at, self.lanes)
    }

    /// What `from` `[c]` has there.
    #[inline(always)]
    fn of_channel<S: Simd>(self, simd: S, from: &[f32]) -> S::F32 {
        load(simd, from, self.channel, self.lanes)
    }
}

/// `lanes` values from `at` on.
#[inline(always)]
fn load<S: Simd>(simd: S, from: &[f32], at: usize, lanes: usize) -> S::F32 {
    let from = &from[at..][..lanes];
    if lanes == S::LANES { simd.load(from) } else { simd.load_part(from) }
}

/// `N` numbers of each channel of each pixel: a trait, as closures are not always inlined.
trait Values<S: Simd, const N: usize> {
    /// Those of some channels.
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; N];
}

/// Adds the sums of `values` over pixels, whose `[pixels, c]` is `len` long, to `sums`, block by block.
#[inline(always)]
fn sum_pixels<S: Simd, const N: usize>(
    simd: S,
    [c, len]: [usize; 2],
    mut sums: [&mut [f32]; N],
    values: &impl Values<S, N>,
) {
    for block in (0..len).step_by(BLOCK * c) {
        let pixels = (block..len.min(block + BLOCK * c)).step_by(c);
        let mut channel = 0;
        while channel + 2 * S::LANES <= c {
            // Two vectors at a time: a cache line or more.
            let acc = sum_block::<S, N, 2>(simd, pixels.clone(), channel, S::LANES, values);
            add_to(simd, &mut sums, channel, S::LANES, &acc[0]);
            add_to(simd, &mut sums, channel + S::LANES, S::LANES, &acc[1]);
            channel += 2 * S::LANES;
        }
        while channel < c {
            let lanes = S::LANES.min(c - channel);
            let [acc] = sum_block::<S, N, 1>(simd, pixels.clone(), channel, lanes, values);
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
    values: &impl Values<S, N>,
) -> [[S::F32; N]; V] {
    let mut acc = [[simd.splat(0.0); N]; V];
    for pixel in pixels {
        unroll!(v in 0..V, {
            let channel = channel + v * S::LANES;
            let values = values.at(simd, PixelChannels { at: pixel + channel, channel, lanes });
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

/// Stores `values` in `out` `[pixels, c]`.
#[inline(always)]
fn store_pixels<S: Simd>(simd: S, c: usize, out: &mut [f32], values: &impl Values<S, 1>) {
    let whole = c / S::LANES * S::LANES;
    for pixel in (0..out.len()).step_by(c) {
        for channel in (0..whole).step_by(S::LANES) {
            let at = pixel + channel;
            let [y] = values.at(simd, PixelChannels { at, channel, lanes: S::LANES });
            simd.store(y, &mut out[at..]);
        }
        if whole < c {
            let [y] = values.at(simd, PixelChannels { at: pixel + whole, channel: whole, lanes: c - whole });
            simd.store_part(y, &mut out[pixel + whole..pixel + c]);
        }
    }
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
        sum_pixels(simd, [c, x.len()], [&mut *mean], &Plain { x });
        let count = (x.len() / c).max(1) as f32;
        mean.iter_mut().for_each(|mean| *mean /= count);
        sum_pixels(simd, [c, x.len()], [squares], &SquaredDistances { x, mean });
    }
}

struct Plain<'a> {
    x: &'a [f32],
}

impl<S: Simd> Values<S, 1> for Plain<'_> {
    #[inline(always)]
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; 1] {
        [channels.of_pixel(simd, self.x)]
    }
}

struct SquaredDistances<'a> {
    x: &'a [f32],
    mean: &'a [f32],
}

impl<S: Simd> Values<S, 1> for SquaredDistances<'_> {
    #[inline(always)]
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; 1] {
        let distance = simd.sub(channels.of_pixel(simd, self.x), channels.of_channel(simd, self.mean));
        [simd.mul(distance, distance)]
    }
}

struct Products<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl<S: Simd> Values<S, 1> for Products<'_> {
    #[inline(always)]
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; 1] {
        [simd.mul(channels.of_pixel(simd, self.a), channels.of_pixel(simd, self.b))]
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
            store_pixels(simd, scale.len(), out, &Normalized { scale, shift, activation, x });
        });
    }
}

struct Normalized<'a> {
    scale: &'a [f32],
    shift: &'a [f32],
    activation: Activation,
    x: &'a [f32],
}

impl<S: Simd> Values<S, 1> for Normalized<'_> {
    #[inline(always)]
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; 1] {
        let (scale, shift) = (channels.of_channel(simd, self.scale), channels.of_channel(simd, self.shift));
        [apply(simd, self.activation, simd.mul_add(channels.of_pixel(simd, self.x), scale, shift))]
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
        shift.fill(0.0);
        scale.fill(0.0);
        each_activation!(activation, activation => {
            let terms = GradientTerms { norm, activation, x, dy };
            sum_pixels(simd, [norm.scale.len(), x.len()], [&mut *shift, &mut *scale], &terms);
        });
        // The deviation is the same for all pixels.
        scale.iter_mut().zip(norm.inverse_deviation).for_each(|(scale, inverse)| *scale *= inverse);
    }
}

/// The gradient of `z`, and that times the distance of `x` from its mean.
struct GradientTerms<'a> {
    norm: Normalization<'a>,
    activation: Activation,
    x: &'a [f32],
    dy: &'a [f32],
}

impl<S: Simd> Values<S, 2> for GradientTerms<'_> {
    #[inline(always)]
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; 2] {
        let Normalization { scale, shift, mean, .. } = self.norm;
        let (x, mean) = (channels.of_pixel(simd, self.x), channels.of_channel(simd, mean));
        let z = simd.mul_add(x, channels.of_channel(simd, scale), channels.of_channel(simd, shift));
        let g = simd.mul(channels.of_pixel(simd, self.dy), derivative(simd, self.activation, z));
        [g, simd.mul(g, simd.sub(x, mean))]
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
        each_activation!(activation, activation => {
            let gradients = InputGradients { norm, activation, mean_g, mean_gx, x, dy };
            store_pixels(simd, norm.scale.len(), out, &gradients);
        });
    }
}

struct InputGradients<'a> {
    norm: Normalization<'a>,
    activation: Activation,
    mean_g: &'a [f32],
    mean_gx: &'a [f32],
    x: &'a [f32],
    dy: &'a [f32],
}

impl<S: Simd> Values<S, 1> for InputGradients<'_> {
    #[inline(always)]
    fn at(&self, simd: S, channels: PixelChannels) -> [S::F32; 1] {
        let Normalization { scale, shift, mean, inverse_deviation } = self.norm;
        let (x, scale) = (channels.of_pixel(simd, self.x), channels.of_channel(simd, scale));
        let z = simd.mul_add(x, scale, channels.of_channel(simd, shift));
        let g = simd.mul(channels.of_pixel(simd, self.dy), derivative(simd, self.activation, z));
        let distance = simd.sub(x, channels.of_channel(simd, mean));
        let normal = simd.mul(distance, channels.of_channel(simd, inverse_deviation));
        let along = simd.mul(normal, channels.of_channel(simd, self.mean_gx));
        [simd.mul(scale, simd.sub(simd.sub(g, channels.of_channel(simd, self.mean_g)), along))]
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
        let sizes = [out.len(), a.len()];
        out.fill(0.0);
        match b {
            Some(b) => sum_pixels(simd, sizes, [out], &Products { a, b }),
            None => sum_pixels(simd, sizes, [out], &Plain { x: a }),
        }
    }
}
