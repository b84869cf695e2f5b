use sepconv::quantize::{Quantized, Quantizer, Report};
use sepconv::{Accuracy, Model, Result, Times, onnx};

use super::Args;
use crate::experiment::{self, Experiment};
use crate::failure::Failure;
use crate::progress::Bars;

/// A quantized network and how it does.
pub(super) struct Candidate {
    pub(super) report: Report,
    /// The bytes to write.
    pub(super) file: Vec<u8>,
    pub(super) accuracy: Option<Accuracy>,
    /// Times of the f32 network and of this one, interleaved.
    pub(super) times: [Times; 2],
    pub(super) isa: String,
    pub(super) threads: usize,
}

impl Candidate {
    /// Quantizes the network and tries what its file holds.
    pub(super) fn new(
        args: &Args,
        experiment: &Experiment,
        quantizer: &Quantizer,
    ) -> std::result::Result<Self, Failure> {
        let quantized = quantize(args, experiment, quantizer)?;
        let file = onnx::write(&quantized.graph, &experiment.metadata)?;
        let model = Model::from_bytes(args.output.display().to_string(), file.as_slice())?;
        let accuracy = experiment.accuracy(&model, "after     ")?;
        let mut session = model.compile(experiment.options())?.session()?;
        let times = experiment.time(&mut session)?;
        let (isa, threads) = (session.plan().isa().to_string(), session.plan().threads());
        Ok(Self { report: quantized.report, file, accuracy, times, isa, threads })
    }

    /// Speedup over the f32 network.
    pub(super) fn speedup(&self) -> f64 {
        experiment::speedup(&self.times)
    }
}

pub(super) fn quantize(args: &Args, experiment: &Experiment, quantizer: &Quantizer) -> Result<Quantized> {
    let mut bars = Bars::new(args.json);
    quantizer.run(&experiment.graph, &experiment.samples, experiment.options(), &mut |event| bars.show(event))
}
