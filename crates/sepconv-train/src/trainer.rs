use std::time::Instant;

use sepconv_core::{Error, Result};
use sepconv_kernels::{Isa, loss};
use serde::Serialize;

use crate::augment::{Affine, augmented, beta, plain};
use crate::data::Images;
use crate::optimizer::Optimizer;
use crate::program::Program;
use crate::random::Random;
use crate::recipe::Recipe;
use crate::shard::SHARD;
use crate::tape::{Mode, Tape};
use crate::threads::{Threads, each};

/// Images that are classified at a time.
const EVALUATED: usize = 16 * SHARD;
/// What a stream of random numbers is for, beside an epoch or a step.
const ORDER: u64 = u64::MAX;
const MIXED: u64 = u64::MAX - 1;
const HELD_BACK: u64 = u64::MAX - 2;

/// A network in training.
///
/// An [epoch](Self::epoch) is a pass over the images; between them it can be [saved](Self::save).
pub struct Trainer<'a> {
    pub(crate) program: Program,
    pub(crate) recipe: Recipe,
    pub(crate) optimizer: Optimizer,
    /// The moving averages of parameters, means and variances; empty where there are none.
    pub(crate) average: Vec<Vec<f32>>,
    /// Epochs so far.
    pub(crate) epoch: usize,
    images: &'a Images,
    /// Images that are trained on, and those held back.
    trained: Vec<usize>,
    held_back: Vec<usize>,
    teacher: Option<Teacher>,
    tape: Tape,
    threads: Threads,
}

/// A network whose logits are followed.
struct Teacher {
    program: Program,
    tape: Tape,
    /// How its input follows from the student's, channel by channel.
    input: Affine,
}

/// What an epoch came to: a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Which, from 1.
    pub epoch: usize,
    /// Steps of the optimizer since the beginning.
    pub steps: u64,
    /// The mean loss of its images.
    pub loss: f64,
    /// The share of images whose greatest logit is that of their class, as they were changed for training.
    pub accuracy: f64,
    /// The same of the images that are held back, where there are any.
    pub held_back_accuracy: Option<f64>,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The norm of all gradients of its last step, before it was clipped.
    pub gradient_norm: f64,
    /// Images per second, without those held back.
    pub images_per_second: f64,
}

/// How far an epoch is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Images of the epoch so far.
    pub done: usize,
    /// All of them.
    pub total: usize,
    /// The mean loss so far.
    pub loss: f64,
    /// The share of images that were right so far.
    pub accuracy: f64,
}

impl<'a> Trainer<'a> {
    /// A trainer of `program` on labeled images, with so many threads.
    ///
    /// # Errors
    /// When the recipe is not usable, or images and network do not fit: their size, their classes, or so few images
    /// that no batch can be made.
    pub fn new(program: Program, recipe: Recipe, images: &'a Images, threads: usize) -> Result<Self> {
        recipe.check()?;
        check(&program, images)?;
        let mut order: Vec<usize> = (0..images.len()).collect();
        Random::new(recipe.seed, [HELD_BACK, 0]).shuffle(&mut order);
        let held_back = order.split_off(images.len() - recipe.held_back.min(images.len() / 2));
        if order.len() < 2 {
            return Err(Error::argument("too few images to train on").expected("at least 2", order.len()));
        }
        order.sort_unstable();
        let isa = Isa::available().next_back().ok_or_else(|| Error::unsupported("no instruction set"))?;
        let optimizer = Optimizer::new(&recipe, &program.parameters);
        let (tape, threads) = (Tape::new(&program, isa), Threads::new(threads)?);
        let average = if recipe.average > 0.0 { numbers(&program).cloned().collect() } else { vec![] };
        let (trained, teacher, epoch) = (order, None, 0);
        Ok(Self { program, recipe, optimizer, average, epoch, images, trained, held_back, teacher, tape, threads })
    }

    /// The same with a teacher, which takes images of the same size that are normalized by `preprocess`.
    ///
    /// # Errors
    /// When it takes or gives something else.
    pub fn with_teacher(mut self, program: Program, preprocess: &sepconv::Preprocess) -> Result<Self> {
        check(&program, self.images)?;
        if program.classes() != self.program.classes() {
            return Err(Error::mismatch("teacher knows other classes")
                .expected(format_args!("{} classes", self.program.classes()), program.classes()));
        }
        let ([mean, deviation], own) = (preprocess.normalization(), self.images.affine());
        let factor = [0, 1, 2].map(|i| (1.0 / (deviation[i] * f64::from(own.factor[i]))) as f32);
        let term =
            [0, 1, 2].map(|i| ((-f64::from(own.term[i]) / f64::from(own.factor[i]) - mean[i]) / deviation[i]) as f32);
        let isa = Isa::available().next_back().ok_or_else(|| Error::unsupported("no instruction set"))?;
        let tape = Tape::new(&program, isa);
        self.teacher = Some(Teacher { program, tape, input: Affine { factor, term } });
        Ok(self)
    }

