use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;

use sepconv_kernels::Isa;
use sepconv_kernels::normalize::Moments;

use crate::program::Program;
use crate::random::Random;
use crate::step::conv::{self, Layer, Scratch};
use crate::step::norm::{self, Channels, NormGradients};
use crate::step::{Kind, movement};
use crate::threads::add;

/// Images in a shard, whatever the number of threads: sums over a shard are joined in order, so results do not depend
/// on who computed them.
pub(crate) const SHARD: usize = 16;

/// What is done with some images in one go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// The sums that a normalization needs of the whole batch before it can run.
    Reduction(usize),
    /// A step, or its gradient.
    Step(usize),
}

/// Parts that run one after the other on a few images at a time, so that what one leaves in the cache the next finds
/// there. A segment ends where something of the whole batch must be known.
#[derive(Debug)]
pub(crate) struct Segment {
    parts: Vec<Part>,
    /// Images at a time.
    block: usize,
}

impl Segment {
    /// Divides steps, in the order given, before each normalization that needs sums of the batch.
    pub(crate) fn of(program: &Program, order: impl Iterator<Item = usize>, needs_sums: bool) -> Vec<Self> {
        let (mut segments, mut parts) = (vec![], vec![]);
        for step in order {
            if needs_sums && matches!(program.steps[step].kind, Kind::Norm { .. }) {
                parts.push(Part::Reduction(step));
                segments.push(Self::new(program, mem::take(&mut parts)));
            }
            parts.push(Part::Step(step));
        }
        segments.push(Self::new(program, parts));
        segments
    }

    fn new(program: &Program, parts: Vec<Part>) -> Self {
        /// A value of so many numbers, beside those it is made from, stays in a second-level cache.
        const CACHED: usize = 1 << 17;
        let values = parts.iter().flat_map(|part| {
            let (Part::Reduction(step) | Part::Step(step)) = *part;
            let step = &program.steps[step];
            step.inputs.iter().chain([&step.output]).map(|&value| program.sizes[value])
        });
        let block = (CACHED / values.max().unwrap_or(1).max(1)).clamp(1, SHARD);
        Self { parts, block }
    }

    /// The steps that it runs.
    pub(crate) fn steps(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts.iter().filter_map(|part| match *part {
            Part::Step(step) => Some(step),
            Part::Reduction(_) => None,
        })
    }

    /// The normalization that waits for its end.
    pub(crate) fn waiting(&self) -> Option<usize> {
        self.parts.last().and_then(|part| match *part {
            Part::Reduction(step) => Some(step),
            Part::Step(_) => None,
        })
    }

    /// Calls `work` with each part of some images, and then with those of the next.
    pub(crate) fn run(&self, images: usize, mut work: impl FnMut(Part, Range<usize>)) {
        for first in (0..images).step_by(self.block) {
            self.parts.iter().for_each(|&part| work(part, first..images.min(first + self.block)));
        }
    }
}

/// What all shards of a batch share while they run a segment.
pub(crate) struct Shared<'a> {
    pub(crate) isa: Isa,
    pub(crate) program: &'a Program,
    pub(crate) channels: &'a [Channels],
    /// The convolutions of the segment, by step.
    pub(crate) layers: BTreeMap<usize, Layer>,
    pub(crate) dropout: Option<Dropout>,
}

/// Numbers that one step reads are dropped at random.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    pub(crate) step: usize,
    pub(crate) probability: f64,
    pub(crate) seed: u64,
}

impl Dropout {
    /// Drops numbers of the images from `first` of the batch on, and makes up for them; the same each time.
    fn apply(self, first: usize, size: usize, x: &mut [f32]) {
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        for (image, x) in (first..).zip(x.chunks_exact_mut(size)) {
            let mut random = Random::new(self.seed, [self.step as u64, image as u64]);
            x.iter_mut().for_each(|x| *x *= if random.unit() < self.probability { 0.0 } else { kept });
        }
    }
}

/// Some images of a batch: their values, and the gradients by them.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    /// The number of the first image in the batch.
    first: usize,
    pub(crate) images: usize,
    pub(crate) values: Vec<Vec<f32>>,
    gradients: Vec<Gradient>,
    /// The gradients by the parameters of the segment that runs.
    pub(crate) parameters: Vec<Vec<f32>>,
    /// What the next normalization waits for.
    pub(crate) moments: Vec<Moments>,
    pub(crate) sums: NormGradients,
    /// Memory that is free for other gradients.
    free: Vec<Vec<f32>>,
    scratch: Scratch,
}

/// The gradient by a value, which the first so many images have.
#[derive(Clone, Debug, Default)]
struct Gradient {
    numbers: Vec<f32>,
    images: usize,
}

/// Where a gradient by some images is written to.
struct Target {
    numbers: Vec<f32>,
    at: Range<usize>,
    /// Whether it is to be added to what is there.
    adds: bool,
}

impl Target {
    fn numbers(&mut self) -> &mut [f32] {
        &mut self.numbers[self.at.clone()]
    }
}

