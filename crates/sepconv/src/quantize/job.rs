use std::collections::{BTreeSet, HashMap};

use sepconv_core::{Error, Graph, Result, Tensor, ValueId};

use super::bytes::Affine;
use super::layerwise::{LayerwisePass, QuantizedLayers};
use super::partition::{Partition, Placement, activation_after, after_activation, is_layer};
use super::statistics::{self, Statistics};
use super::{Quantizer, equalize};
use crate::execute::Executor;
use crate::progress::{Progress, Stage, advance};
use sepconv_core::Uses;

/// Samples that also go through the f32 network, to measure noise.
const COMPARED: usize = 8;

/// An f32 network and its calibration results.
pub(super) struct Network<'g> {
    pub(super) graph: &'g Graph,
    uses: Uses,
    pub(super) affine: HashMap<ValueId, Affine>,
    means: HashMap<ValueId, Vec<f64>>,
    /// The layers whose results nothing quantized reads: what is compared with the float network.
    ends: Vec<usize>,
}

impl Network<'_> {
    pub(super) fn partition(&self, kept: &BTreeSet<usize>) -> Partition {
        Partition::new(self.graph, &self.uses, &|node| kept.contains(&node))
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = usize> {
        let nodes = self.graph.nodes().iter().enumerate();
        nodes.filter(|(_, node)| is_layer(self.graph, node)).map(|(i, _)| i)
    }

    /// The lowest SQNR at the ends, in decibels.
    pub(super) fn sqnr(&self, quantized_layers: &QuantizedLayers) -> f64 {
        let noise = self.ends.iter().filter_map(|end| quantized_layers.noise.get(end));
        noise.map(|noise| noise.decibels()).fold(f64::INFINITY, f64::min)
    }
}

fn not_finite(value: &str) -> Error {
    Error::mismatch("activation is infinite or NaN, which int8 cannot hold")
        .at(format!("value {value:?}"))
        .help("is the pre-processing the network's own?")
}

/// A run of a [`Quantizer`].
pub(super) struct Job<'a> {
    pub(super) quantizer: &'a Quantizer,
    pub(super) samples: &'a [Vec<Tensor>],
    pub(super) executor: Executor,
    pub(super) progress: Progress<'a>,
}

