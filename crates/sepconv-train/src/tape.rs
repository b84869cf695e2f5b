use std::collections::BTreeMap;
use std::mem;

use sepconv_kernels::normalize::Moments;
use sepconv_kernels::{Isa, loss};

use crate::program::{Program, Statistics};
use crate::shard::{Dropout, SHARD, Segment, Shard, Shared};
use crate::step::Kind;
use crate::step::conv::Layer;
use crate::step::norm::Channels;
use crate::threads::{Threads, each, join};

/// How much of a running average each batch replaces.
const MOMENTUM: f64 = 0.1;

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// To train: normalizations take the statistics of the batch, and running ones follow them.
    Train {
        /// The probability that a number before the last layer is dropped.
        dropout: f64,
        /// Chooses which.
        seed: u64,
    },
    /// To classify: normalizations take the running statistics.
    Evaluate,
}

/// The values of a batch, and the gradients by them.
///
/// A batch is cut into shards, which threads share. Each shard runs a segment of steps, from one normalization to the
/// next, on a few images at a time; a normalization waits until the sums of all shards are there.
#[derive(Clone, Debug)]
pub struct Tape {
    isa: Isa,
    /// `[images, h, w, c]`
    input: Vec<f32>,
    /// `[images, classes]`
    logits: Vec<f32>,
    shards: Vec<Shard>,
    /// Of each step that normalizes: how.
    channels: Vec<Channels>,
    dropout: Option<Dropout>,
}

impl Tape {
    /// A tape for a program, on an instruction set of this machine.
    pub fn new(program: &Program, isa: Isa) -> Self {
        let channels = vec![Channels::default(); program.steps.len()];
        Self { isa, input: vec![], logits: vec![], shards: vec![], channels, dropout: None }
    }

    /// The input of so many images `[images, h, w, c]`, to be written to before [`gradients`](Self::gradients).
    pub fn input(&mut self, program: &Program, images: usize) -> &mut [f32] {
        let first = (0..images).step_by(SHARD);
        self.shards.truncate(first.len());
        self.shards.extend(first.clone().skip(self.shards.len()).map(|first| Shard::new(program, first)));
        for (first, shard) in first.zip(&mut self.shards) {
            shard.resize(program, SHARD.min(images - first));
        }
        self.logits.resize(images * program.classes(), 0.0);
        self.input.resize(images * program.sizes[program.input], 0.0);
        &mut self.input
    }

