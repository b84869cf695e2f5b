//! Kernels and chains chosen by measuring them on this machine.
//!
//! A plan's own choices come from a model of machines: the tile of a product, the layers that run together and how many
//! rows of them at a time. [`Tuner`] times the alternatives where they will run, in the network, with the caches as the
//! layers before leave them; [`Tuned`] is what it found, and [`Options::tuned`](crate::Options::tuned) takes it.
//! Results of a tuned network differ from those of an untuned one by rounding at most.

mod chains;
mod search;
mod trials;
mod tuned;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sepconv_core::{Result, Tensor};

pub use tuned::{Tuned, Verdict};

use self::trials::Trials;
use self::tuned::Conditions;
use crate::{Model, Options, Progress};

/// Measures kernels and chains of a network. The machine should do nothing else meanwhile.
///
/// ```no_run
/// use std::time::Duration;
/// use sepconv::{Model, Options, ProgressEvent, Tensor, tune::Tuner};
///
/// let (model, options) = (Model::open("mobilenet_v2.onnx")?, Options::default());
/// let input = Tensor::f32([1, 3, 224, 224], vec![0.5; 3 * 224 * 224])?;
/// let tuner = Tuner::new("mobilenet_v2.tuned.json").budget(Duration::from_secs(60));
/// let tuned = tuner.run(&model, &options, &[&input], &mut ProgressEvent::ignore)?;
/// if let Some(verdict) = tuned.verdict() {
///     println!("{:.3} ms before, {:.3} ms after", verdict.untuned_ms, verdict.tuned_ms);
/// }
/// let compiled = model.compile(&options.tuned(tuned))?;
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tuner {
    file: PathBuf,
    budget: Duration,
}

impl Tuner {
    /// A tuner that keeps what it measures in `file`, written every second: one that was stopped goes on from there
    /// when it is run again under the same conditions (version, processor, instruction set, threads, network). What is
    /// finished, or was measured under others, is replaced.
    pub fn new(file: impl AsRef<Path>) -> Self {
        Self { file: file.as_ref().to_owned(), budget: Duration::from_secs(30) }
    }

    /// How long it measures, about, if there is so much to measure (default: 30 s). What is left out stays as the
    /// planner chose it.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Tunes a network on `inputs`, one tensor for each input, with the threads and the instruction set of `options`.
    ///
    /// # Errors
    /// When the network cannot be compiled or run, the file is none of a tuner's or cannot be written, or `progress`
    /// cancels.
    pub fn run(&self, model: &Model, options: &Options, inputs: &[&Tensor], progress: Progress<'_>) -> Result<Tuned> {
        let graph = model.graph(options)?;
        let tuned = Tuned::resumed(&self.file, Conditions::new(&graph, options)?)?;
        let untuned = model.compile(&options.clone().untuned())?;
        let trials = Trials::new(untuned, graph, options, inputs, tuned, self, progress);
        search::search(trials)
    }
}
