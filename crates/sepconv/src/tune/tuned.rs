use std::collections::BTreeMap;
use std::path::Path;

use sepconv_core::{Error, Graph, KernelChoices, Result};
use sepconv_formats::file;
use serde::{Deserialize, Serialize};

use crate::{Machine, Options};

/// What a [`Tuner`](super::Tuner) found: the times of steps under the conditions in which they were measured, and the
/// choice that follows from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    conditions: Conditions,
    /// By the kernels of their layers, as in the text of [`KernelChoices`].
    pub(super) steps: BTreeMap<String, StepTime>,
    pub(super) verdict: Option<Verdict>,
}

/// What times depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conditions {
    version: String,
    processor: String,
    isa: String,
    threads: usize,
    /// Nodes of the network, simplified.
    nodes: usize,
    macs: u64,
}

/// The least time of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepTime {
    pub(super) ms: f64,
    pub(super) runs: usize,
}

/// The whole network before and after, timed in turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Verdict {
    /// The least milliseconds of a run as the planner chooses.
    pub untuned_ms: f64,
    /// The least milliseconds of a run as chosen here: those above where nothing measured was faster.
    pub tuned_ms: f64,
    /// Seconds that tuning took, since it was last begun or resumed.
    pub seconds: f64,
    /// How many threads are fastest, of those there were.
    pub threads: usize,
    /// The [`KernelChoices`], as text; none where the planner's were not beaten.
    choices: String,
}

/// The most bytes that a file of these may have.
const MOST: u64 = 64 << 20;

impl Tuned {
    /// Reads what a tuner wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of a tuner's.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = file::read(path, MOST)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::malformed(format!("file is not what `sepconv tune` writes: {error}"))
                .in_file(&path.display().to_string())
        })
    }

    /// What the file holds, where it was measured under these conditions and is not finished; else nothing yet.
    pub(super) fn resumed(path: &Path, conditions: Conditions) -> Result<Self> {
        let fresh = Self { conditions, steps: BTreeMap::new(), verdict: None };
        // A file of something else is an error, and not replaced.
        let found = if path.exists() { Some(Self::open(path)?) } else { None };
        Ok(found.filter(|found| found.verdict.is_none() && found.conditions == fresh.conditions).unwrap_or(fresh))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::io(error.to_string()))?;
        file::write(path.as_ref(), &text)
    }

    /// What came of it; `None` where tuning was stopped before its end.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The least milliseconds of the layer called `layer` with each kernel that was measured, run by itself, fastest
    /// first.
    pub fn measured(&self, layer: &str) -> Vec<(&str, f64)> {
        let times = self.steps.iter().filter_map(|(step, time)| {
            let (kernel, name) = step.split_once('\t')?;
            (name == layer).then_some((kernel, time.ms))
        });
        let mut times: Vec<_> = times.collect();
        times.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        times
    }

    /// Why it is of no use for a network that is compiled with `options`.
    pub(crate) fn misfit(&self, graph: &Graph, options: &Options) -> Result<Option<String>> {
        let unfinished = || self.verdict.is_none().then(|| "tuning was stopped before its end".to_owned());
        Ok(self.conditions.difference(&Conditions::new(graph, options)?).or_else(unfinished))
    }

    /// The number of threads and the kernels that were fastest; nothing before the verdict.
    pub(crate) fn choice(&self) -> Result<Option<(usize, KernelChoices)>> {
        let choice = |verdict: &Verdict| {
            let choices = verdict.choices.parse::<KernelChoices>().map_err(|error| error.at("verdict"))?;
            Ok((Options::checked_threads(verdict.threads)?, choices))
        };
        self.verdict.as_ref().map(choice).transpose()
    }
}

impl Verdict {
    pub(super) fn new([untuned_ms, tuned_ms]: [f64; 2], seconds: f64, threads: usize, choices: &KernelChoices) -> Self {
        Self { untuned_ms, tuned_ms, seconds, threads, choices: choices.to_string() }
    }
}

impl Conditions {
    pub(super) fn new(graph: &Graph, options: &Options) -> Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            processor: Machine::processor(),
            isa: options.planned_isa()?.to_string(),
            threads: options.threads,
            nodes: graph.nodes().len(),
            macs: graph.macs(),
        })
    }

    /// What differs here, in words.
    fn difference(&self, here: &Self) -> Option<String> {
        let Self { version, processor, isa, threads, nodes, macs } = self;
        let differs = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            let (then, now) = (then.to_string(), now.to_string());
            (then != now).then(|| format!("measured with {what} {then}, here it is {now}"))
        };
        differs("version", version, &here.version)
            .or_else(|| differs("the processor", processor, &here.processor))
            .or_else(|| differs("the instruction set", isa, &here.isa))
            .or_else(|| differs("a number of threads of", threads, &here.threads))
            .or_else(|| differs("a network whose number of nodes is", nodes, &here.nodes))
            .or_else(|| differs("a network whose number of multiply-adds is", macs, &here.macs))
    }
}
