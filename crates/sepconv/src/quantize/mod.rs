//! Post-training quantization of an f32 network to int8, calibrated on a few dozen samples.
//!
//! The result is a graph in the portable form of quantized networks, f32 operators between `Dequantize` and `Quantize`,
//! which this library and others lower to integer arithmetic (Jacob et al. 2018, arXiv 1712.05877): weights signed,
//! symmetric, one scale for each filter; biases of 32 bits; activations unsigned, one scale and zero point each. Values
//! that no convolution or fully connected layer reads stay f32, so class scores keep their resolution.

mod bytes;
mod decompose;
mod equalize;
mod histogram;
mod insert;
mod job;
mod layerwise;
mod partition;
mod quantized_input;
mod report;
mod rounding;
mod statistics;
#[cfg(test)]
mod tests;
mod weights;

use std::collections::BTreeSet;

use sepconv_core::{Error, Graph, Node, Op, Result, Tensor};

use self::job::Job;
use self::partition::is_layer;
use crate::execute::{self, Executor};
use crate::{Options, Progress};

pub use histogram::Range;
pub(crate) use quantized_input::with_quantized_input;
pub(crate) use report::constant_bytes;
pub use report::{LayerReport, Report};

/// The granularity of weight scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// One scale for each filter.
    PerChannel,
    /// One scale for all weights of a layer, as old accelerators require. Depthwise layers rarely survive without
    /// [equalization](Quantizer::equalize).
    PerTensor,
}

/// Options of post-training quantization.
#[derive(Clone, Debug)]
pub struct Quantizer {
    range: Range,
    weights: Granularity,
    equalize: bool,
    correct_biases: bool,
    optimize: bool,
    keep_float: Vec<String>,
    min_sqnr: Option<f64>,
}

/// A quantized network and its report.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The network, to be compiled or written.
    pub graph: Graph,
    /// The layers and their noise.
    pub report: Report,
}

impl Default for Quantizer {
    fn default() -> Self {
        Self {
            range: Range::Mse,
            weights: Granularity::PerChannel,
            equalize: false,
            correct_biases: true,
            optimize: false,
            keep_float: vec![],
            min_sqnr: None,
        }
    }
}

impl Quantizer {
    /// How activation ranges are derived from calibration data. Default: [`Range::Mse`].
    pub fn range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    /// The granularity of weight scales.
    pub fn weights(mut self, granularity: Granularity) -> Self {
        self.weights = granularity;
        self
    }

    /// Cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1). Default: `false`. Depthwise
    /// networks need it with [per-tensor](Granularity::PerTensor) weights; with per-channel weights it gains little,
    /// and before ReLU6 it can lose.
    pub fn equalize(mut self, equalize: bool) -> Self {
        self.equalize = equalize;
        self
    }

    /// Bias correction (Nagel et al. 2019, arXiv 1906.04721, section 4.2, with means measured as in its appendix D).
    /// Default: `true`.
    pub fn correct_biases(mut self, correct: bool) -> Self {
        self.correct_biases = correct;
        self
    }

    /// Optimizes weights for the quantized activations of the samples: least squares, then GPTQ (arXiv 2210.17323),
    /// with the objective of AdaRound (Nagel et al. 2020, arXiv 2004.10568), a layer's result instead of its weights.
    /// It takes a few times as long and the memory of all samples. Default: `false`.
    pub fn optimize(mut self, optimize: bool) -> Self {
        self.optimize = optimize;
        self
    }

    /// A layer that stays f32, by its name in the file.
    pub fn keep_float(mut self, layer: impl Into<String>) -> Self {
        self.keep_float.push(layer.into());
        self
    }

    /// Keeps the most sensitive layers in f32 until the SQNR at the output reaches `decibels`.
    pub fn min_sqnr(mut self, decibels: f64) -> Self {
        self.min_sqnr = Some(decibels);
        self
    }

