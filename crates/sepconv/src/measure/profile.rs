//! Where the time of a network goes: each step timed, and compared with what the machine could do.

use std::time::Instant;

use sepconv_core::{Plan, Result, Stage, Tensor};

use super::machine::{MIDDLE, NEAR, Peaks};
use crate::progress::{self, advance};
use crate::{Machine, Progress, Session, Times};

/// The times of the steps of a network, over several runs; see [`Session::profile`].
///
/// ```no_run
/// use sepconv::{Machine, Model, Options, ProgressEvent, Tensor};
///
/// let options = Options::default().threads(1);
/// let mut session = Model::open("mobilenet_v2.onnx")?.compile(&options)?.session()?;
/// let profile = session.profile(&[&Tensor::f32([1, 3, 224, 224], vec![0.0; 3 * 224 * 224])?], 50, &mut ProgressEvent::ignore)?;
/// let machine = Machine::measure(&options)?;
/// for step in profile.steps(session.plan(), &machine) {
///     println!("{:7.3} ms, {:3.0} % of peak: {}", step.ms, 100.0 * step.of_peak, step.bound);
/// }
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    /// For each run that was timed: the milliseconds at which each stage ended, inputs first, then the steps, then
    /// outputs.
    runs: Vec<Vec<f64>>,
}

/// A step of a plan and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its layers, as indices into [`Plan::layers`]: they run together, a few rows at a time.
    pub layers: std::ops::Range<usize>,
    /// The median of its milliseconds.
    pub ms: f64,
    /// Its part of the sum of all steps, from 0 to 1.
    pub share: f64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of activations that it reads and writes; what passes between its layers is not counted.
    pub activation_bytes: usize,
    /// Bytes of weights and biases that it reads.
    pub weight_bytes: usize,
    /// Threads that share it.
    pub threads: usize,
    /// Billions of operations in a second, two for each multiply-accumulate.
    pub gops: f64,
    /// The part of the arithmetic that the same threads reach at most, from 0 to 1.
    pub of_peak: f64,
    /// The fewest milliseconds that arithmetic and traffic allow.
    pub floor_ms: f64,
    /// What that floor is made of.
    pub bound: Bound,
}

/// What keeps a step from taking less time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Multiplying.
    Arithmetic,
    /// Reading and writing what fits the second cache.
    L2,
    /// Reading and writing what fits the cache that cores share.
    L3,
    /// Reading and writing main memory.
    Memory,
    /// Beginning and sharing: there is so little to do that the machine could do it several times over.
    Latency,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Arithmetic => "arithmetic",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::Memory => "memory",
            Self::Latency => "latency",
        })
    }
}

impl Session {
    /// Runs the network `runs` times (at least once) on the same inputs and notes when each step ends.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and when `progress` cancels.
    pub fn profile(&mut self, inputs: &[&Tensor], runs: usize, progress: Progress<'_>) -> Result<Profile> {
        let (stages, runs) = (self.plan().step_count() + 2, runs.max(1));
        let mut profile = Profile { runs: Vec::new() };
        for run in 0..runs {
            advance(progress, progress::Stage::Profile, run, runs)?;
            let mut ends = Vec::with_capacity(stages);
            let start = Instant::now();
            self.run_with_observer(inputs, |_: Stage| ends.push(start.elapsed().as_secs_f64() * 1e3))?;
            profile.runs.push(ends);
        }
        advance(progress, progress::Stage::Profile, runs, runs)?;
        Ok(profile)
    }
}

impl Profile {
    /// The milliseconds of whole runs, in order.
    pub fn totals(&self) -> Times {
        self.runs.iter().filter_map(|ends| ends.last().copied()).collect()
    }

    /// Median milliseconds of bringing inputs in and outputs out.
    pub fn ports_ms(&self) -> f64 {
        let last = self.runs[0].len() - 1;
        self.median(0) + self.median(last)
    }

    /// The run whose time is the median: the milliseconds at which each stage ended, inputs first, outputs last.
    pub fn typical_run(&self) -> &[f64] {
        let mut order: Vec<_> = self.runs.iter().collect();
        order.sort_by(|a, b| a.last().partial_cmp(&b.last()).unwrap_or(std::cmp::Ordering::Equal));
        order[order.len() / 2]
    }