impl Job<'_> {
    /// The network, equalized if the quantizer asks for it, and the names of the pairs.
    pub(super) fn equalized(&mut self, graph: Graph) -> Result<(Graph, Vec<[String; 2]>)> {
        if !self.quantizer.equalize {
            return Ok((graph, vec![]));
        }
        let pairs = equalize::pairs(&graph, &Uses::new(&graph));
        let between = pairs.iter().map(|pair| pair.between);
        let (samples, mut done, progress) = (self.samples, 0, &mut *self.progress);
        let mut observed = |count: usize| {
            done += count;
            advance(progress, Stage::Calibrate, done, 2 * samples.len())
        };
        let greatest = statistics::greatest(&graph, samples, &self.executor, between, &mut observed)?;
        let equalized = equalize::equalize(&graph, &pairs, greatest, self.quantizer.weights)?;
        let name = |node: usize| graph.nodes()[node].name.clone();
        Ok((equalized, pairs.iter().map(|pair| [name(pair.first), name(pair.second)]).collect()))
    }

    /// Ranges of activations and means of layers.
    pub(super) fn calibrated<'g>(&mut self, graph: &'g Graph) -> Result<Network<'g>> {
        let uses = Uses::new(graph);
        let partition = Partition::new(graph, &uses, &|_| false);
        let ends: Vec<usize> = (0..graph.nodes().len())
            .filter(|&i| {
                partition.placement(i) == Placement::Layer && partition.shared(partition.result(graph, i).0).is_none()
            })
            .collect();
        let averaged = self.averaged(graph, &uses);
        let (samples, progress) = (self.samples, &mut *self.progress);
        let (mut done, total) = match self.quantizer.equalize {
            true => (samples.len(), 2 * samples.len()),
            false => (0, samples.len()),
        };
        let mut observed = |count: usize| {
            done += count;
            advance(progress, Stage::Calibrate, done, total)
        };
        let counted = partition.quantized();
        let statistics = Statistics::collect(graph, samples, &self.executor, counted, averaged, &mut observed)?;
        let mut ranges: HashMap<ValueId, (f32, f32)> = HashMap::new();
        for (id, histogram) in &statistics.histograms {
            if !histogram.is_finite() {
                return Err(not_finite(&graph.value(*id).name));
            }
            let (low, high) = histogram.range(self.quantizer.range, activation_after(graph, &uses, *id));
            let joined = ranges.entry(partition.shared(*id).unwrap_or(*id)).or_default();
            *joined = (joined.0.min(low), joined.1.max(high));
        }
        let affine = ranges.into_iter().map(|(id, range)| (id, Affine::covering(range))).collect();
        Ok(Network { graph, uses, affine, means: statistics.means, ends })
    }

    /// Quantizes the layers in order.
    pub(super) fn round(&mut self, network: &Network, partition: &Partition) -> Result<QuantizedLayers> {
        let Self { quantizer, samples, executor, progress } = self;
        let Network { graph, uses, affine, means, .. } = network;
        let optimize = quantizer.optimize;
        let compared = if optimize { samples.len() } else { COMPARED };
        let mut done = 0;
        let layerwise = LayerwisePass { graph, uses, partition, executor, quantizer, affine, means, optimize };
        let quantized_layers = layerwise.run(samples, compared, &mut |count| {
            done += count;
            advance(progress, Stage::Round, done, graph.nodes().len())
        })?;
        match network.ends.iter().find(|end| quantized_layers.noise.get(end).is_some_and(|noise| !noise.is_finite())) {
            Some(&end) => Err(not_finite(&graph.value(graph.nodes()[end].output).name)),
            None => Ok(quantized_layers),
        }
    }

    /// The layers that stay f32 to reach the SQNR asked for, and the SQNR of each layer quantized alone.
    pub(super) fn mixed(
        &mut self,
        network: &Network,
        mut kept: BTreeSet<usize>,
    ) -> Result<(BTreeSet<usize>, HashMap<usize, f64>)> {
        let Some(wanted) = self.quantizer.min_sqnr else { return Ok((kept, HashMap::new())) };
        let samples = &self.samples[..self.samples.len().min(COMPARED)];
        // Biases are corrected for what these samples show, and rounding is to the nearest: to fit weights to so few
        // would flatter.
        let averaged = self.averaged(network.graph, &network.uses);
        let none = std::iter::empty();
        let means = Statistics::collect(network.graph, samples, &self.executor, none, averaged, &mut |_| Ok(()))?.means;
        let Self { quantizer, executor, progress, .. } = self;
        let layers: Vec<usize> = network.layers().collect();
        let mut sqnr = |done, floats: &BTreeSet<usize>| {
            let (Network { graph, uses, affine, .. }, partition) = (network, network.partition(floats));
            let layerwise = LayerwisePass {
                graph,
                uses,
                partition: &partition,
                executor,
                quantizer,
                affine,
                means: &means,
                optimize: false,
            };
            let mut searched = |_| advance(progress, Stage::Search, done, layers.len());
            layerwise.run(samples, COMPARED, &mut searched).map(|quantized_layers| network.sqnr(&quantized_layers))
        };
        let mut sensitivity = HashMap::new();
        for (done, &layer) in layers.iter().enumerate() {
            let others = layers.iter().copied().filter(|&other| other != layer).collect();
            sensitivity.insert(layer, sqnr(done, &others)?);
        }
        let mut worst_last: Vec<usize> = layers.iter().copied().filter(|layer| !kept.contains(layer)).collect();
        worst_last.sort_by(|a, b| sensitivity[b].total_cmp(&sensitivity[a]).then(b.cmp(a)));
        while sqnr(layers.len(), &kept)? < wanted {
            let Some(worst) = worst_last.pop() else { break };
            kept.insert(worst);
        }
        Ok((kept, sensitivity))
    }

    /// The results of layers whose means are to be kept.
    fn averaged(&self, graph: &Graph, uses: &Uses) -> Vec<ValueId> {
        let layers = graph.nodes().iter().filter(|node| self.quantizer.correct_biases && is_layer(graph, node));
        layers.map(|node| after_activation(graph, uses, node.output)).collect()
    }
}