    /// Epochs so far.
    pub fn epochs(&self) -> usize {
        self.epoch
    }

    /// Whether the recipe's epochs are done.
    pub fn is_done(&self) -> bool {
        self.epoch >= self.recipe.epochs
    }

    /// The network as it would be written: with averages in place of parameters, where the recipe asks for them.
    pub fn result(&self) -> Program {
        let mut program = self.program.clone();
        for (values, average) in numbers_mut(&mut program).zip(&self.average) {
            values.copy_from_slice(average);
        }
        program
    }

    /// Trains for an epoch; `progress` hears of every step.
    ///
    /// # Errors
    /// When the loss is not finite any more.
    pub fn epoch(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<Epoch> {
        let mut order = self.trained.clone();
        Random::new(self.recipe.seed, [self.epoch as u64, ORDER]).shuffle(&mut order);
        let batches: Vec<&[usize]> = order.chunks(self.recipe.batch).filter(|batch| batch.len() > 1).collect();
        let (start, total) = (Instant::now(), batches.iter().map(|batch| batch.len()).sum());
        let (mut done, mut loss, mut right, mut rate, mut norm) = (0, 0.0, 0, 0.0, 0.0);
        for (i, batch) in batches.iter().enumerate() {
            let step = self.epoch * batches.len() + i;
            let (batch_loss, batch_right) = self.gradients(batch, step as u64);
            rate = self.recipe.learning_rate(step, batches.len());
            norm = self.optimizer.step(&mut self.program.parameters, rate);
            if !(batch_loss.is_finite() && norm.is_finite()) {
                return Err(Error::argument("the loss is not finite any more")
                    .at(format!("epoch {}, step {}", self.epoch + 1, i + 1))
                    .expected("a number", batch_loss)
                    .help("take a lower learning_rate, a longer warm_up, or clip gradients"));
            }
            self.follow_average();
            (done, loss, right) = (done + batch.len(), loss + batch_loss, right + batch_right);
            let (loss, accuracy) = (loss / done as f64, right as f64 / done as f64);
            progress(Progress { done, total, loss, accuracy });
        }
        let images_per_second = done as f64 / start.elapsed().as_secs_f64();
        self.epoch += 1;
        Ok(Epoch {
            epoch: self.epoch,
            steps: self.optimizer.steps,
            loss: loss / done as f64,
            accuracy: right as f64 / done as f64,
            held_back_accuracy: self.held_back_accuracy(),
            learning_rate: rate,
            gradient_norm: norm,
            images_per_second,
        })
    }

    /// Computes the gradients of a batch. Returns the sum of its losses, and how many images are right.
    fn gradients(&mut self, batch: &[usize], step: u64) -> (f64, usize) {
        let Self { program, recipe, images, epoch, tape, threads, teacher, .. } = self;
        threads.enter(|| {
            let classes = program.classes();
            let input = tape.input(program, batch.len());
            fill(recipe, images, *epoch as u64, batch, input);
            let mut targets = targets(recipe, images, batch, classes);
            if recipe.mixup > 0.0 {
                let share = beta(recipe.mixup, &mut Random::new(recipe.seed, [step, MIXED])) as f32;
                mix(share, batch.len(), input);
                mix(share, batch.len(), &mut targets);
            }
            let taught = teacher.as_mut().map(|teacher| teacher.logits(input, batch.len()));
            let seed = Random::new(recipe.seed, [step, 0]).next();
            tape.forward(program, Mode::Train { dropout: recipe.dropout, seed });
            let (logits, mut gradient) = (tape.logits(), vec![0.0; targets.len()]);
            let loss = losses(recipe, classes, [logits, &targets], taught.as_deref(), &mut gradient);
            let rows = logits.chunks_exact(classes).zip(targets.chunks_exact(classes));
            let right = rows.filter(|(logits, targets)| greatest(logits) == greatest(targets)).count();
            tape.backward(program, &gradient);
            (loss, right)
        })
    }

    /// Lets the averages follow the parameters, faster at the beginning.
    fn follow_average(&mut self) {
        let steps = self.optimizer.steps as f64;
        let decay = self.recipe.average.min((1.0 + steps) / (10.0 + steps)) as f32;
        for (average, values) in self.average.iter_mut().zip(numbers(&self.program)) {
            average.iter_mut().zip(values).for_each(|(average, value)| *average += (1.0 - decay) * (value - *average));
        }
    }

    fn held_back_accuracy(&mut self) -> Option<f64> {
        if self.held_back.is_empty() {
            return None;
        }
        let mut program = self.result();
        let (mut right, images, tape) = (0, self.images, &mut self.tape);
        for batch in self.held_back.chunks(EVALUATED) {
            self.threads.enter(|| {
                let input = tape.input(&program, batch.len());
                let size = input.len() / batch.len();
                let mut work: Vec<_> = batch.iter().zip(input.chunks_exact_mut(size)).collect();
                each(&mut work, &|(i, out)| plain(images.affine(), images.shape()[2], images.image(**i), out));
                tape.forward(&mut program, Mode::Evaluate);
            });
            let logits = tape.logits().chunks_exact(program.classes());
            right += batch.iter().zip(logits).filter(|(i, logits)| greatest(logits) == images.classes()[**i]).count();
        }
        Some(right as f64 / self.held_back.len() as f64)
    }

    /// A number for what must not change between pauses: the recipe, the images, the network's size.
    pub(crate) fn recipe_identity(&self) -> u64 {
        let text = format!("{:?} {} {}", self.recipe, self.images.len(), self.teacher.is_some());
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}

impl Teacher {
    /// Its logits for a batch of the student's input.
    fn logits(&mut self, student: &[f32], images: usize) -> Vec<f32> {
        let input = self.tape.input(&self.program, images);
        for (to, from) in input.chunks_exact_mut(3).zip(student.chunks_exact(3)) {
            for (channel, (to, from)) in to.iter_mut().zip(from).enumerate() {
                *to = from * self.input.factor[channel] + self.input.term[channel];
            }
        }
        self.tape.forward(&mut self.program, Mode::Evaluate);
        self.tape.logits().to_vec()
    }
}

/// Every list of numbers of a network: parameters, means and variances.
fn numbers(program: &Program) -> impl Iterator<Item = &Vec<f32>> {
    let statistics = program.statistics.iter().flat_map(|of| [&of.mean, &of.variance]);
    program.parameters.iter().map(|of| &of.values).chain(statistics)
}

/// The same, to be written to.
fn numbers_mut(program: &mut Program) -> impl Iterator<Item = &mut Vec<f32>> {
    let statistics = program.statistics.iter_mut().flat_map(|of| [&mut of.mean, &mut of.variance]);
    program.parameters.iter_mut().map(|of| &mut of.values).chain(statistics)
}

/// Checks that a network takes these images and knows their classes.
fn check(program: &Program, images: &Images) -> Result<()> {
    if program.input() != images.shape() {
        return Err(Error::mismatch("network takes images of another size")
            .expected(format_args!("{:?}", images.shape()), format_args!("{:?}", program.input())));
    }
    match images.classes().iter().max() {
        Some(&class) if class >= program.classes() => {
            Err(Error::mismatch("images have a class that the network does not know")
                .expected(format_args!("classes 0 to {}", program.classes() - 1), class)
                .help("--classes N makes a network of N classes"))
        }
        _ => Ok(()),
    }
}

/// Fills the input with images that are changed at random.
fn fill(recipe: &Recipe, images: &Images, epoch: u64, batch: &[usize], input: &mut [f32]) {
    let size = input.len() / batch.len();
    let mut work: Vec<_> = batch.iter().zip(input.chunks_exact_mut(size)).collect();
    each(&mut work, &|(i, out)| {
        let mut random = Random::new(recipe.seed, [epoch, **i as u64]);
        augmented(recipe, images.affine(), images.shape(), &mut random, images.image(**i), out);
    });
}

/// The distribution over classes that each image ought to give.
fn targets(recipe: &Recipe, images: &Images, batch: &[usize], classes: usize) -> Vec<f32> {
    let spread = recipe.label_smoothing / classes as f64;
    let mut targets = vec![spread as f32; batch.len() * classes];
    for (&i, targets) in batch.iter().zip(targets.chunks_exact_mut(classes)) {
        targets[images.classes()[i]] = (1.0 - recipe.label_smoothing + spread) as f32;
    }
    targets
}

/// Mixes each row with that as far from the end.
fn mix(share: f32, rows: usize, data: &mut [f32]) {
    let (others, size) = (data.to_vec(), data.len() / rows);
    for (row, other) in data.chunks_exact_mut(size).zip(others.chunks_exact(size).rev()) {
        row.iter_mut().zip(other).for_each(|(x, other)| *x = share * *x + (1.0 - share) * other);
    }
}

/// The sum of the losses of a batch of so many classes; adds the gradient of their mean by the logits.
fn losses(
    recipe: &Recipe,
    classes: usize,
    [logits, targets]: [&[f32]; 2],
    taught: Option<&[f32]>,
    gradient: &mut [f32],
) -> f64 {
    let mean = classes as f64 / logits.len() as f64;
    let followed = taught.map_or(0.0, |_| recipe.distillation.weight);
    let rows = logits.chunks_exact(classes).zip(targets.chunks_exact(classes)).zip(gradient.chunks_exact_mut(classes));
    let mut total = 0.0;
    for (i, ((logits, targets), gradient)) in rows.enumerate() {
        total += (1.0 - followed) * loss::cross_entropy(logits, targets, mean * (1.0 - followed), gradient);
        if let Some(taught) = taught {
            let (taught, temperature) = (&taught[i * classes..][..classes], recipe.distillation.temperature);
            total += followed * loss::distillation(logits, taught, temperature, mean * followed, gradient);
        }
    }
    total
}

/// The place of the greatest number, the first of equal ones.
fn greatest(row: &[f32]) -> usize {
    let first = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
    (0..row.len()).reduce(first).unwrap_or(0)
}
