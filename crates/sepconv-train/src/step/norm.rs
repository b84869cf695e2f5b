//! Batch normalization with the activation behind it, and what else works channel by channel, on some images.

use sepconv_core::op::Activation;
use sepconv_kernels::Isa;
use sepconv_kernels::normalize::{
    Moments, Normalization, channel_sums, gradient_sums, input_gradient, moments, normalize,
};

use crate::threads::add;

/// The normalization of each channel, as [`Normalization`] has it; kept from the forward to the backward pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channels {
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
    /// The [gradients](NormGradients) of the whole batch divided by its pixels: zeros where mean and variance are no
    /// function of it.
    means: [Vec<f32>; 2],
}

/// The sums of `g` and of `g` times the normalized input: the gradients by shift and scale.
pub(crate) type NormGradients = [Vec<f64>; 2];

impl Channels {
    /// With statistics of this batch or of those before.
    pub(crate) fn new(parameters: [&[f32]; 2], mean: Vec<f32>, variance: &[f64], epsilon: f32) -> Self {
        let [gamma, beta] = parameters;
        let inverse = |variance: &f64| (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32;
        let inverse_deviation: Vec<f32> = variance.iter().map(inverse).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse_deviation).map(|(gamma, inverse)| gamma * inverse).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
        let zeros = || vec![0.0; mean.len()];
        Self { scale, shift, means: [zeros(), zeros()], mean, inverse_deviation }
    }

    /// Those of an activation alone.
    pub(crate) fn identity(channels: usize) -> Self {
        let [zeros, ones] = [0.0, 1.0].map(|value| vec![value; channels]);
        let means = [zeros.clone(), zeros.clone()];
        Self { scale: ones.clone(), shift: zeros.clone(), mean: zeros, inverse_deviation: ones, means }
    }

    /// The sums of the whole batch, which has so many pixels.
    pub(crate) fn set_sums(&mut self, sums: &NormGradients, pixels: usize) {
        for (means, sums) in self.means.iter_mut().zip(sums) {
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum / pixels as f64) as f32);
        }
    }

    fn as_normalization(&self) -> Normalization<'_> {
        let Self { scale, shift, mean, inverse_deviation, .. } = self;
        Normalization { scale, shift, mean, inverse_deviation }
    }

    /// `activation(normalized)`
    pub(crate) fn forward(&self, isa: Isa, activation: Activation, x: &[f32], y: &mut [f32]) {
        normalize(isa, &self.scale, &self.shift, activation, x, y);
    }

    /// Adds the sums over images of `size` numbers.
    pub(crate) fn add_sums(
        &self,
        isa: Isa,
        size: usize,
        activation: Activation,
        of: [&[f32]; 2],
        to: &mut NormGradients,
    ) {
        let mut of_image = [0, 1].map(|_| vec![0.0; self.scale.len()]);
        for (x, dy) in of[0].chunks_exact(size).zip(of[1].chunks_exact(size)) {
            let [shift, scale] = &mut of_image;
            gradient_sums(isa, self.as_normalization(), activation, [x, dy], shift, scale);
            for (to, from) in to.iter_mut().zip(&of_image) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += f64::from(*from));
            }
        }
    }

    /// The gradient by the input.
    pub(crate) fn backward(&self, isa: Isa, activation: Activation, of: [&[f32]; 2], dx: &mut [f32]) {
        let [shift, scale] = &self.means;
        input_gradient(isa, self.as_normalization(), activation, [shift, scale], of, dx);
    }
}

/// Joins the moments of each channel over images of `size` numbers to others.
pub(crate) fn join_moments(isa: Isa, size: usize, x: &[f32], to: &mut [Moments]) {
    let channels = to.len();
    let [mut mean, mut squares] = [0, 1].map(|_| vec![0.0; channels]);
    for image in x.chunks_exact(size) {
        moments(isa, image, &mut mean, &mut squares);
        for ((to, mean), squares) in to.iter_mut().zip(&mean).zip(&squares) {
            let count = (size / channels) as f64;
            *to = to.join(Moments { count, mean: f64::from(*mean), squares: f64::from(*squares) });
        }
    }
}

/// Adds the sum of each channel: the gradient of a bias.
pub(crate) fn bias_gradient(isa: Isa, dy: &[f32], gradient: &mut [f32]) {
    let mut sums = vec![0.0; gradient.len()];
    channel_sums(isa, dy, None, &mut sums);
    add(&sums, gradient);
}

/// Each channel of an image times its gate.
pub(crate) fn gate(isa: Isa, channels: usize, [x, gates]: [&[f32]; 2], y: &mut [f32]) {
    let (no_shift, size) = (vec![0.0; channels], x.len() / gates.len() * channels);
    for ((x, gate), y) in x.chunks_exact(size).zip(gates.chunks_exact(channels)).zip(y.chunks_exact_mut(size)) {
        normalize(isa, gate, &no_shift, Activation::Identity, x, y);
    }
}

/// The gradient by the gates.
pub(crate) fn gate_gradient(isa: Isa, channels: usize, [x, dy]: [&[f32]; 2], dgates: &mut [f32]) {
    let size = x.len() / dgates.len() * channels;
    for ((x, dy), dgate) in x.chunks_exact(size).zip(dy.chunks_exact(size)).zip(dgates.chunks_exact_mut(channels)) {
        channel_sums(isa, x, Some(dy), dgate);
    }
}
