use sepconv_kernels::{Isa, loss};

use crate::program::{Program, Statistics};
use crate::random::Random;
use crate::shards::{Threads, add};
use crate::step::norm::{self, Channels};
use crate::step::{Kind, conv, movement};

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
#[derive(Clone, Debug)]
pub struct Tape {
    isa: Isa,
    images: usize,
    values: Vec<Vec<f32>>,
    gradients: Vec<Option<Vec<f32>>>,
    /// Of each step that normalizes: how.
    channels: Vec<Channels>,
    /// Factors of what the last layer reads; empty without dropout.
    kept: Vec<f32>,
    /// Memory that is free for other values.
    free: Vec<Vec<f32>>,
}

impl Tape {
    /// A tape for a program, on an instruction set of this machine.
    pub fn new(program: &Program, isa: Isa) -> Self {
        let (values, steps) = (program.sizes.len(), program.steps.len());
        Self {
            isa,
            images: 0,
            values: vec![vec![]; values],
            gradients: vec![None; values],
            channels: vec![Channels::default(); steps],
            kept: vec![],
            free: vec![],
        }
    }

    /// The input of so many images `[images, h, w, c]`, to be written to before [`gradients`](Self::gradients).
    pub fn input(&mut self, program: &Program, images: usize) -> &mut [f32] {
        self.images = images;
        for (value, size) in self.values.iter_mut().zip(&program.sizes) {
            value.resize(images * size, 0.0);
        }
        &mut self.values[program.input]
    }

    /// What the last forward pass gave: `[images, classes]`.
    pub fn logits(&self, program: &Program) -> &[f32] {
        &self.values[program.logits]
    }

    /// Bytes of the values of a batch.
    pub fn bytes(&self) -> usize {
        self.values.iter().chain(&self.free).map(|value| value.len() * size_of::<f32>()).sum()
    }