impl Shard {
    pub(crate) fn new(program: &Program, first: usize) -> Self {
        let values = program.sizes.len();
        Self {
            first,
            images: 0,
            values: vec![vec![]; values],
            gradients: vec![Gradient::default(); values],
            parameters: vec![vec![]; program.parameters.len()],
            moments: vec![],
            sums: NormGradients::default(),
            free: vec![],
            scratch: Scratch::default(),
        }
    }

    pub(crate) fn resize(&mut self, program: &Program, images: usize) {
        self.images = images;
        for (value, size) in self.values.iter_mut().zip(&program.sizes) {
            value.resize(images * size, 0.0);
        }
    }

    /// Bytes of values and gradients.
    pub(crate) fn bytes(&self) -> usize {
        let gradients = self.gradients.iter().map(|gradient| &gradient.numbers);
        self.values.iter().chain(&self.free).chain(gradients).map(|list| list.capacity() * size_of::<f32>()).sum()
    }

    /// Computes a part of some images.
    pub(crate) fn forward(&mut self, shared: &Shared<'_>, part: Part, images: Range<usize>) {
        let (isa, program) = (shared.isa, shared.program);
        let (Part::Reduction(i) | Part::Step(i)) = part;
        let step = &program.steps[i];
        let of = |value: usize| images.start * program.sizes[value]..images.end * program.sizes[value];
        let input = step.inputs[0];
        let size = program.sizes[input];
        if let Some(dropout) = shared.dropout.filter(|dropout| dropout.step == i) {
            dropout.apply(self.first + images.start, size, &mut self.values[input][of(input)]);
        }
        if let (Part::Reduction(_), &Kind::Norm { scale, .. }) = (part, &step.kind) {
            self.moments.resize(program.parameters[scale].values.len(), Moments::default());
            return norm::join_moments(isa, size, &self.values[input][of(input)], &mut self.moments);
        }
        let mut output = mem::take(&mut self.values[step.output]);
        let (x, y) = (&self.values[input][of(input)], &mut output[of(step.output)]);
        let second = || &self.values[step.inputs[1]][of(step.inputs[1])];
        match &step.kind {
            Kind::Conv { .. } => shared.layers[&i].run(x, y, &mut self.scratch),
            Kind::Norm { activation, .. } | Kind::Activation { activation, .. } => {
                shared.channels[i].forward(isa, *activation, x, y);
            }
            Kind::Add => {
                y.copy_from_slice(x);
                add(second(), y);
            }
            Kind::Gate { channels } => norm::gate(isa, *channels, [x, second()], y),
            Kind::Mean { pixels, channels } => movement::mean(isa, *pixels, *channels, x, y),
            Kind::Pool { kind, geometry } => movement::pooled(isa, *kind, geometry, x, y),
            Kind::Copy => y.copy_from_slice(x),
            Kind::Concat { channels } => {
                for (place, &input) in concat_places(channels).zip(&step.inputs) {
                    movement::concat(place, &self.values[input][of(input)], y);
                }
            }
            Kind::Pad { before, from, to } => movement::pad(*before, [*from, *to], x, y),
        }
        self.values[step.output] = output;
    }

    /// Forgets the gradients of the pass before.
    pub(crate) fn begin_backward(&mut self) {
        self.gradients.fill(Gradient::default());
    }

    /// The gradient by the logits.
    pub(crate) fn set_logits(&mut self, logits: usize, gradient: &[f32]) {
        let mut numbers = self.take(gradient.len());
        numbers.copy_from_slice(gradient);
        self.gradients[logits] = Gradient { numbers, images: self.images };
    }

    /// Computes the gradients of a segment.
    pub(crate) fn backward(&mut self, shared: &Shared<'_>, segment: &Segment) {
        for parameter in segment.steps().flat_map(|step| shared.program.steps[step].kind.own_parameters()) {
            self.parameters[parameter] = self.take(shared.program.parameters[parameter].values.len());
            self.parameters[parameter].fill(0.0);
        }
        segment.run(self.images, |part, images| self.backward_part(shared, part, images));
        for step in segment.steps() {
            let Gradient { numbers, .. } = mem::take(&mut self.gradients[shared.program.steps[step].output]);
            self.free.push(numbers);
        }
    }

    /// Takes back the memory of the parameters' gradients.
    pub(crate) fn release(&mut self, parameter: usize) {
        self.free.push(mem::take(&mut self.parameters[parameter]));
    }

