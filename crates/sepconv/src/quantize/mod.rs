//! Post-training quantisation: a float network and a few dozen samples of what it will see become a network of bytes.
//!
//! The result is a graph in the portable form of quantised networks, floats between `Quantize` and `Dequantize`, which this library
//! and others turn into integer arithmetic: weights signed, symmetric, one scale for each filter; biases of 32 bits; activations
//! unsigned, one scale and zero point each. What no convolution or fully connected layer reads any more stays float, so the scores
//! of classes keep their resolution.

mod bytes;
mod equalise;
mod execute;
mod histogram;
mod insert;
mod report;
mod roles;
mod rounding;
mod spell_out;
mod statistics;
mod walk;
mod weights;

use std::collections::{BTreeSet, HashMap};

use sepconv_core::{Error, Graph, Op, Result, Tensor, ValueId};

use self::bytes::Affine;
use self::execute::Machine;
use self::roles::{Role, Roles, Uses, is_layer};
use self::statistics::Statistics;
use self::walk::{Walk, Walked};
use crate::Options;

pub use histogram::Range;
pub use report::{LayerReport, Report};

/// Samples that also go through the float network, so that noise can be told.
const COMPARED: usize = 8;

/// For how many weights one scale is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// One for each filter.
    PerChannel,
    /// One for all weights of a layer, as old accelerators want it. Depthwise layers rarely survive without
    /// [equalisation](Quantizer::equalise).
    PerTensor,
}

/// How a network is quantised.
#[derive(Clone, Debug)]
pub struct Quantizer {
    range: Range,
    weights: Granularity,
    equalise: bool,
    correct_biases: bool,
    optimise: bool,
    keep_float: Vec<String>,
    min_sqnr: Option<f64>,
}

/// What quantising gave.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The network, to be compiled or written.
    pub graph: Graph,
    /// What was done and how well it went.
    pub report: Report,
}

/// What takes time while quantising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The float network runs on the samples.
    Calibrate,
    /// Layers are rounded, in order.
    Round,
    /// Layers are tried one by one.
    Search,
}

/// Called with the stage, how much of it is done and how much there is.
pub type Progress<'a> = &'a mut dyn FnMut(Stage, usize, usize);

impl Default for Quantizer {
    fn default() -> Self {
        Self {
            range: Range::Percentile(99.99),
            weights: Granularity::PerChannel,
            equalise: false,
            correct_biases: true,
            optimise: false,
            keep_float: vec![],
            min_sqnr: None,
        }
    }
}

impl Quantizer {
    /// Which part of what an activation was seen to be becomes its range.
    pub fn range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    /// For how many weights one scale is.
    pub fn weights(mut self, granularity: Granularity) -> Self {
        self.weights = granularity;
        self
    }

    /// Whether channels between layers are scaled so that they share a scale well.
    pub fn equalise(mut self, equalise: bool) -> Self {
        self.equalise = equalise;
        self
    }

    /// Whether biases make up for what rounding does to the means of channels.
    pub fn correct_biases(mut self, correct: bool) -> Self {
        self.correct_biases = correct;
        self
    }

    /// Whether weights are rounded so that their errors cancel, rather than to the nearest.
    pub fn optimise(mut self, optimise: bool) -> Self {
        self.optimise = optimise;
        self
    }

    /// A layer that stays float, by its name in the file.
    pub fn keep_float(mut self, layer: impl Into<String>) -> Self {
        self.keep_float.push(layer.into());
        self
    }

    /// Keeps the most sensitive layers float, as many as it takes for the ratio of signal to noise in what the last layers give to
    /// reach `decibels`.
    pub fn min_sqnr(mut self, decibels: f64) -> Self {
        self.min_sqnr = Some(decibels);
        self
    }