    /// The mean cross-entropy of the [input](Self::input), and its gradients in the program's parameters: what a step
    /// of training begins with. `targets` `[images, classes]` are distributions.
    pub fn gradients(&mut self, program: &mut Program, targets: &[f32], threads: &Threads) -> f64 {
        let (classes, images) = (program.classes(), self.images as f64);
        threads.enter(|| {
            self.forward(program, Mode::Train { dropout: 0.0, seed: 0 });
            let mut gradient = vec![0.0; targets.len()];
            let rows = self.logits(program).chunks_exact(classes).zip(targets.chunks_exact(classes));
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
        for i in 0..program.steps.len() {
            let mut y = std::mem::take(&mut self.values[program.steps[i].output]);
            if Some(i) == last {
                self.drop_out(program, i, mode);
            }
            self.step_forward(program, i, mode, &mut y);
            self.values[program.steps[i].output] = y;
        }
    }

    fn step_forward(&mut self, program: &mut Program, i: usize, mode: Mode, y: &mut [f32]) {
        let Program { steps, parameters, statistics, sizes, .. } = program;
        let step = &steps[i];
        let (isa, x) = (self.isa, &self.values[step.inputs[0]]);
        let size = sizes[step.inputs[0]];
        match &step.kind {
            Kind::Conv { weight, bias, geometry } => {
                let bias = bias.map(|bias| &parameters[bias].values[..]);
                conv::forward(isa, geometry, &parameters[*weight].values, bias, x, y);
            }
            Kind::Norm { scale, shift, statistics: of, epsilon, activation } => {
                let affine = [scale, shift].map(|of| &parameters[*of].values[..]);
                let of = &mut statistics[*of];
                let (mean, variance) = match mode {
                    Mode::Evaluate => (of.mean.clone(), of.variance.iter().map(|&x| f64::from(x)).collect()),
                    Mode::Train { .. } => batch_statistics(isa, size, x, of),
                };
                self.channels[i] = Channels::new(affine, mean, &variance, *epsilon);
                self.channels[i].forward(isa, size, *activation, x, y);
            }
            Kind::Activation { activation, channels } => {
                self.channels[i] = Channels::identity(*channels);
                self.channels[i].forward(isa, size, *activation, x, y);
            }
            Kind::Add => {
                y.copy_from_slice(x);
                add(&self.values[step.inputs[1]], y);
            }
            Kind::Gate { channels } => norm::gate(isa, *channels, size, [x, &self.values[step.inputs[1]]], y),
            Kind::Mean { pixels, channels } => movement::mean(isa, *pixels, *channels, x, y),
            Kind::Pool { kind, geometry } => movement::pooled(isa, *kind, geometry, x, y),
            Kind::Copy => y.copy_from_slice(x),
            Kind::Concat { channels } => {
                for (place, &input) in concat_places(channels).zip(&step.inputs) {
                    movement::concat(place, &self.values[input], y);
                }
            }
            Kind::Pad { before, from, to } => movement::pad(*before, [*from, *to], x, y),
        }
    }

    /// Drops numbers that the last layer reads, and makes up for them.
    fn drop_out(&mut self, program: &Program, i: usize, mode: Mode) {
        self.kept.clear();
        let Mode::Train { dropout, seed } = mode else { return };
        if dropout == 0.0 {
            return;
        }
        let x = &mut self.values[program.steps[i].inputs[0]];
        let mut random = Random::new(seed, [i as u64, 1]);
        let factor = |random: &mut Random| if random.unit() < dropout { 0.0 } else { (1.0 / (1.0 - dropout)) as f32 };
        self.kept.extend(x.iter().map(|_| factor(&mut random)));
        x.iter_mut().zip(&self.kept).for_each(|(x, factor)| *x *= factor);
    }

    /// Computes the gradients of all parameters from that by the logits, after a forward pass to train. Called within
    /// [`Threads`].
    pub(crate) fn backward(&mut self, program: &mut Program, logits: &[f32]) {
        program.parameters.iter_mut().for_each(|parameter| parameter.gradient.fill(0.0));
        let mut gradient = self.take(logits.len());
        gradient.copy_from_slice(logits);
        self.gradients[program.logits] = Some(gradient);
        for i in (0..program.steps.len()).rev() {
            // What nothing depends on has no gradient.
            let Some(dy) = self.gradients[program.steps[i].output].take() else { continue };
            self.step_backward(program, i, dy);
        }
    }

    fn step_backward(&mut self, program: &mut Program, i: usize, dy: Vec<f32>) {
        let step = program.steps[i].clone();
        let (isa, input, images) = (self.isa, step.inputs[0], self.images);
        let (size, learns) = (program.sizes[input], program.learns[input]);
        let parameters = &mut program.parameters;
        match &step.kind {
            Kind::Conv { weight, bias, geometry } => {
                let x = &self.values[input];
                conv::weight_gradient(isa, geometry, x, &dy, &mut parameters[*weight].gradient);
                if let Some(bias) = bias {
                    let size = dy.len() / images;
                    norm::bias_gradient(isa, size, &dy, &mut parameters[*bias].gradient);
                }
                if learns {
                    let mut dx = self.take(images * size);
                    conv::input_gradient(isa, geometry, &parameters[*weight].values, &dy, &mut dx);
                    if !self.kept.is_empty() {
                        dx.iter_mut().zip(&self.kept).for_each(|(dx, factor)| *dx *= factor);
                        self.kept.clear();
                    }
                    self.give(input, dx);
                }
            }
            Kind::Norm { scale, shift, activation, .. } => {
                let mut dx = self.take(images * size);
                let of = [&self.values[input][..], &dy[..]];
                let sums = self.channels[i].sums(isa, size, *activation, of);
                let pixels = (images * size / sums[0].len()) as f64;
                let means = [0, 1].map(|i| sums[i].iter().map(|sum| (sum / pixels) as f32).collect::<Vec<_>>());
                for (of, sums) in [shift, scale].into_iter().zip(&sums) {
                    let gradient = &mut parameters[*of].gradient;
                    gradient.iter_mut().zip(sums).for_each(|(to, sum)| *to += *sum as f32);
                }
                self.channels[i].backward(isa, size, *activation, [&means[0], &means[1]], of, &mut dx);
                self.give(input, dx);
            }
            Kind::Activation { activation, channels } => {
                let (mut dx, none) = (self.take(images * size), vec![0.0; *channels]);
                let of = [&self.values[input][..], &dy[..]];
                self.channels[i].backward(isa, size, *activation, [&none; 2], of, &mut dx);
                self.give(input, dx);
            }
            Kind::Add => {
                let mut copy = self.take(dy.len());
                copy.copy_from_slice(&dy);
                self.give(step.inputs[1], copy);
                return self.give(input, dy);
            }
            Kind::Gate { channels } => {
                let [mut dx, mut dgate] = [self.take(images * size), self.take(images * channels)];
                norm::gate(isa, *channels, size, [&dy, &self.values[step.inputs[1]]], &mut dx);
                norm::gate_gradient(isa, *channels, size, [&self.values[input], &dy], &mut dgate);
                self.give(input, dx);
                self.give(step.inputs[1], dgate);
            }
            Kind::Mean { pixels, channels } => {
                let mut dx = self.take(images * size);
                movement::mean_gradient(*pixels, *channels, &dy, &mut dx);
                self.give(input, dx);
            }
            Kind::Pool { kind, geometry } => {
                let mut dx = self.take(images * size);
                movement::pooled_gradient(*kind, geometry, [&self.values[input], &dy], &mut dx);
                self.give(input, dx);
            }
            Kind::Copy => return self.give(input, dy),
            Kind::Concat { channels } => {
                for (place, &input) in concat_places(channels).zip(&step.inputs) {
                    let mut dx = self.take(images * program.sizes[input]);
                    movement::concat_gradient(place, &dy, &mut dx);
                    self.give(input, dx);
                }
            }
            Kind::Pad { before, from, to } => {
                let mut dx = self.take(images * size);
                movement::pad_gradient(*before, [*from, *to], &dy, &mut dx);
                self.give(input, dx);
            }
        }
        self.free.push(dy);
    }

    /// Memory for so many numbers, which are to be overwritten.
    fn take(&mut self, len: usize) -> Vec<f32> {
        let fits = |buffer: &&(usize, usize)| buffer.1 >= len;
        let buffers: Vec<_> = self.free.iter().map(Vec::capacity).enumerate().collect();
        let best = buffers.iter().filter(fits).min_by_key(|buffer| buffer.1);
        let mut buffer = best.map_or_else(Vec::new, |&(i, _)| self.free.swap_remove(i));
        buffer.resize(len, 0.0);
        buffer
    }

    /// Adds to the gradient by a value.
    fn give(&mut self, value: usize, gradient: Vec<f32>) {
        match &mut self.gradients[value] {
            Some(sum) => {
                add(&gradient, sum);
                self.free.push(gradient);
            }
            none => *none = Some(gradient),
        }
    }
}

/// The mean and variance of a batch, which the running ones follow.
fn batch_statistics(isa: Isa, size: usize, x: &[f32], running: &mut Statistics) -> (Vec<f32>, Vec<f64>) {
    let moments = norm::batch_moments(isa, running.mean.len(), size, x);
    let follow = |running: &mut f32, new: f64| {
        *running = (f64::from(*running) * (1.0 - MOMENTUM) + new * MOMENTUM) as f32;
    };
    for (moments, (mean, variance)) in moments.iter().zip(running.mean.iter_mut().zip(&mut running.variance)) {
        follow(mean, moments.mean);
        follow(variance, moments.unbiased());
    }
    (moments.iter().map(|of| of.mean as f32).collect(), moments.iter().map(|of| of.variance()).collect())
}

/// The first channel of each operand, how many it has, and how many there are.
fn concat_places(channels: &[usize]) -> impl Iterator<Item = [usize; 3]> + '_ {
    let all: usize = channels.iter().sum();
    channels.iter().scan(0, move |first, &count| {
        let place = [*first, count, all];
        *first += count;
        Some(place)
    })
}
