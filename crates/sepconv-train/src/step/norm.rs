//! Batch normalization with the activation behind it, and what else works channel by channel.

use sepconv_core::op::Activation;
use sepconv_kernels::Isa;
use sepconv_kernels::normalize::{
    Moments, Normalization, channel_sums, gradient_sums, input_gradient, moments, normalize,
};

use crate::shards::{SHARD, each};

/// The normalization of each channel, as [`Normalization`] has it; kept from the forward to the backward pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channels {
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
}

impl Channels {
    /// With statistics of this batch or of those before.
    pub(crate) fn new(parameters: [&[f32]; 2], mean: Vec<f32>, variance: &[f64], epsilon: f32) -> Self {
        let [gamma, beta] = parameters;
        let inverse = |variance: &f64| (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32;
        let inverse_deviation: Vec<f32> = variance.iter().map(inverse).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse_deviation).map(|(gamma, inverse)| gamma * inverse).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
        Self { scale, shift, mean, inverse_deviation }
    }

    /// Those of an activation alone.
    pub(crate) fn identity(channels: usize) -> Self {
        let [zeros, ones] = [0.0, 1.0].map(|value| vec![value; channels]);
        Self { scale: ones.clone(), shift: zeros.clone(), mean: zeros, inverse_deviation: ones }
    }

    fn as_normalization(&self) -> Normalization<'_> {
        let Self { scale, shift, mean, inverse_deviation } = self;
        Normalization { scale, shift, mean, inverse_deviation }
    }

    /// `activation(normalized)` of a whole batch of images of `size` numbers.
    pub(crate) fn forward(&self, isa: Isa, size: usize, activation: Activation, x: &[f32], y: &mut [f32]) {
        let mut shards: Vec<_> = x.chunks(SHARD * size).zip(y.chunks_mut(SHARD * size)).collect();
        each(&mut shards, &|(x, y)| normalize(isa, &self.scale, &self.shift, activation, x, y));
    }

    /// The sums of `g` and of `g` times the normalized input over the whole batch: the gradients by shift and scale.
    pub(crate) fn sums(&self, isa: Isa, size: usize, activation: Activation, of: [&[f32]; 2]) -> [Vec<f64>; 2] {
        let c = self.scale.len();
        let shards = of[0].len().div_ceil(SHARD * size);
        let mut parts = vec![[vec![0.0; c], vec![0.0; c]]; shards];
        let mut work: Vec<_> =
            of[0].chunks(SHARD * size).zip(of[1].chunks(SHARD * size)).zip(parts.iter_mut()).collect();
        each(&mut work, &|((x, dy), [shift, scale])| {
            let [mut image_shift, mut image_scale] = [vec![0.0; c], vec![0.0; c]];
            for (x, dy) in x.chunks_exact(size).zip(dy.chunks_exact(size)) {
                let norm = self.as_normalization();
                gradient_sums(isa, norm, activation, [x, dy], &mut image_shift, &mut image_scale);
                add(&image_shift, shift);
                add(&image_scale, scale);
            }
        });
        let mut total = [vec![0.0; c], vec![0.0; c]];
        for part in parts {
            for (part, total) in part.iter().zip(&mut total) {
                part.iter().zip(total).for_each(|(part, total)| *total += part);
            }
        }
        total
    }

    /// The gradient by the input of a whole batch; `means` are the [sums](Self::sums) divided by its pixels, or zeros
    /// where mean and variance are no function of it.
    pub(crate) fn backward(
        &self,
        isa: Isa,
        size: usize,
        activation: Activation,
        means: [&[f32]; 2],
        of: [&[f32]; 2],
        dx: &mut [f32],
    ) {
        let shards = of[0].chunks(SHARD * size).zip(of[1].chunks(SHARD * size)).zip(dx.chunks_mut(SHARD * size));
        let mut shards: Vec<_> = shards.collect();
        each(&mut shards, &|((x, dy), dx)| {
            input_gradient(isa, self.as_normalization(), activation, means, [x, dy], dx);
        });
    }
}

/// The moments of each channel over a whole batch of images of `size` numbers.
pub(crate) fn batch_moments(isa: Isa, channels: usize, size: usize, x: &[f32]) -> Vec<Moments> {
    let mut parts = vec![vec![Moments::default(); channels]; x.len().div_ceil(SHARD * size)];
    let mut work: Vec<_> = x.chunks(SHARD * size).zip(&mut parts).collect();
    each(&mut work, &|(x, part)| {
        let [mut mean, mut squares] = [vec![0.0; channels], vec![0.0; channels]];
        for image in x.chunks_exact(size) {
            moments(isa, image, &mut mean, &mut squares);
            for ((part, mean), squares) in part.iter_mut().zip(&mean).zip(&squares) {
                let count = (size / channels) as f64;
                *part = part.join(Moments { count, mean: f64::from(*mean), squares: f64::from(*squares) });
            }
        }
    });
    let join = |total: Vec<Moments>, part: Vec<Moments>| total.iter().zip(part).map(|(a, b)| a.join(b)).collect();
    parts.into_iter().reduce(join).unwrap_or_default()
}

/// Adds the sum of each channel over a whole batch: the gradient of a bias.
pub(crate) fn bias_gradient(isa: Isa, size: usize, dy: &[f32], gradient: &mut [f32]) {
    let c = gradient.len();
    let mut parts = vec![vec![0.0; c]; dy.len().div_ceil(SHARD * size)];
    let mut work: Vec<_> = dy.chunks(SHARD * size).zip(&mut parts).collect();
    each(&mut work, &|(dy, part)| channel_sums(isa, dy, None, part));
    parts.iter().for_each(|part| part.iter().zip(&mut *gradient).for_each(|(part, to)| *to += part));
}

/// Each channel of an image times its gate.
pub(crate) fn gate(isa: Isa, channels: usize, size: usize, [x, gates]: [&[f32]; 2], y: &mut [f32]) {
    let no_shift = vec![0.0; channels];
    let images = x.chunks_exact(size).zip(gates.chunks_exact(channels)).zip(y.chunks_exact_mut(size));
    let mut images: Vec<_> = images.collect();
    each(&mut images, &|((x, gate), y)| normalize(isa, gate, &no_shift, Activation::Identity, x, y));
}

/// The gradient by the gates of a batch.
pub(crate) fn gate_gradient(isa: Isa, channels: usize, size: usize, [x, dy]: [&[f32]; 2], dgates: &mut [f32]) {
    let images = x.chunks_exact(size).zip(dy.chunks_exact(size)).zip(dgates.chunks_exact_mut(channels));
    let mut images: Vec<_> = images.collect();
    each(&mut images, &|((x, dy), dgate)| channel_sums(isa, x, Some(dy), dgate));
}

fn add(from: &[f32], to: &mut [f64]) {
    from.iter().zip(to).for_each(|(from, to)| *to += f64::from(*from));
}
