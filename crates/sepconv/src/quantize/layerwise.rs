use std::collections::HashMap;
use std::sync::Arc;

use sepconv_core::{Graph, Node, Result, Tensor, ValueId};
use sepconv_kernels::Activation;

use super::bytes::Affine;
use super::partition::{Partition, Placement, activation_after, after_activation};
use super::rounding::Moments;
use super::statistics::ChannelMean;
use super::weights::{self, Integers};
use super::{Quantizer, Range};
use crate::execute::{ActivationStore, Executor, NodeRunner, computed, inward, probe_results, tensor};
use crate::noise::Noise;
use sepconv_core::Uses;

/// An activation whose slope at a channel is below the root of this cannot be corrected from before it.
const FLAT: f64 = 0.1;

/// Quantizes layers in order, each with the calibration activations of the layers before it, already quantized. The
/// first few samples also go through the f32 network, to measure the noise.
pub(super) struct LayerwisePass<'a> {
    pub(super) graph: &'a Graph,
    pub(super) uses: &'a Uses,
    pub(super) partition: &'a Partition,
    pub(super) executor: &'a Executor,
    pub(super) quantizer: &'a Quantizer,
    /// The scale and zero point of each value that becomes int8.
    pub(super) affine: &'a HashMap<ValueId, Affine>,
    /// For the result of each layer, behind its activation: the mean of each channel in the f32 network. Empty if
    /// biases are not corrected.
    pub(super) means: &'a HashMap<ValueId, Vec<f64>>,
    /// Whether weights are fitted to the samples.
    pub(super) optimize: bool,
}

/// The result of a [`LayerwisePass`].
pub(super) struct QuantizedLayers {
    /// For each layer on integers, by its node.
    pub(super) layers: HashMap<usize, Integers>,
    /// For each node that is no clip: how its result differs from the f32 network's.
    pub(super) noise: HashMap<usize, Noise>,
}

/// A value of one sample in the quantized network.
enum Stored {
    F32(Tensor),
    Int8(Vec<u8>),
}

/// Activations of the nodes so far, and the number of samples in each network.
struct State {
    quantized: ActivationStore<Stored>,
    exact: ActivationStore<Tensor>,
    samples: usize,
    exact_samples: usize,
}

