use sepconv::factorize::{Choice, Factorizer, Report};
use sepconv::{Accuracy, Model, Times, onnx};

use super::Args;
use crate::experiment::{self, Experiment};
use crate::failure::Failure;
use crate::progress::Bars;

/// A factorized network and how it does.
pub(super) struct Candidate {
    pub(super) report: Report,
    /// The bytes to write.
    pub(super) file: Vec<u8>,
    pub(super) accuracy: Option<Accuracy>,
    /// Times of the network and of this one, interleaved, where anything is timed.
    pub(super) times: Option<[Times; 2]>,
    pub(super) isa: String,
    pub(super) threads: usize,
}

impl Candidate {
    /// Factorizes the network and tries what its file holds.
    pub(super) fn new(
        args: &Args,
        experiment: &Experiment,
        factorizer: &Factorizer,
        choice: &Choice,
    ) -> Result<Self, Failure> {
        let mut bars = Bars::new(args.json);
        let factorized = factorizer.run(choice, &mut |event| bars.show(event))?;
        drop(bars);
        let file = onnx::write(&factorized.graph, &experiment.metadata)?;
        let model = Model::from_bytes(args.output.display().to_string(), file.as_slice())?;
        let accuracy = experiment.accuracy(&model, "after     ")?;
        let mut session = model.compile(experiment.options())?.session()?;
        let times = args.is_timed().then(|| experiment.time(&mut session)).transpose()?;
        let (isa, threads) = (session.plan().isa().to_string(), session.plan().threads());
        Ok(Self { report: factorized.report, file, accuracy, times, isa, threads })
    }

    /// Speedup over the original network, where it was timed.
    pub(super) fn speedup(&self) -> Option<f64> {
        self.times.as_ref().map(experiment::speedup)
    }
}