    /// The checks of [`run`](Self::run) that need no samples.
    ///
    /// # Errors
    /// When the network is quantized already, keeps state or has no layer to quantize, when weights are infinite or
    /// NaN, or when a name of [`keep_float`](Self::keep_float) is no layer's.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        refuse_kind(graph)?;
        refuse_non_finite(graph)?;
        self.named(&decompose::decompose(graph)?).map(drop)
    }

    /// Quantizes an f32 network, [simplified](crate::Model::graph). Each sample has a tensor for each input, in the
    /// file's own layout.
    ///
    /// # Errors
    /// When [`check`](Self::check) fails, when activations are infinite or NaN, when batch normalizations are left in
    /// it, when samples are not what it takes, when a name of [`keep_float`](Self::keep_float) is no layer's, or when
    /// `progress` cancels.
    pub fn run(
        &self,
        graph: &Graph,
        samples: &[Vec<Tensor>],
        options: &Options,
        progress: Progress<'_>,
    ) -> Result<Quantized> {
        refuse_kind(graph)?;
        refuse_non_finite(graph)?;
        execute::check(graph, samples)?;
        let mut job = Job { quantizer: self, samples, executor: Executor::new(options)?, progress };
        let float = decompose::decompose(graph)?;
        let kept = self.named(&float)?;
        let (float, pairs) = job.equalized(float)?;
        let network = job.calibrated(&float)?;
        let (kept, sensitivity) = job.mixed(&network, kept)?;
        let partition = network.partition(&kept);
        let quantized_layers = job.round(&network, &partition)?;
        let quantized = insert::insert(&float, &partition, &network.affine, &quantized_layers.layers)?;
        let report = Report::new(&network, &partition, &quantized_layers, &sensitivity, &pairs, &quantized);
        Ok(Quantized { graph: quantized, report })
    }

    /// The nodes of the layers that stay f32.
    fn named(&self, graph: &Graph) -> Result<BTreeSet<usize>> {
        let layers = || graph.nodes().iter().enumerate().filter(|(_, node)| is_layer(graph, node));
        if layers().next().is_none() {
            return Err(Error::unsupported("network has no convolution or fully connected layer to quantize"));
        }
        let find = |name: &String| {
            let found = layers().find(|(_, node)| node.name == *name).map(|(i, _)| i);
            found.ok_or_else(|| {
                Error::argument("no layer has this name")
                    .expected("the name of a convolution or fully connected layer", format_args!("{name:?}"))
            })
        };
        self.keep_float.iter().map(find).collect()
    }
}

fn refuse_kind(graph: &Graph) -> Result<()> {
    if let Some(state) = graph.states().next() {
        return Err(Error::unsupported("network keeps state, but samples are independent of each other")
            .at(format!("state {:?}", state.input.name)));
    }
    match quantized_node(graph) {
        None => Ok(()),
        Some(node) => Err(Error::unsupported("network is quantized already").at_node(&node.name, node.op.name())),
    }
}

fn refuse_non_finite(graph: &Graph) -> Result<()> {
    for node in graph.nodes().iter().filter(|node| is_layer(graph, node)) {
        let weights = node.inputs[1..].iter().filter_map(|&id| graph.value(id).constant.as_ref()?.as_f32());
        if let Some(weight) = weights.flatten().find(|weight| !weight.is_finite()) {
            return Err(Error::malformed("layer has a weight that is infinite or NaN")
                .at_node(&node.name, node.op.name())
                .expected("finite numbers", weight));
        }
    }
    Ok(())
}

/// A node that f32 networks do not have.
pub(crate) fn quantized_node(graph: &Graph) -> Option<&Node> {
    let integer =
        |op: &Op| matches!(op, Op::Quantize(_) | Op::Lut(_) | Op::QConv2d(_) | Op::QBinary(_) | Op::QAveragePool(_));
    graph.nodes().iter().find(|node| integer(&node.op))
}
