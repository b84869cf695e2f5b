//! Post-training quantization: a float network and a few dozen samples of what it will see become a network of bytes.
//!
//! The result is a graph in the portable form of quantized networks, floats between `Quantize` and `Dequantize`, which
//! this library and others turn into integer arithmetic (Jacob et al. 2018, arXiv 1712.05877): weights signed,
//! symmetric, one scale for each filter; biases of 32 bits; activations unsigned, one scale and zero point each. What
//! no convolution or fully connected layer reads any more stays float, so the scores of classes keep their resolution.

mod bytes;
mod equalize;
mod execute;
mod histogram;
mod insert;
mod job;
mod quantized_input;
mod report;
mod roles;
mod rounding;
mod spell_out;
mod statistics;
#[cfg(test)]
mod tests;
mod walk;
mod weights;

use std::collections::BTreeSet;

use sepconv_core::{Error, Graph, Node, Op, Result, Tensor};

use self::execute::Machine;
use self::job::Job;
use self::roles::is_layer;
use crate::{Options, Progress};

pub use histogram::Range;
pub(crate) use quantized_input::with_quantized_input;
pub use report::{LayerReport, Report};

/// For how many weights one scale is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// One for each filter.
    PerChannel,
    /// One for all weights of a layer, as old accelerators want it. Depthwise layers rarely survive without
    /// [equalization](Quantizer::equalize).
    PerTensor,
}

/// How a network is quantized.
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

/// What quantizing gave.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The network, to be compiled or written.
    pub graph: Graph,
    /// What was done and how well it went.
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
    /// Which part of what an activation was seen to be becomes its range; that of least mean square error if nothing is
    /// said.
    pub fn range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    /// For how many weights one scale is.
    pub fn weights(mut self, granularity: Granularity) -> Self {
        self.weights = granularity;
        self
    }

    /// Whether channels between layers are scaled so that they share a scale well (Nagel et al. 2019, arXiv 1906.04721,
    /// section 4.1); not if nothing is said. With one scale for all weights of a layer it decides whether depthwise
    /// networks survive; with one for each filter it gains little, and below ReLU6 it can lose.
    pub fn equalize(mut self, equalize: bool) -> Self {
        self.equalize = equalize;
        self
    }

    /// Whether biases make up for what rounding does to the means of channels (Nagel et al. 2019, arXiv 1906.04721,
    /// section 4.2, with means measured as in its appendix D); so if nothing is said.
    pub fn correct_biases(mut self, correct: bool) -> Self {
        self.correct_biases = correct;
        self
    }

    /// Whether weights are fitted to the bytes that they will meet and rounded so that their errors cancel, rather than
    /// to the nearest; not if nothing is said, for it takes a few times as long and the memory of all samples. The aim,
    /// a layer's result instead of its weights, is that of AdaRound (Nagel et al. 2020, arXiv 2004.10568); the way is
    /// least squares, then GPTQ (arXiv 2210.17323).
    pub fn optimize(mut self, optimize: bool) -> Self {
        self.optimize = optimize;
        self
    }

    /// A layer that stays float, by its name in the file.
    pub fn keep_float(mut self, layer: impl Into<String>) -> Self {
        self.keep_float.push(layer.into());
        self
    }

    /// Keeps the most sensitive layers float, as many as it takes for the ratio of signal to noise in what the last
    /// layers give to reach `decibels`.
    pub fn min_sqnr(mut self, decibels: f64) -> Self {
        self.min_sqnr = Some(decibels);
        self
    }

    /// Checks what needs no samples: a call of [`run`](Self::run) with this graph fails for the same reasons.
    ///
    /// # Errors
    /// When the network is quantized already or has no layer to quantize, when weights are infinite or NaN, or when a
    /// name of [`keep_float`](Self::keep_float) is no layer's.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        refuse_quantized(graph)?;
        refuse_non_finite(graph)?;
        self.named(&spell_out::spell_out(graph)?).map(drop)
    }

    /// Quantizes a float network, [simplified](crate::Model::graph), with samples of its input: for each a tensor for
    /// each input, in the file's own order of axes.
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
        refuse_quantized(graph)?;
        refuse_non_finite(graph)?;
        execute::check(graph, samples)?;
        let mut job = Job { quantizer: self, samples, machine: Machine::new(options)?, progress };
        let float = spell_out::spell_out(graph)?;
        let kept = self.named(&float)?;
        let (float, pairs) = job.equalized(float)?;
        let network = job.calibrated(&float)?;
        let (kept, sensitivity) = job.mixed(&network, kept)?;
        let roles = network.roles(&kept);
        let walked = job.round(&network, &roles)?;
        let quantized = insert::insert(&float, &roles, &network.affine, &walked.layers)?;
        let report = Report::new(&network, &roles, &walked, &sensitivity, &pairs, &quantized);
        Ok(Quantized { graph: quantized, report })
    }

    /// The nodes of the layers that are to stay float.
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

fn refuse_quantized(graph: &Graph) -> Result<()> {
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

/// A node that networks of floats do not have.
pub(crate) fn quantized_node(graph: &Graph) -> Option<&Node> {
    let integer =
        |op: &Op| matches!(op, Op::Quantize(_) | Op::Lut(_) | Op::QConv2d(_) | Op::QBinary(_) | Op::QAveragePool(_));
    graph.nodes().iter().find(|node| integer(&node.op))
}