    /// What the last forward pass gave: `[images, classes]`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Bytes of the values of a batch.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(Shard::bytes).sum()
    }

    /// The mean cross-entropy of the [input](Self::input), and its gradients in the program's parameters: what a step
    /// of training begins with. `targets` `[images, classes]` are distributions.
    pub fn gradients(&mut self, program: &mut Program, targets: &[f32], threads: &Threads) -> f64 {
        let classes = program.classes();
        let images = (targets.len() / classes) as f64;
        threads.enter(|| {
            self.forward(program, Mode::Train { dropout: 0.0, seed: 0 });
            let mut gradient = vec![0.0; targets.len()];
            let rows = self.logits().chunks_exact(classes).zip(targets.chunks_exact(classes));
            let losses = rows
                .zip(gradient.chunks_exact_mut(classes))
                .map(|((logits, targets), gradient)| loss::cross_entropy(logits, targets, 1.0 / images, gradient));
            let loss = losses.sum::<f64>() / images;
            self.backward(program, &gradient);
            loss
        })
    }

    /// Computes every value of the batch. Called within [`Threads`].
    pub(crate) fn forward(&mut self, program: &mut Program, mode: Mode) {
        let last = program.steps.iter().rposition(|step| matches!(step.kind, Kind::Conv { .. }));
        self.dropout = match mode {
            Mode::Train { dropout: probability, seed } if probability > 0.0 => {
                last.map(|step| Dropout { step, probability, seed })
            }
            Mode::Train { .. } | Mode::Evaluate => None,
        };
        self.set_channels(program, mode);
        let size = SHARD * program.sizes[program.input];
        let mut inputs: Vec<_> = self.shards.iter_mut().zip(self.input.chunks(size)).collect();
        each(&mut inputs, &|(shard, input)| shard.values[program.input].copy_from_slice(input));
        for segment in Segment::of(program, 0..program.steps.len(), mode != Mode::Evaluate) {
            let layers = self.layers(program, &segment, |isa, program, step| match &program.steps[step].kind {
                Kind::Conv { weight, bias, geometry } => {
                    let bias = bias.map(|bias| &program.parameters[bias].values[..]);
                    Some(Layer::forward(isa, *geometry, &program.parameters[*weight].values, bias))
                }
                _ => None,
            });
            let (channels, dropout) = (&self.channels[..], self.dropout);
            let shared = Shared { isa: self.isa, program, channels, layers, dropout };
            each(&mut self.shards, &|shard| {
                segment.run(shard.images, |part, images| shard.forward(&shared, part, images));
            });
            if let Some(step) = segment.waiting() {
                self.join_moments(program, step);
            }
        }
        for (logits, shard) in self.logits.chunks_mut(SHARD * program.classes()).zip(&self.shards) {
            logits.copy_from_slice(&shard.values[program.logits]);
        }
    }

    /// Computes the gradients of all parameters from that by the logits, after a forward pass to train. Called within
    /// [`Threads`].
    pub(crate) fn backward(&mut self, program: &mut Program, logits: &[f32]) {
        program.parameters.iter_mut().for_each(|parameter| parameter.gradient.fill(0.0));
        let rows = logits.chunks(SHARD * program.classes());
        for (shard, gradient) in self.shards.iter_mut().zip(rows) {
            shard.begin_backward();
            shard.set_logits(program.logits, gradient);
        }
        for segment in Segment::of(program, program.backward_order().into_iter(), true) {
            let layers = self.layers(program, &segment, |isa, program, step| match &program.steps[step].kind {
                Kind::Conv { weight, geometry, .. } if program.learns[program.steps[step].inputs[0]] => {
                    Some(Layer::input_gradient(isa, *geometry, &program.parameters[*weight].values))
                }
                _ => None,
            });
            let (channels, dropout) = (&self.channels[..], self.dropout);
            let shared = Shared { isa: self.isa, program, channels, layers, dropout };
            each(&mut self.shards, &|shard| shard.backward(&shared, &segment));
            for parameter in segment.steps().flat_map(|step| program.steps[step].kind.own_parameters()) {
                let parts = self.shards.iter().map(|shard| &shard.parameters[parameter][..]);
                join(parts, &mut program.parameters[parameter].gradient);
                self.shards.iter_mut().for_each(|shard| shard.release(parameter));
            }
            if let Some(step) = segment.waiting() {
                self.join_sums(program, step);
            }
        }
    }

    /// What is known of normalizations before the batch is seen.
    fn set_channels(&mut self, program: &Program, mode: Mode) {
        for (step, channels) in program.steps.iter().zip(&mut self.channels) {
            match (&step.kind, mode) {
                (Kind::Activation { channels: count, .. }, _) => *channels = Channels::identity(*count),
                (Kind::Norm { scale, shift, statistics, epsilon, .. }, Mode::Evaluate) => {
                    let Statistics { mean, variance, .. } = &program.statistics[*statistics];
                    let variance: Vec<f64> = variance.iter().map(|&x| f64::from(x)).collect();
                    let affine = [scale, shift].map(|of| &program.parameters[*of].values[..]);
                    *channels = Channels::new(affine, mean.clone(), &variance, *epsilon);
                }
                _ => {}
            }
        }
    }

    /// The convolutions of a segment, packed.
    fn layers(
        &self,
        program: &Program,
        segment: &Segment,
        layer: impl Fn(Isa, &Program, usize) -> Option<Layer> + Sync,
    ) -> BTreeMap<usize, Layer> {
        let mut layers: Vec<_> = segment.steps().map(|step| (step, None)).collect();
        each(&mut layers, &|(step, to)| *to = layer(self.isa, program, *step));
        layers.into_iter().filter_map(|(step, layer)| Some((step, layer?))).collect()
    }

    /// Normalizes by the mean and variance of the batch, which the running ones follow.
    fn join_moments(&mut self, program: &mut Program, step: usize) {
        let Kind::Norm { scale, shift, statistics, epsilon, .. } = program.steps[step].kind else { return };
        let parts = self.shards.iter_mut().map(|shard| mem::take(&mut shard.moments));
        let join = |total: Vec<Moments>, part: Vec<Moments>| total.iter().zip(part).map(|(a, b)| a.join(b)).collect();
        let moments: Vec<Moments> = parts.reduce(join).unwrap_or_default();
        let follow = |running: &mut f32, new: f64| {
            *running = (f64::from(*running) * (1.0 - MOMENTUM) + new * MOMENTUM) as f32;
        };
        let running = &mut program.statistics[statistics];
        for (moments, (mean, variance)) in moments.iter().zip(running.mean.iter_mut().zip(&mut running.variance)) {
            follow(mean, moments.mean);
            follow(variance, moments.unbiased());
        }
        let mean = moments.iter().map(|of| of.mean as f32).collect();
        let variance: Vec<f64> = moments.iter().map(|of| of.variance()).collect();
        let affine = [scale, shift].map(|of| &program.parameters[of].values[..]);
        self.channels[step] = Channels::new(affine, mean, &variance, epsilon);
    }

    /// The gradients by the scale and shift of a normalization, and what its gradient by the input needs of them.
    fn join_sums(&mut self, program: &mut Program, step: usize) {
        let Kind::Norm { scale, shift, .. } = program.steps[step].kind else { return };
        let channels = program.parameters[scale].values.len();
        let mut total = [0, 1].map(|_| vec![0.0; channels]);
        for shard in &mut self.shards {
            for (total, part) in total.iter_mut().zip(mem::take(&mut shard.sums)) {
                total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            }
        }
        for (of, sums) in [shift, scale].into_iter().zip(&total) {
            let gradient = &mut program.parameters[of].gradient;
            gradient.iter_mut().zip(sums).for_each(|(to, sum)| *to += *sum as f32);
        }
        let size = program.sizes[program.steps[step].inputs[0]];
        let images: usize = self.shards.iter().map(|shard| shard.images).sum();
        self.channels[step].set_sums(&total, images * size / channels);
    }
}
