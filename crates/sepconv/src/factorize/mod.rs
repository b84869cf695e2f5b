//! Make a trained network separable: depthwise and pointwise convolutions in place of standard ones.
//!
//! For each input channel a standard convolution `w[o, kh, kw, i]` is a matrix of `o` by `kh·kw`. Cut off after `T`
//! *terms*, its singular value decomposition is a depthwise convolution with depth multiplier `T` and a pointwise one
//! after it: `T·i·(k² + o)` multiply-accumulates a pixel in place of `k²·i·o`. That is closed-form and needs no images.
//! With samples of the network's inputs, without labels, weights are fitted to what layers see and make, in order, so
//! that each makes up for what the layers before it lost; layers that stay standard, too.
//!
//! ```no_run
//! use sepconv::factorize::{Budget, Factorizer};
//! use sepconv::{Model, Options, ProgressEvent, onnx};
//!
//! let (model, options) = (Model::open("resnet.onnx")?, Options::default());
//! let graph = model.graph(&options)?;
//! let samples = vec![/* one tensor for each input, in each sample */];
//! let mut factorizer = Factorizer::new(&graph, &samples, &options)?;
//! factorizer.measure(&mut ProgressEvent::ignore)?;
//! let choice = factorizer.choose(Budget::Speedup(2.0), &mut ProgressEvent::ignore)?;
//! let factorized = factorizer.run(&choice, &mut ProgressEvent::ignore)?;
//! println!("{:?} multiply-accumulates before and after", factorized.report.macs);
//! let file = onnx::write(&factorized.graph, &model.metadata()?)?;
//! # Ok::<(), sepconv::Error>(())
//! ```

mod choose;
mod fit;
mod layers;
mod layerwise;
mod linear;
mod report;
mod rows;
mod sensitivity;
#[cfg(test)]
mod tests;
mod timing;
mod weights;

use std::collections::HashMap;

use sepconv_core::{Error, Graph, Node, Result, Rewriter, Tensor, ValueId, rewrite};

use self::choose::Candidate;
use self::layers::{Layer, insert_separable, insert_standard};
use self::layerwise::{FittedLayers, LayerwisePass, Replacement};
use self::timing::Timings;
use crate::Options;
use crate::execute::{self, Executor, live_bytes};
use crate::noise::Noise;
use crate::progress::{Progress, Stage, advance};
use crate::quantize::{constant_bytes, quantized_node};

pub use report::{LayerReport, Report};

/// Bytes that activations of all samples take at most, in both networks.
const ACTIVATIONS: usize = 1 << 30;

/// How much a factorized network may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// How many times as fast it is to be, by the measured time of layers; by multiply-accumulates where nothing was
    /// [measured](Factorizer::measure).
    Speedup(f64),
    /// Multiply-accumulates of a run.
    Macs(u64),
}

/// The terms of each layer that can be factorized, in order; `None` for a layer that stays standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(Vec<Option<usize>>);

impl Choice {
    /// The terms of each layer that can be factorized.
    pub fn terms(&self) -> &[Option<usize>] {
        &self.0
    }
}

/// A factorized network and its report.
#[derive(Clone, Debug)]
pub struct Factorized {
    /// The network, to be compiled or written.
    pub graph: Graph,
    /// The layers, what they cost and what they lost.
    pub report: Report,
}

/// An f32 network and what is known of its layers.
#[derive(Debug)]
pub struct Factorizer<'a> {
    graph: &'a Graph,
    samples: &'a [Vec<Tensor>],
    options: Options,
    executor: Executor,
    /// Convolutions in one group.
    layers: Vec<Layer>,
    /// Those of them that can be factorized, by index.
    separable: Vec<usize>,
    timings: Option<Timings>,
    /// For each layer that can be factorized and 1, 2, ... terms: noise in the answer.
    noise: Option<Vec<Vec<f64>>>,
}

impl<'a> Factorizer<'a> {
    /// Takes an f32 network, [simplified](crate::Model::graph), and samples of its inputs, without labels; none for
    /// weights alone. Each sample has a tensor for each input, in the file's own layout. Where the activations of all
    /// samples would take more than a gigabyte, as many are used as fit.
    ///
    /// # Errors
    /// When the network is quantized, keeps state or has no layer to factorize, when weights are infinite or NaN, or
    /// when samples are not what it takes.
    pub fn new(graph: &'a Graph, samples: &'a [Vec<Tensor>], options: &Options) -> Result<Self> {
        let (layers, separable) = found(graph)?;
        if !samples.is_empty() {
            execute::check(graph, samples)?;
        }
        let fitting = ACTIVATIONS / (2 * live_bytes(graph)).max(1);
        let samples = &samples[..samples.len().min(fitting.max(1))];
        let (options, executor) = (options.clone(), Executor::new(options)?);
        Ok(Self { graph, samples, options, executor, layers, separable, timings: None, noise: None })
    }