    fn backward_part(&mut self, shared: &Shared<'_>, part: Part, images: Range<usize>) {
        let (isa, program) = (shared.isa, shared.program);
        let (Part::Reduction(i) | Part::Step(i)) = part;
        let step = &program.steps[i];
        let of = |value: usize| images.start * program.sizes[value]..images.end * program.sizes[value];
        let (input, size) = (step.inputs[0], program.sizes[step.inputs[0]]);
        let gradient = mem::take(&mut self.gradients[step.output]);
        let dy = &gradient.numbers[of(step.output)];
        match (part, &step.kind) {
            (Part::Reduction(_), Kind::Norm { scale, activation, .. }) => {
                self.sums.iter_mut().for_each(|sums| sums.resize(program.parameters[*scale].values.len(), 0.0));
                let of = [&self.values[input][of(input)], dy];
                shared.channels[i].add_sums(isa, size, *activation, of, &mut self.sums);
            }
            (_, Kind::Conv { weight, bias, geometry }) => {
                let of = [&self.values[input][of(input)], dy];
                conv::weight_gradient(isa, geometry, of, &mut self.scratch, &mut self.parameters[*weight]);
                if let Some(bias) = bias {
                    norm::bias_gradient(isa, dy, &mut self.parameters[*bias]);
                }
                if program.learns[input] {
                    let mut dx = self.target(input, size, &images);
                    shared.layers[&i].run(dy, dx.numbers(), &mut self.scratch);
                    if let Some(dropout) = shared.dropout.filter(|dropout| dropout.step == i) {
                        dropout.apply(self.first + images.start, size, dx.numbers());
                    }
                    self.give(input, dx, &images);
                }
            }
            (_, Kind::Norm { activation, .. } | Kind::Activation { activation, .. }) => {
                let mut dx = self.target(input, size, &images);
                let of = [&self.values[input][of(input)], dy];
                shared.channels[i].backward(isa, *activation, of, dx.numbers());
                self.give(input, dx, &images);
            }
            (_, Kind::Add) => {
                for &input in &step.inputs {
                    self.copy(input, dy, &images);
                }
            }
            (_, Kind::Gate { channels }) => {
                let gates = step.inputs[1];
                let [mut dx, mut dgate] = [input, gates].map(|of| self.target(of, program.sizes[of], &images));
                norm::gate(isa, *channels, [dy, &self.values[gates][of(gates)]], dx.numbers());
                norm::gate_gradient(isa, *channels, [&self.values[input][of(input)], dy], dgate.numbers());
                self.give(input, dx, &images);
                self.give(gates, dgate, &images);
            }
            (_, Kind::Mean { pixels, channels }) => {
                let mut dx = self.target(input, size, &images);
                movement::mean_gradient(*pixels, *channels, dy, dx.numbers());
                self.give(input, dx, &images);
            }
            (_, Kind::Pool { kind, geometry }) => {
                let mut dx = self.target(input, size, &images);
                movement::pooled_gradient(*kind, geometry, [&self.values[input][of(input)], dy], dx.numbers());
                self.give(input, dx, &images);
            }
            (_, Kind::Copy) => self.copy(input, dy, &images),
            (_, Kind::Concat { channels }) => {
                for (place, &input) in concat_places(channels).zip(&step.inputs) {
                    let mut dx = self.target(input, program.sizes[input], &images);
                    movement::concat_gradient(place, dy, dx.numbers());
                    self.give(input, dx, &images);
                }
            }
            (_, Kind::Pad { before, from, to }) => {
                let mut dx = self.target(input, size, &images);
                movement::pad_gradient(*before, [*from, *to], dy, dx.numbers());
                self.give(input, dx, &images);
            }
        }
        self.gradients[step.output] = gradient;
    }

    /// Gives the gradient by an output to an input as it is.
    fn copy(&mut self, value: usize, dy: &[f32], images: &Range<usize>) {
        let mut dx = self.target(value, dy.len() / images.len(), images);
        dx.numbers().copy_from_slice(dy);
        self.give(value, dx, images);
    }

    /// Where the gradient by some images of a value of so many numbers goes: to its place, or beside it where another
    /// step has been.
    fn target(&mut self, value: usize, size: usize, images: &Range<usize>) -> Target {
        let adds = self.gradients[value].images >= images.end;
        if adds {
            let len = images.len() * size;
            return Target { numbers: self.take(len), at: 0..len, adds };
        }
        let numbers = match mem::take(&mut self.gradients[value].numbers) {
            none if none.is_empty() => self.take(self.images * size),
            begun => begun,
        };
        Target { numbers, at: images.start * size..images.end * size, adds }
    }

    /// Keeps what was written to a target, or adds it to what is there.
    fn give(&mut self, value: usize, target: Target, images: &Range<usize>) {
        let gradient = &mut self.gradients[value];
        let Target { numbers, at, adds } = target;
        if adds {
            let size = at.len() / images.len();
            add(&numbers[at], &mut gradient.numbers[images.start * size..]);
            self.free.push(numbers);
        } else {
            *gradient = Gradient { numbers, images: images.end };
        }
    }

    /// Memory for so many numbers, which are to be overwritten.
    fn take(&mut self, len: usize) -> Vec<f32> {
        let sizes = self.free.iter().map(Vec::capacity).enumerate();
        let best = sizes.filter(|buffer| buffer.1 >= len).min_by_key(|buffer| buffer.1);
        let mut buffer = best.map_or_else(Vec::new, |(i, _)| self.free.swap_remove(i));
        buffer.resize(len, 0.0);
        buffer
    }
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