    /// Quantises a float network with samples of its input: for each a tensor for each input, in the file's own order of axes.
    ///
    /// # Errors
    /// When the network is quantised already or has no layer to quantise, when samples are not what it takes, or when a name of
    /// [`keep_float`](Self::keep_float) is no layer's.
    pub fn run(
        &self,
        graph: &Graph,
        samples: &[Vec<Tensor>],
        options: &Options,
        progress: Progress<'_>,
    ) -> Result<Quantized> {
        refuse_quantised(graph)?;
        execute::check(graph, samples)?;
        let mut job = Job { quantizer: self, samples, machine: Machine::new(options)?, progress };
        let float = spell_out::spell_out(graph)?;
        let kept = self.named(&float)?;
        let (float, pairs) = job.equalised(float)?;
        let network = job.calibrated(&float)?;
        let (kept, sensitivity) = job.mixed(&network, kept)?;
        let roles = network.roles(&kept);
        let walked = job.walk(&network, &roles, samples, Stage::Round)?;
        let quantised = insert::insert(&float, &roles, &network.affine, &walked.layers)?;
        let report = Report::new(&network, &roles, &walked, &sensitivity, &pairs, &quantised);
        Ok(Quantized { graph: quantised, report })
    }

    /// The nodes of the layers that are to stay float.
    fn named(&self, graph: &Graph) -> Result<BTreeSet<usize>> {
        let layers = || graph.nodes().iter().enumerate().filter(|(_, node)| is_layer(graph, node));
        if layers().next().is_none() {
            return Err(Error::unsupported("network has no convolution or fully connected layer to quantise"));
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

fn refuse_quantised(graph: &Graph) -> Result<()> {
    let integer =
        |op: &Op| matches!(op, Op::Quantize(_) | Op::Lookup(_) | Op::QConv2d(_) | Op::QBinary(_) | Op::QAverage(_));
    match graph.nodes().iter().find(|node| integer(&node.op)) {
        None => Ok(()),
        Some(node) => Err(Error::unsupported("network is quantised already").at_node(&node.name, node.op.name())),
    }
}

/// A float network with what calibration found about it.
pub(crate) struct Network<'g> {
    graph: &'g Graph,
    uses: Uses,
    affine: HashMap<ValueId, Affine>,
    means: HashMap<ValueId, Vec<f64>>,
    /// The layers whose results nothing quantised reads: what is compared with the float network.
    ends: Vec<usize>,
}

impl Network<'_> {
    fn roles(&self, kept: &BTreeSet<usize>) -> Roles {
        Roles::new(self.graph, &self.uses, &|node| kept.contains(&node))
    }

    fn layers(&self) -> impl Iterator<Item = usize> {
        let nodes = self.graph.nodes().iter().enumerate();
        nodes.filter(|(_, node)| is_layer(self.graph, node)).map(|(i, _)| i)
    }

    /// The least ratio of signal to noise at the ends, in decibels.
    fn sqnr(&self, walked: &Walked) -> f64 {
        let noise = self.ends.iter().filter_map(|end| walked.noise.get(end));
        noise.map(|noise| noise.decibels()).fold(f64::INFINITY, f64::min)
    }
}

/// A run of a [`Quantizer`].
struct Job<'a> {
    quantizer: &'a Quantizer,
    samples: &'a [Vec<Tensor>],
    machine: Machine,
    progress: Progress<'a>,
}

