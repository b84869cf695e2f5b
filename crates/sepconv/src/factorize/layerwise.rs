use std::collections::HashMap;
use std::sync::Arc;

use sepconv_core::{Graph, Node, Result, Tensor, ValueId};

use super::fit::Fit;
use super::layers::{Layer, residual_of};
use super::rows::{Rows, products};
use super::weights::{Separable, Standard};
use crate::execute::{ActivationStore, Executor, computed, inward, probe_results, tensor};
use crate::noise::Noise;

/// Rows that a layer is fitted to.
const ROWS: usize = 16_384;
/// Values that the rows of a layer hold at most.
const VALUES: usize = 1 << 24;
/// Rounds of a fit.
const ROUNDS: usize = 20;

/// What a layer becomes.
#[derive(Clone, Debug)]
pub(super) enum Replacement {
    Separable(Separable),
    /// As it was, with weights that make up for what the layers before it lost.
    Standard(Standard),
}

/// Fits layers in order: each sees what the layers before it, factorized already, give it, and should give what it gave
/// in the original network. So errors do not add up.
pub(super) struct LayerwisePass<'a> {
    pub(super) graph: &'a Graph,
    pub(super) executor: &'a Executor,
    /// By node.
    pub(super) layers: &'a HashMap<usize, &'a Layer>,
    /// By node.
    pub(super) terms: &'a HashMap<usize, usize>,
}

/// The result of a [`LayerwisePass`], by node.
pub(super) struct FittedLayers {
    pub(super) replaced: HashMap<usize, Replacement>,
    /// How the result differs from the original network's.
    pub(super) noise: HashMap<usize, Noise>,
}

/// Activations of all samples in both networks.
struct State {
    factorized: ActivationStore<Tensor>,
    original: ActivationStore<Tensor>,
    samples: usize,
}

impl LayerwisePass<'_> {
    pub(super) fn run(
        &self,
        samples: &[Vec<Tensor>],
        advance: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<FittedLayers> {
        let mut state = self.start(samples)?;
        let mut fitted = FittedLayers { replaced: HashMap::new(), noise: HashMap::new() };
        for (i, node) in self.graph.nodes().iter().enumerate() {
            let layer = self.layers.get(&i).copied();
            let terms = self.terms.get(&i).copied();
            let product = match layer.filter(|_| terms.is_some() || !fitted.replaced.is_empty()) {
                Some(layer) => {
                    let (replacement, product) = self.fit(node, layer, terms, &state)?;
                    fitted.replaced.insert(i, replacement);
                    Some(product.tensor(layer.conv.window.kernel)?).zip(Some(product.bias))
                }
                None => None,
            };
            fitted.noise.insert(i, self.node(node, product, &mut state)?);
            state.factorized.release(i);
            state.original.release(i);
            advance(i + 1)?;
        }
        Ok(fitted)
    }

    fn start(&self, samples: &[Vec<Tensor>]) -> Result<State> {
        let [mut factorized, mut original] = [(); 2].map(|()| ActivationStore::<Tensor>::new(self.graph));
        let inputs = samples.iter().map(|sample| inward(self.graph, sample)).collect::<Result<Vec<_>>>()?;
        for (i, port) in self.graph.inputs().iter().enumerate() {
            for store in [&mut factorized, &mut original] {
                store.insert(port.value, inputs.iter().map(|sample| sample[i].clone()).collect());
            }
        }
        Ok(State { factorized, original, samples: samples.len() })
    }

    /// What a layer becomes, and the standard convolution that computes the same.
    fn fit(&self, node: &Node, layer: &Layer, terms: Option<usize>, state: &State) -> Result<(Replacement, Standard)> {
        let rows = self.rows(node, layer, state);
        let fit = Fit::new(self.executor.isa(), &layer.standard, &rows);
        let separable = fit.run(terms.unwrap_or(layer.standard.taps), ROUNDS).separable;
        let product = separable.product(&layer.standard);
        Ok(match terms {
            Some(_) => (Replacement::Separable(separable), product),
            None => (Replacement::Standard(product.clone()), product),
        })
    }

    /// What the layer sees in the factorized network, and what it made in the original one.
    fn rows(&self, node: &Node, layer: &Layer, state: &State) -> Rows {
        let sampling = layer.sampling(state.samples, ROWS.min(VALUES / layer.standard.depth().max(1)));
        let mut rows = Rows { bounds: Rows::bounds_of(layer.conv.activation), ..Rows::default() };
        let mut added = vec![];
        for sample in 0..state.samples {
            sampling.windows(values(&state.factorized, node.inputs[0], sample), sample, &mut rows.x);
            let mut windows = vec![];
            sampling.windows(values(&state.original, node.inputs[0], sample), sample, &mut windows);
            rows.y.extend(products(self.executor.isa(), &windows, &layer.standard));
            if let Some(residual) = residual_of(node) {
                sampling.values(values(&state.factorized, residual, sample), sample, &mut rows.residual);
                sampling.values(values(&state.original, residual, sample), sample, &mut added);
            }
        }
        rows.y.iter_mut().zip(added).for_each(|(y, residual)| *y += residual);
        rows
    }

    /// Runs a node on all samples, in both networks, and compares.
    fn node(&self, node: &Node, product: Option<(Tensor, Vec<f32>)>, state: &mut State) -> Result<Noise> {
        let graph = self.graph;
        probe_results(graph, node.output, 2 * state.samples + 2)?;
        let mut noise = Noise::default();
        let known = product.map(|(weights, bias)| (Arc::new(weights), bias));
        let replaced = |operand: usize| match (&known, operand) {
            (Some((weights, _)), 1) => Some(weights.clone()),
            (Some((_, bias)), 2) => tensor(graph, node.inputs[2], bias.clone()).ok().map(Arc::new),
            (Some(_) | None, _) => None,
        };
        let mut results = [vec![], vec![]];
        let stores = [&state.original, &state.factorized];
        let mut runners = [self.executor.plan(graph, node, &|_| None)?, self.executor.plan(graph, node, &replaced)?];
        for sample in 0..state.samples {
            for ((runner, store), results) in runners.iter_mut().zip(stores).zip(&mut results) {
                let operands: Vec<&Tensor> = computed(graph, node).map(|id| &store.get(id)[sample]).collect();
                results.push(tensor(graph, node.output, runner.run(&operands)?.to_vec())?);
            }
            let [exact, approximate] = [0, 1].map(|i| results[i][sample].as_f32().unwrap_or_default());
            noise.compare(exact, approximate);
        }
        let [original, factorized] = results;
        state.original.insert(node.output, original);
        state.factorized.insert(node.output, factorized);
        Ok(noise)
    }
}

fn values(store: &ActivationStore<Tensor>, id: ValueId, sample: usize) -> &[f32] {
    store.get(id)[sample].as_f32().unwrap_or_default()
}