    /// The checks of [`new`](Self::new) that need no samples.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn check(graph: &Graph) -> Result<()> {
        found(graph).map(drop)
    }

    /// Times the network and its layers, as they are and with each number of terms, on this machine. From then on a
    /// layer stays standard unless it is faster.
    ///
    /// # Errors
    /// When there is no memory, or `progress` cancels.
    pub fn measure(&mut self, progress: Progress<'_>) -> Result<()> {
        let layers: Vec<Layer> = self.candidates().cloned().collect();
        self.timings = Some(timing::measure(self.graph, &layers, &self.executor, progress)?);
        Ok(())
    }

    /// So many terms in every layer where that is cheaper; as many as are cheaper, where they are fewer.
    pub fn terms(&self, terms: usize) -> Choice {
        let of_layer = |(i, layer): (usize, &Layer)| {
            let most = (1..=terms.min(layer.most_terms)).rev();
            most.into_iter().find(|&terms| self.is_faster(i, terms))
        };
        Choice(self.candidates().enumerate().map(of_layer).collect())
    }

    /// The terms that add least noise to the network's answer within a budget. Noise is measured for each layer on the
    /// samples, with it alone factorized (without samples it is the part of its squared weights that is lost), and is
    /// taken to add up.
    ///
    /// # Errors
    /// When activations are infinite or NaN, there is no memory, or `progress` cancels.
    pub fn choose(&mut self, budget: Budget, progress: Progress<'_>) -> Result<Choice> {
        if self.noise.is_none() {
            let layers: Vec<Layer> = self.candidates().cloned().collect();
            let Self { graph, samples, executor, options, .. } = self;
            let noise = sensitivity::measure(graph, &layers, samples, executor, options, progress)?;
            if noise.iter().flatten().any(|noise| !noise.is_finite()) {
                return Err(not_finite());
            }
            self.noise = Some(noise);
        }
        let noise = self.noise.as_deref().unwrap_or_default();
        let timings = self.timings.as_ref().filter(|_| matches!(budget, Budget::Speedup(_)));
        let cost = |i: usize, layer: &Layer, terms: Option<usize>| match timings {
            Some(timings) => timings.layers[i][terms.unwrap_or(0)],
            None => layer.macs_with(terms) as f64,
        };
        let of_layer = |(i, layer): (usize, &Layer)| {
            let standard = Candidate { terms: None, cost: cost(i, layer, None), noise: 0.0 };
            let faster = (1..=layer.most_terms).filter(|&terms| self.is_faster(i, terms));
            let separable = faster.map(|terms| Candidate {
                terms: Some(terms),
                cost: cost(i, layer, Some(terms)),
                noise: noise[i][terms - 1],
            });
            std::iter::once(standard).chain(separable).collect::<Vec<_>>()
        };
        let candidates: Vec<_> = self.candidates().enumerate().map(of_layer).collect();
        let all = timings.map_or(self.graph.macs() as f64, |timings| timings.network);
        let rest = (all - candidates.iter().map(|of_layer| of_layer[0].cost).sum::<f64>()).max(0.0);
        let most = match budget {
            Budget::Speedup(times) => all / times,
            Budget::Macs(macs) => macs as f64,
        };
        Ok(Choice(choose::choose(&candidates, most - rest)))
    }

    /// Factorizes the network.
    ///
    /// # Errors
    /// When `choice` is of another network, activations are infinite or NaN, there is no memory, or `progress` cancels.
    pub fn run(&self, choice: &Choice, progress: Progress<'_>) -> Result<Factorized> {
        let fits = |(layer, terms): (&Layer, &Option<usize>)| {
            terms.is_none_or(|terms| (1..=layer.most_terms).contains(&terms))
        };
        if choice.0.len() != self.separable.len() || !self.candidates().zip(&choice.0).all(fits) {
            return Err(Error::argument("terms are those of another network")
                .expected(format_args!("{} layers", self.separable.len()), choice.0.len()));
        }
        let pairs = self.candidates().zip(&choice.0);
        let terms = pairs.filter_map(|(layer, terms)| Some((layer.node, (*terms)?))).collect();
        let fitted = self.fitted(&terms, progress)?;
        let by_output: HashMap<ValueId, &Layer> =
            self.layers.iter().map(|layer| (self.graph.nodes()[layer.node].output, layer)).collect();
        let graph = rewrite(self.graph, |rewriter, node| {
            let layer = by_output.get(&node.output).copied();
            layer.map_or(Ok(None), |layer| replace(rewriter, node, layer, &fitted))
        })?;
        let report = self.report(&terms, &fitted, &graph);
        Ok(Factorized { graph, report })
    }

    /// The layers that can be factorized.
    fn candidates(&self) -> impl Iterator<Item = &Layer> {
        self.separable.iter().map(|&i| &self.layers[i])
    }

    /// Whether layer `i` of those that can be factorized takes less time, as far as that was measured.
    fn is_faster(&self, i: usize, terms: usize) -> bool {
        self.timings.as_ref().is_none_or(|timings| timings.layers[i][terms] < timings.layers[i][0])
    }

    fn fitted(&self, terms: &HashMap<usize, usize>, progress: Progress<'_>) -> Result<FittedLayers> {
        let layers = self.layers.iter().map(|layer| (layer.node, layer)).collect();
        let nodes = self.graph.nodes().len();
        if self.samples.is_empty() {
            advance(progress, Stage::Fit, 0, nodes)?;
            let truncated = |(&node, &terms): (&usize, &usize)| {
                let layer: &Layer = HashMap::get(&layers, &node).copied()?;
                Some((node, Replacement::Separable(layer.standard.truncated(terms).0)))
            };
            let replaced = terms.iter().filter_map(truncated).collect();
            return Ok(FittedLayers { replaced, noise: HashMap::new() });
        }
        let pass = LayerwisePass { graph: self.graph, executor: &self.executor, layers: &layers, terms };
        let fitted = pass.run(self.samples, &mut |done| advance(progress, Stage::Fit, done, nodes))?;
        match fitted.noise.values().all(|noise| noise.is_finite()) {
            true => Ok(fitted),
            false => Err(not_finite()),
        }
    }

    fn report(&self, terms: &HashMap<usize, usize>, fitted: &FittedLayers, graph: &Graph) -> Report {
        let layer = |(i, layer): (usize, &Layer)| {
            let (node, terms) = (&self.graph.nodes()[layer.node], terms.get(&layer.node).copied());
            let timed = self.separable.iter().position(|&separable| separable == i).zip(self.timings.as_ref());
            LayerReport {
                name: node.name.clone(),
                kind: layer.kind,
                kernel: layer.conv.window.kernel,
                stride: layer.conv.window.stride,
                channels: [layer.standard.channels, layer.standard.outputs],
                terms,
                macs: [layer.macs, layer.macs_with(terms)],
                ms: timed.map(|(i, timings)| [timings.layers[i][0], timings.layers[i][terms.unwrap_or(0)]]),
                sqnr: sqnr(layer, terms, fitted),
            }
        };
        let outputs = self.graph.outputs().iter().map(|port| port.value);
        let of_output = |id: ValueId| {
            let node = self.graph.nodes().iter().position(|node| node.output == id)?;
            fitted.noise.get(&node).map(|noise| noise.decibels())
        };
        Report {
            layers: self.layers.iter().enumerate().map(layer).collect(),
            macs: [self.graph.macs(), graph.macs()],
            weight_bytes: [constant_bytes(self.graph), constant_bytes(graph)],
            samples: self.samples.len(),
            sqnr: outputs.filter_map(of_output).reduce(f64::min),
        }
    }
}

