use std::path::PathBuf;

use sepconv_core::{Graph, KernelChoices, Plan, Result, Tensor};
use web_time::{Duration, Instant};

use super::Tuner;
use super::tuned::{StepTime, Tuned, Verdict};
use crate::progress::{self, advance};
use crate::{CompiledModel, Options, Progress, Session, Times};

/// The runs of which the least time of a step counts, in passes over all alternatives: whatever else the machine does
/// for a while then meets them all.
const PASSES: usize = 3;
const RUNS: usize = 3;

/// Runs plans with one choice of kernels or another, and remembers the least time of each step.
pub(super) struct Trials<'a> {
    untuned: CompiledModel,
    graph: Graph,
    options: &'a Options,
    inputs: &'a [&'a Tensor],
    tuned: Tuned,
    file: PathBuf,
    budget: Duration,
    start: Instant,
    saved: Instant,
    progress: Progress<'a>,
}

/// A choice of kernels, and the steps of its plan that are to be timed.
pub(super) struct Trial {
    pub(super) choices: KernelChoices,
    pub(super) steps: Vec<String>,
}

impl<'a> Trials<'a> {
    pub(super) fn new(
        untuned: CompiledModel,
        graph: Graph,
        options: &'a Options,
        inputs: &'a [&'a Tensor],
        tuned: Tuned,
        tuner: &Tuner,
        progress: Progress<'a>,
    ) -> Self {
        let (file, budget, start) = (tuner.file.clone(), tuner.budget, Instant::now());
        Self { untuned, graph, options, inputs, tuned, file, budget, start, saved: start, progress }
    }

    /// The plan as the planner chooses.
    pub(super) fn untuned(&self) -> &Plan {
        self.untuned.plan()
    }

    /// The plan with some choices.
    pub(super) fn plan(&self, choices: &KernelChoices) -> Result<Plan> {
        let untuned = self.untuned();
        Plan::with_kernels(&self.graph, untuned.isa(), untuned.threads(), &self.options.limits, choices)
    }

    /// The least milliseconds of a step.
    pub(super) fn ms(&self, step: &str) -> Option<f64> {
        self.tuned.steps.get(step).map(|time| time.ms)
    }

    /// Times steps, as long as no more than this part of the budget is spent.
    pub(super) fn time(&mut self, trials: &[Trial], part: f64) -> Result<()> {
        for pass in 1..=PASSES {
            for trial in trials {
                let is_timed = |step: &String| self.tuned.steps.get(step).is_some_and(|time| time.runs >= pass * RUNS);
                if trial.steps.iter().all(is_timed) {
                    continue;
                }
                if self.start.elapsed() > self.budget.mul_f64(part) {
                    return Ok(());
                }
                // Who stops it may want to go on later.
                self.tell().or_else(|stopped| self.tuned.save(&self.file).and(Err(stopped)))?;
                let plan = self.plan(&trial.choices)?;
                self.run(plan)?;
                self.save_after(Duration::from_secs(1))?;
            }
        }
        Ok(())
    }

    fn run(&mut self, plan: Plan) -> Result<()> {
        let steps: Vec<String> = (0..plan.step_count()).map(|step| step_text(&plan, step)).collect();
        let mut session = self.session(plan)?;
        // The first run brings memory and weights in.
        session.run(self.inputs)?;
        let profile = session.profile(self.inputs, RUNS, &mut progress::ProgressEvent::ignore)?;
        for (step, text) in steps.into_iter().enumerate() {
            let ms = rounded(profile.step_times(step).min());
            let time = self.tuned.steps.entry(text).or_insert(StepTime { ms, runs: 0 });
            *time = StepTime { ms: time.ms.min(ms), runs: time.runs + RUNS };
        }
        Ok(())
    }

    fn session(&self, plan: Plan) -> Result<Session> {
        self.untuned.with_plan(plan).session()
    }

    /// Times the whole network with these choices and without, in turns, and by one thread where there are more, and
    /// keeps what is fastest.
    pub(super) fn finish(mut self, choices: KernelChoices) -> Result<Tuned> {
        /// What one measurement differs from the next by.
        const NOISE: f64 = 0.99;
        const ROUNDS: std::ops::RangeInclusive<usize> = 20..=200;
        let (threads, none) = (self.untuned().threads(), KernelChoices::default());
        let mut contenders = vec![(threads, &none), (threads, &choices)];
        if threads > 1 {
            contenders.push((1, &none));
        }
        let session = |&(threads, choices): &(usize, &KernelChoices)| {
            let plan = Plan::with_kernels(&self.graph, self.untuned().isa(), threads, &self.options.limits, choices)?;
            self.session(plan)
        };
        let mut sessions = contenders.iter().map(session).collect::<Result<Vec<_>>>()?;
        let mut times = vec![Times::default(); sessions.len()];
        for round in 0..=*ROUNDS.end() {
            if round > *ROUNDS.start() && self.start.elapsed() > self.budget {
                break;
            }
            self.tell()?;
            for (session, times) in sessions.iter_mut().zip(&mut times) {
                let mut run = || session.run(self.inputs).map(drop);
                // The first run brings memory and weights in.
                if round == 0 { run()? } else { times.add(run)? }
            }
        }
        let beats = |a: &Times, b: &Times| a.min() < NOISE * b.min() && a.median() < NOISE * b.median();
        let mut best = 0;
        for contender in 1..times.len() {
            if beats(&times[contender], &times[best]) {
                best = contender;
            }
        }
        let (threads, choices) = contenders[best];
        let seconds = self.start.elapsed().as_secs_f64();
        let [untuned, tuned] = [&times[0], &times[best]].map(|times| rounded(times.min()));
        self.tuned.verdict = Some(Verdict::new([untuned, tuned], rounded(seconds), threads, choices));
        self.tuned.save(&self.file)?;
        let total = self.tenths();
        advance(self.progress, progress::Stage::Tune, total, total)?;
        Ok(self.tuned)
    }

    fn save_after(&mut self, pause: Duration) -> Result<()> {
        if self.saved.elapsed() >= pause {
            self.tuned.save(&self.file)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    /// Tells how much of the budget is spent.
    fn tell(&mut self) -> Result<()> {
        let total = self.tenths();
        let done = (self.start.elapsed().as_secs_f64() * 10.0) as usize;
        advance(self.progress, progress::Stage::Tune, done.min(total), total)
    }

    /// The budget in tenths of a second.
    fn tenths(&self) -> usize {
        (self.budget.as_secs_f64() * 10.0) as usize
    }
}

/// In millionths: clocks tell no more, and short numbers are read back as they were written.
fn rounded(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

/// A step by the kernels of its layers.
pub(super) fn step_text(plan: &Plan, step: usize) -> String {
    let (step, layers) = (&plan.steps()[step], plan.layers());
    let range = step.layers();
    let chain =
        step.row_block().map(|rows| format!("fused_chain {}x{rows}\t{}", range.len(), layers[range.start].name));
    let kernels = layers[range].iter().map(|layer| kernel_text(&layer.name, &layer.kernel));
    chain.into_iter().chain(kernels).collect::<Vec<_>>().join("\n")
}

/// A layer by its kernel.
pub(super) fn kernel_text(layer: &str, kernel: &str) -> String {
    format!("{kernel}\t{layer}")
}