impl Job<'_> {
    /// The network equalised, if that is wanted, and the names of the pairs.
    fn equalised(&mut self, graph: Graph) -> Result<(Graph, Vec<[String; 2]>)> {
        if !self.quantizer.equalise {
            return Ok((graph, vec![]));
        }
        let pairs = equalise::pairs(&graph, &Uses::new(&graph));
        let between = pairs.iter().map(|pair| pair.between);
        let (samples, mut done, progress) = (self.samples, 0, &mut *self.progress);
        let mut advance = |count: usize| {
            done += count;
            progress(Stage::Calibrate, done, 2 * samples.len());
        };
        let greatest = statistics::greatest(&graph, samples, &self.machine, between, &mut advance)?;
        let equalised = equalise::equalise(&graph, &pairs, greatest, self.quantizer.weights)?;
        let name = |node: usize| graph.nodes()[node].name.clone();
        Ok((equalised, pairs.iter().map(|pair| [name(pair.first), name(pair.second)]).collect()))
    }

    fn calibrated<'g>(&mut self, graph: &'g Graph) -> Result<Network<'g>> {
        let uses = Uses::new(graph);
        let roles = Roles::new(graph, &uses, &|_| false);
        let ends: Vec<usize> = (0..graph.nodes().len())
            .filter(|&i| roles.role(i) == Role::Layer && roles.shared(roles.result(graph, i).0).is_none())
            .collect();
        let correct = self.quantizer.correct_biases;
        let layers = graph.nodes().iter().filter(|node| correct && is_layer(graph, node)).map(|node| node.output);
        let (samples, progress) = (self.samples, &mut *self.progress);
        let (mut done, total) = match self.quantizer.equalise {
            true => (samples.len(), 2 * samples.len()),
            false => (0, samples.len()),
        };
        let mut advance = |count: usize| {
            done += count;
            progress(Stage::Calibrate, done, total);
        };
        let counted = roles.quantised();
        let statistics = Statistics::collect(graph, samples, &self.machine, counted, layers, &mut advance)?;
        let mut ranges: HashMap<ValueId, (f32, f32)> = HashMap::new();
        for (id, histogram) in &statistics.histograms {
            let (low, high) = histogram.range(self.quantizer.range, uses.activation(graph, *id));
            let joined = ranges.entry(roles.shared(*id).unwrap_or(*id)).or_default();
            *joined = (joined.0.min(low), joined.1.max(high));
        }
        let affine = ranges.into_iter().map(|(id, range)| (id, Affine::covering(range))).collect();
        Ok(Network { graph, uses, affine, means: statistics.means, ends })
    }

    fn walk(&mut self, network: &Network, roles: &Roles, samples: &[Vec<Tensor>], stage: Stage) -> Result<Walked> {
        let Network { graph, affine, means, .. } = network;
        let walk = Walk { graph, roles, machine: &self.machine, quantizer: self.quantizer, affine, means };
        let (mut done, total, progress) = (0, graph.nodes().len(), &mut *self.progress);
        walk.run(samples, COMPARED, &mut |count| {
            done += count;
            if stage == Stage::Round {
                progress(stage, done, total);
            }
        })
    }

    /// The layers that stay float for the wanted ratio of signal to noise, and for each layer the ratio with it alone quantised.
    fn mixed(
        &mut self,
        network: &Network,
        mut kept: BTreeSet<usize>,
    ) -> Result<(BTreeSet<usize>, HashMap<usize, f64>)> {
        let Some(wanted) = self.quantizer.min_sqnr else { return Ok((kept, HashMap::new())) };
        let samples = &self.samples[..self.samples.len().min(COMPARED)];
        let layers: Vec<usize> = network.layers().collect();
        let mut sensitivity = HashMap::new();
        for (done, &layer) in layers.iter().enumerate() {
            (self.progress)(Stage::Search, done, layers.len());
            let others = layers.iter().copied().filter(|&other| other != layer).collect();
            let walked = self.walk(network, &network.roles(&others), samples, Stage::Search)?;
            sensitivity.insert(layer, network.sqnr(&walked));
        }
        let mut worst_last: Vec<usize> = layers.into_iter().filter(|layer| !kept.contains(layer)).collect();
        worst_last.sort_by(|a, b| sensitivity[b].total_cmp(&sensitivity[a]).then(b.cmp(a)));
        loop {
            let walked = self.walk(network, &network.roles(&kept), samples, Stage::Search)?;
            if network.sqnr(&walked) >= wanted {
                break;
            }
            let Some(worst) = worst_last.pop() else { break };
            kept.insert(worst);
        }
        Ok((kept, sensitivity))
    }
}
