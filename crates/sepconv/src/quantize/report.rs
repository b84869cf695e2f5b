use std::collections::HashMap;

use sepconv_core::{Graph, Op};

use super::job::Network;
use super::layerwise::QuantizedLayers;
use super::partition::{Partition, Placement};

/// What quantizing did to a network.
#[derive(Clone, Debug)]
pub struct Report {
    /// Convolutions and fully connected layers in order.
    pub layers: Vec<LayerReport>,
    /// The pairs of layers between which channels were scaled.
    pub equalized: Vec<[String; 2]>,
    /// Signal to noise in what the last layers give, in decibels, over samples of the calibration: after
    /// [`optimize`](super::Quantizer::optimize) those that weights were fitted to, so more than other images show.
    pub sqnr: f64,
    /// Bytes of all constants of the float network.
    pub float_bytes: usize,
    /// Bytes of all constants of the quantized one.
    pub bytes: usize,
}

/// A layer of a [`Report`].
#[derive(Clone, Debug)]
pub struct LayerReport {
    /// Its name in the file.
    pub name: String,
    /// What it is: `depthwise`, `pointwise`, ...
    pub kind: String,
    /// Whether it works on integers; else it was kept float.
    pub integer: bool,
    /// Signal to noise in its result, behind its activation, in decibels: what it and all before it add up to.
    pub sqnr: f64,
    /// Signal to noise in what the last layers give with this layer alone quantized, in decibels, where it was asked
    /// for.
    pub alone: Option<f64>,
}

impl Report {
    pub(super) fn new(
        network: &Network,
        partition: &Partition,
        quantized_layers: &QuantizedLayers,
        alone: &HashMap<usize, f64>,
        equalized: &[[String; 2]],
        quantized: &Graph,
    ) -> Self {
        let layer = |i: usize| {
            let node = &network.graph.nodes()[i];
            LayerReport {
                name: node.name.clone(),
                kind: match &node.op {
                    Op::Conv2d(conv) => conv.kind(network.graph.value(node.inputs[0]).shape.last()).to_string(),
                    op => op.name().to_owned(),
                },
                integer: partition.placement(i) == Placement::Layer,
                sqnr: quantized_layers.noise.get(&i).map_or(f64::INFINITY, |noise| noise.decibels()),
                alone: alone.get(&i).copied(),
            }
        };
        Self {
            layers: network.layers().map(layer).collect(),
            equalized: equalized.to_vec(),
            sqnr: network.sqnr(quantized_layers),
            float_bytes: constant_bytes(network.graph),
            bytes: constant_bytes(quantized),
        }
    }
}

/// As files hold them: biases have 32 bits there.
pub(crate) fn constant_bytes(graph: &Graph) -> usize {
    let mut constants: Vec<_> = graph.nodes().iter().flat_map(|node| node.inputs.iter().copied()).collect();
    constants.sort_unstable();
    constants.dedup();
    let values = constants.iter().map(|&id| graph.value(id)).filter(|value| value.constant.is_some());
    values.map(|value| value.shape.elements() * value.dtype.size().min(4)).sum()
}