impl LayerwisePass<'_> {
    /// Runs all samples; `exact` of them go through the f32 network too.
    pub(super) fn run(
        &self,
        samples: &[Vec<Tensor>],
        exact: usize,
        advance: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<QuantizedLayers> {
        let mut state = self.start(samples, exact)?;
        let mut quantized_layers = QuantizedLayers { layers: HashMap::new(), noise: HashMap::new() };
        for (i, node) in self.graph.nodes().iter().enumerate() {
            let placement = self.partition.placement(i);
            if placement == Placement::Layer {
                quantized_layers.layers.insert(i, self.layer(node, &state)?);
            }
            if placement != Placement::Clip {
                quantized_layers.noise.insert(i, self.node(i, node, quantized_layers.layers.get(&i), &mut state)?);
            }
            state.quantized.release(i);
            state.exact.release(i);
            advance(1)?;
        }
        Ok(quantized_layers)
    }

    fn start(&self, samples: &[Vec<Tensor>], exact: usize) -> Result<State> {
        let (mut quantized, mut kept) = (ActivationStore::new(self.graph), ActivationStore::new(self.graph));
        let inputs = samples.iter().map(|sample| inward(self.graph, sample)).collect::<Result<Vec<_>>>()?;
        for (i, port) in self.graph.inputs().iter().enumerate() {
            kept.insert(port.value, inputs.iter().take(exact).map(|sample| sample[i].clone()).collect());
            let stored = inputs.iter().map(|sample| self.store(port.value, sample[i].clone())).collect();
            quantized.insert(port.value, stored);
        }
        Ok(State { quantized, exact: kept, samples: samples.len(), exact_samples: exact.min(samples.len()) })
    }

    /// The scale and zero point of a value that becomes int8.
    fn affine(&self, id: ValueId) -> Option<Affine> {
        self.affine.get(&self.partition.shared(id)?).copied()
    }

    fn store(&self, id: ValueId, dequantized: Tensor) -> Stored {
        match self.affine(id) {
            Some(affine) => Stored::Int8(affine.encode(dequantized.as_f32().unwrap_or_default())),
            None => Stored::F32(dequantized),
        }
    }

    /// The operand as the node reads it.
    fn read(&self, state: &State, id: ValueId, sample: usize) -> Result<Tensor> {
        match (&state.quantized.get(id)[sample], self.affine(id)) {
            (Stored::Int8(bytes), Some(affine)) => tensor(self.graph, id, affine.decode(bytes)),
            (Stored::Int8(_), None) => unreachable!("bytes have a scale"),
            (Stored::F32(dequantized), _) => Ok(dequantized.clone()),
        }
    }

    fn run_quantized(&self, runner: &mut NodeRunner, node: &Node, state: &State, sample: usize) -> Result<Vec<f32>> {
        let operands = computed(self.graph, node).map(|id| self.read(state, id, sample)).collect::<Result<Vec<_>>>()?;
        Ok(runner.run(&operands.iter().collect::<Vec<_>>())?.to_vec())
    }

    /// Runs a node on all samples, in both networks, and compares.
    fn node(&self, i: usize, node: &Node, integers: Option<&Integers>, state: &mut State) -> Result<Noise> {
        let (result, clip) = self.partition.result(self.graph, i);
        let mut runner = self.executor.plan(self.graph, node, &|operand| self.known(node, integers, operand))?;
        // Numbers of one sample in each network come and go beside those that stay.
        probe_results(self.graph, result, state.samples + state.exact_samples + 2)?;
        let mut stored = Vec::with_capacity(state.samples);
        for sample in 0..state.samples {
            let dequantized = clipped(self.run_quantized(&mut runner, node, state, sample)?, clip);
            stored.push(self.store(result, tensor(self.graph, result, dequantized)?));
        }
        state.quantized.insert(result, stored);

        let mut runner = self.executor.plan(self.graph, node, &|_| None)?;
        let (mut noise, mut exact) = (Noise::default(), Vec::with_capacity(state.exact_samples));
        for sample in 0..state.exact_samples {
            let operands: Vec<&Tensor> = computed(self.graph, node).map(|id| &state.exact.get(id)[sample]).collect();
            let dequantized = clipped(runner.run(&operands)?.to_vec(), clip);
            let rounded = self.read(state, result, sample)?;
            noise.compare(&dequantized, rounded.as_f32().unwrap_or_default());
            exact.push(tensor(self.graph, result, dequantized)?);
        }
        state.exact.insert(result, exact);
        Ok(noise)
    }

    /// Chooses the integers of a layer.
    fn layer(&self, node: &Node, state: &State) -> Result<Integers> {
        let constant = |i: usize| self.graph.value(node.inputs[i]).constant.as_deref().and_then(Tensor::as_f32);
        let (weights, bias) = (constant(1).unwrap_or_default(), constant(2).unwrap_or_default());
        let x_scale = self.affine(node.inputs[0]).map_or(1.0, |affine| affine.scale);
        let moments = if self.optimize { self.moments(node, state)? } else { None };
        let refitted = moments.as_ref().map(|moments| moments.refit(weights));
        let weights = refitted.as_deref().unwrap_or(weights);
        let fit = self.quantizer.range == Range::Mse;
        let scale = weights::scales(weights, bias, x_scale, self.quantizer.weights, fit);
        let rounded = match moments {
            Some(moments) => moments.round(weights, &scale),
            None => weights::round(weights, &scale),
        };
        let mut integers = Integers::new(rounded, scale, bias, x_scale);
        if let Some(means) = self.means.get(&after_activation(self.graph, self.uses, node.output)) {
            let shift = self.shift(node, &integers, means, state)?;
            let corrected: Vec<f32> = bias.iter().zip(shift).map(|(&b, shift)| (f64::from(b) + shift) as f32).collect();
            integers.set_bias(&corrected, x_scale);
        }
        Ok(integers)
    }

    /// What a layer's filters are multiplied with.
    fn moments(&self, node: &Node, state: &State) -> Result<Option<Moments>> {
        let Some(mut moments) = Moments::new(self.graph, node, self.quantizer.correct_biases) else { return Ok(None) };
        for (sample, exact) in state.exact.get(node.inputs[0]).iter().enumerate() {
            let x = self.read(state, node.inputs[0], sample)?;
            let [x, exact] = [&x, exact].map(|tensor| tensor.as_f32().unwrap_or_default());
            moments.add(x, exact, sample, state.exact_samples);
        }
        Ok(Some(moments))
    }

    /// For each filter by how much its bias should grow to restore the mean of the float network. What counts is the
    /// mean behind the function that follows, if one does: hard-swish makes zeros of numbers far below -3, whose errors
    /// are large and of no consequence, and a shift that made up for them would harm all others. One step of Newton's,
    /// damped where the function is flat.
    fn shift(&self, node: &Node, integers: &Integers, means: &[f64], state: &State) -> Result<Vec<f64>> {
        let mut runner = self.executor.plan(self.graph, node, &|operand| self.known(node, Some(integers), operand))?;
        let function = activation_after(self.graph, self.uses, node.output);
        let slope = |y: f32| {
            let step = y.abs().max(1.0) / 64.0;
            (function.apply(y + step) - function.apply(y - step)) / (2.0 * step)
        };
        let (mut mean, mut slopes) = (ChannelMean::new(means.len()), ChannelMean::new(means.len()));
        for sample in 0..state.samples {
            let y = self.run_quantized(&mut runner, node, state, sample)?;
            mean.add(&y.iter().map(|&y| function.apply(y)).collect::<Vec<_>>());
            slopes.add(&y.iter().map(|&y| slope(y)).collect::<Vec<_>>());
        }
        let lacking = means.iter().zip(mean.finish()).zip(slopes.finish());
        Ok(lacking
            .map(|((exact, mean), slope)| (exact - mean) * slope * (1.0 + FLAT) / (slope * slope + FLAT))
            .collect())
    }

    /// The constants of a layer on integers.
    fn known(&self, node: &Node, integers: Option<&Integers>, operand: usize) -> Option<Arc<Tensor>> {
        let dequantized = match operand {
            1 => integers?.real_weights(),
            2 => integers?.real_bias(),
            _ => return None,
        };
        tensor(self.graph, node.inputs[operand], dequantized).ok().map(Arc::new)
    }
}

fn clipped(mut dequantized: Vec<f32>, clip: Activation) -> Vec<f32> {
    if clip != Activation::Identity {
        dequantized.iter_mut().for_each(|x| *x = clip.apply(*x));
    }
    dequantized
}