    /// The steps of `plan`, which was profiled, beside what `machine` reaches.
    pub fn steps(&self, plan: &Plan, machine: &Machine) -> Vec<Step> {
        let medians: Vec<f64> = (0..plan.step_count()).map(|step| self.median(step + 1)).collect();
        let sum: f64 = medians.iter().sum();
        let mut first = 0;
        let step = |(number, &ms): (usize, &f64)| {
            let rest = &plan.layers()[first..];
            let layers = first..first + rest.iter().take_while(|layer| layer.step == number).count();
            first = layers.end;
            Step::new(plan, machine, layers, ms, ms / sum)
        };
        medians.iter().enumerate().map(step).collect()
    }

    /// The median of a stage's milliseconds.
    fn median(&self, stage: usize) -> f64 {
        let begin = |ends: &[f64]| if stage == 0 { 0.0 } else { ends[stage - 1] };
        self.runs.iter().map(|ends| ends[stage] - begin(ends)).collect::<Times>().median()
    }
}

impl Step {
    fn new(plan: &Plan, machine: &Machine, layers: std::ops::Range<usize>, ms: f64, share: f64) -> Self {
        let made = &plan.layers()[layers.clone()];
        let macs = made.iter().map(|layer| layer.macs).sum();
        let activation_bytes = made.iter().map(|layer| layer.bytes).sum();
        let weight_bytes =
            made.iter().map(|layer| layer.parameters * if layer.input_dtype.is_int8() { 1 } else { 4 }).sum::<usize>();
        let threads = made.iter().map(|layer| layer.threads).max().unwrap_or(1);
        let peaks = machine.peaks(threads);
        let arithmetic_ms = made.iter().map(|layer| {
            let peak = if layer.input_dtype.is_int8() { peaks.bytes } else { peaks.floats };
            2.0 * layer.macs as f64 / peak / 1e6
        });
        let arithmetic_ms: f64 = arithmetic_ms.sum();
        let (floor_ms, bound) = floor(&peaks, arithmetic_ms, activation_bytes + weight_bytes, threads);
        // What takes this much longer than work and traffic is neither.
        let bound = if ms > 4.0 * floor_ms && ms < 0.02 { Bound::Latency } else { bound };
        Self {
            layers,
            ms,
            share,
            macs,
            activation_bytes,
            weight_bytes,
            threads,
            gops: 2.0 * macs as f64 / ms / 1e6,
            of_peak: arithmetic_ms / ms,
            floor_ms,
            bound,
        }
    }
}

/// The fewest milliseconds of so much arithmetic and traffic, which overlap, and which of them it is.
fn floor(peaks: &Peaks, arithmetic_ms: f64, bytes: usize, threads: usize) -> (f64, Bound) {
    let (rate, place) = match bytes / threads.max(1) {
        share if share <= NEAR => (peaks.near, Bound::L2),
        share if share <= MIDDLE => (peaks.middle, Bound::L3),
        _ => (peaks.far, Bound::Memory),
    };
    let traffic_ms = bytes as f64 / rate / 1e6;
    if arithmetic_ms >= traffic_ms { (arithmetic_ms, Bound::Arithmetic) } else { (traffic_ms, place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longest_is_the_bound() {
        let peaks = Peaks { floats: 100.0, bytes: 400.0, near: 100.0, middle: 50.0, far: 10.0 };
        assert_eq!(floor(&peaks, 1.0, 1000, 1), (1.0, Bound::Arithmetic));
        assert_eq!(floor(&peaks, 0.0, 200_000, 1), (0.002, Bound::L2));
        assert_eq!(floor(&peaks, 0.0, 1_000_000, 1), (0.02, Bound::L3));
        assert_eq!(floor(&peaks, 0.0, 10_000_000, 2), (1.0, Bound::Memory));
    }

    #[test]
    fn stages_are_differences_of_medians() {
        let profile = Profile { runs: vec![vec![1.0, 3.0, 3.5], vec![1.0, 5.0, 6.0], vec![2.0, 5.0, 9.0]] };
        assert_eq!((profile.median(0), profile.median(1), profile.median(2)), (1.0, 3.0, 1.0));
        assert_eq!(profile.totals().all(), [3.5, 6.0, 9.0]);
        assert_eq!((profile.ports_ms(), profile.typical_run()), (2.0, &[1.0, 5.0, 6.0][..]));
    }
}
