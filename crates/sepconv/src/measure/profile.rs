//! The time of each step of a network, compared with the roofline of the machine.

use sepconv_core::{Plan, Result, Stage, Tensor};
use web_time::Instant;

use super::machine::{L2_BYTES, L3_BYTES, Peaks};
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
///     println!("{:7.3} ms, {:3.0} % of peak: {}", step.ms, 100.0 * step.of_peak, step.bottleneck);
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
    /// Median milliseconds.
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
    /// GOP/s, two operations for each multiply-accumulate.
    pub gops: f64,
    /// Share of the peak of as many threads, from 0 to 1.
    pub of_peak: f64,
    /// Milliseconds at the roofline: the larger of arithmetic at peak and traffic at bandwidth.
    pub roofline_ms: f64,
    /// The resource that limits the step.
    pub bottleneck: Bottleneck,
}

/// The resource that limits a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bottleneck {
    /// Peak arithmetic.
    Arithmetic,
    /// Bandwidth of the L2 cache.
    L2,
    /// Bandwidth of the L3 cache.
    L3,
    /// Bandwidth of main memory.
    Memory,
    /// Starting the step and sharing it among threads: it takes several times the roofline, and is short.
    Latency,
}

impl std::fmt::Display for Bottleneck {
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

    /// Median milliseconds of copying inputs and outputs.
    pub fn io_ms(&self) -> f64 {
        let last = self.runs[0].len() - 1;
        self.median(0) + self.median(last)
    }

    /// The run whose time is the median: the milliseconds at which each stage ended, inputs first, outputs last.
    pub fn typical_run(&self) -> &[f64] {
        let mut order: Vec<_> = self.runs.iter().collect();
        order.sort_by(|a, b| a.last().partial_cmp(&b.last()).unwrap_or(std::cmp::Ordering::Equal));
        order[order.len() / 2]
    }

    /// The steps of `plan`, which was profiled, beside the peak rates of `machine`.
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

    /// The times of a step, by its number in the plan.
    pub(crate) fn step_times(&self, step: usize) -> Times {
        self.times(step + 1)
    }

    /// The median of a stage's milliseconds.
    fn median(&self, stage: usize) -> f64 {
        self.times(stage).median()
    }

    fn times(&self, stage: usize) -> Times {
        let begin = |ends: &[f64]| if stage == 0 { 0.0 } else { ends[stage - 1] };
        self.runs.iter().map(|ends| ends[stage] - begin(ends)).collect()
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
        let (roofline_ms, bottleneck) = roofline(&peaks, arithmetic_ms, activation_bytes + weight_bytes, threads);
        // Neither arithmetic nor traffic explains a short step that takes several times the roofline.
        let bottleneck = if ms > 4.0 * roofline_ms && ms < 0.02 { Bottleneck::Latency } else { bottleneck };
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
            roofline_ms,
            bottleneck,
        }
    }
}

/// The roofline, where arithmetic and traffic overlap, and the slower of both.
fn roofline(peaks: &Peaks, arithmetic_ms: f64, bytes: usize, threads: usize) -> (f64, Bottleneck) {
    let (rate, place) = match bytes / threads.max(1) {
        share if share <= L2_BYTES => (peaks.l2, Bottleneck::L2),
        share if share <= L3_BYTES => (peaks.l3, Bottleneck::L3),
        _ => (peaks.dram, Bottleneck::Memory),
    };
    let traffic_ms = bytes as f64 / rate / 1e6;
    if arithmetic_ms >= traffic_ms { (arithmetic_ms, Bottleneck::Arithmetic) } else { (traffic_ms, place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_resource_is_the_bottleneck() {
        let peaks = Peaks { floats: 100.0, bytes: 400.0, l2: 100.0, l3: 50.0, dram: 10.0 };
        assert_eq!(roofline(&peaks, 1.0, 1000, 1), (1.0, Bottleneck::Arithmetic));
        assert_eq!(roofline(&peaks, 0.0, 200_000, 1), (0.002, Bottleneck::L2));
        assert_eq!(roofline(&peaks, 0.0, 1_000_000, 1), (0.02, Bottleneck::L3));
        assert_eq!(roofline(&peaks, 0.0, 10_000_000, 2), (1.0, Bottleneck::Memory));
    }

    #[test]
    fn stages_are_differences_of_medians() {
        let profile = Profile { runs: vec![vec![1.0, 3.0, 3.5], vec![1.0, 5.0, 6.0], vec![2.0, 5.0, 9.0]] };
        assert_eq!((profile.median(0), profile.median(1), profile.median(2)), (1.0, 3.0, 1.0));
        assert_eq!(profile.totals().all(), [3.5, 6.0, 9.0]);
        assert_eq!((profile.io_ms(), profile.typical_run()), (2.0, &[1.0, 5.0, 6.0][..]));
    }
}