/// Signal to noise of a layer, in decibels: of its result, or without samples of its weights.
fn sqnr(layer: &Layer, terms: Option<usize>, fitted: &FittedLayers) -> f64 {
    let of_weights = || {
        let lost = layer.standard.truncated(terms?).1;
        Some(10.0 * (layer.standard.energy() / lost).log10())
    };
    match fitted.noise.get(&layer.node) {
        Some(noise) => Noise::decibels(*noise),
        None => of_weights().unwrap_or(f64::INFINITY),
    }
}

/// The new value for a layer's result; `None` where it stays as it is.
fn replace(rewriter: &mut Rewriter<'_>, node: &Node, layer: &Layer, fitted: &FittedLayers) -> Result<Option<ValueId>> {
    match fitted.replaced.get(&layer.node) {
        Some(Replacement::Separable(separable)) => insert_separable(rewriter, node, layer, separable).map(Some),
        Some(Replacement::Standard(standard)) => insert_standard(rewriter, node, layer, standard).map(Some),
        None => Ok(None),
    }
}

/// The convolutions in one group, and the indices of those that can be factorized.
fn found(graph: &Graph) -> Result<(Vec<Layer>, Vec<usize>)> {
    if let Some(state) = graph.states().next() {
        return Err(Error::unsupported("network keeps state, but samples are independent of each other")
            .at(format!("state {:?}", state.input.name)));
    }
    if let Some(node) = quantized_node(graph) {
        return Err(Error::unsupported("network is quantized, f32 networks are factorized")
            .at_node(&node.name, node.op.name())
            .help("factorize the f32 network that it was quantized from, then quantize the result"));
    }
    let layers: Vec<Layer> = (0..graph.nodes().len()).filter_map(|i| Layer::of(graph, i)).collect();
    for layer in &layers {
        if let Some(weight) = layer.standard.weights.iter().chain(&layer.standard.bias).find(|w| !w.is_finite()) {
            let node = &graph.nodes()[layer.node];
            return Err(Error::malformed("layer has a weight that is infinite or NaN")
                .at_node(&node.name, node.op.name())
                .expected("finite numbers", weight));
        }
    }
    let separable: Vec<usize> = (0..layers.len()).filter(|&i| layers[i].most_terms > 0).collect();
    if separable.is_empty() {
        return Err(Error::unsupported("network has no standard convolution to factorize")
            .help("stems, grouped and 1x1 convolutions stay as they are"));
    }
    Ok((layers, separable))
}

fn not_finite() -> Error {
    Error::mismatch("activation is infinite or NaN").help("is the pre-processing the network's own?")
}
