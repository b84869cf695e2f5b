use std::collections::BTreeMap;

use sepconv_core::{Chain, KernelChoices, Layer, Plan, Result};

use super::chains::Chains;
use super::trials::{Trial, Trials, kernel_text, step_text};
use super::tuned::Tuned;

/// What another choice must take at most, beside the planner's, to be worth making: less may be noise.
pub(super) const GAIN: f64 = 0.98;

/// The part of the budget after which kernels are timed no more.
const KERNELS: f64 = 0.5;

/// Finds the fastest kernel of each layer by itself, then which of the layers that follow each other run together.
///
/// Layers are timed in plans that differ from each other in every layer at once, since steps wait for each other: as
/// many plans as a layer has kernels. Chains grow while that is faster than the parts they are made of.
pub(super) fn search(mut trials: Trials<'_>) -> Result<Tuned> {
    let untuned = trials.untuned().kernel_choices();
    trials.time(&[Trial { steps: steps(trials.untuned()), choices: untuned.clone() }], KERNELS)?;
    let network = Network::new(&trials, &untuned)?;
    let kernels = fastest_kernels(&network, &mut trials)?;
    let mut chains = Chains::new(&network, &trials, kernels);
    chains.grow(&mut trials)?;
    trials.finish(chains.fastest())
}

/// The network as a plan in which each layer runs by itself.
pub(super) struct Network {
    plan: Plan,
    /// Layers that follow each other and could run together, as indices of layers.
    pub(super) sequences: Vec<Vec<usize>>,
    /// Whether a layer can be told from all others by its name.
    is_named: Vec<bool>,
}

impl Network {
    fn new(trials: &Trials<'_>, untuned: &KernelChoices) -> Result<Self> {
        let mut alone = KernelChoices::default();
        let fused = trials.untuned();
        for layer in fused.layers() {
            let follows =
                |other: &Layer| other.predecessor.is_some_and(|before| fused.layers()[before].name == layer.name);
            let step = &fused.steps()[layer.step];
            let is_gated = step.layers().len() > 1 && step.row_block().is_none();
            if untuned.get(&layer.name).is_some() && !is_gated && fused.layers().iter().any(follows) {
                alone.insert_chain(&layer.name, Chain { layers: 1, rows: 1 });
            }
        }
        let plan = trials.plan(&alone)?;
        let layers = plan.layers();
        let is_named = layers.iter().map(|layer| untuned.get(&layer.name).is_some()).collect::<Vec<_>>();
        let is_alone = |layer: usize| plan.steps()[layers[layer].step].layers().len() == 1 && is_named[layer];
        let mut sequences: Vec<Vec<usize>> = Vec::new();
        for layer in (0..layers.len()).filter(|&layer| is_alone(layer)) {
            let before = layers[layer].predecessor;
            match sequences.iter_mut().find(|sequence| sequence.last().copied() == before) {
                Some(sequence) => sequence.push(layer),
                None => sequences.push(vec![layer]),
            }
        }
        sequences.retain(|sequence| sequence.len() > 1);
        Ok(Self { plan, sequences, is_named })
    }

    pub(super) fn layers(&self) -> &[Layer] {
        self.plan.layers()
    }

    /// The step of a layer with another kernel.
    pub(super) fn step_text(&self, layer: usize, kernel: &str) -> String {
        let together = self.plan.steps()[self.layers()[layer].step].layers();
        let kernel = |i: usize| if i == layer { kernel } else { &self.layers()[i].kernel };
        together.map(|i| kernel_text(&self.layers()[i].name, kernel(i))).collect::<Vec<_>>().join("\n")
    }

    /// The choice of `kernels` and of these chains; layers that are in none run by themselves.
    pub(super) fn choices(&self, kernels: &[String], chains: &BTreeMap<usize, Chain>) -> KernelChoices {
        let mut choices = KernelChoices::default();
        for (layer, kernel) in
            self.layers().iter().zip(kernels).enumerate().filter_map(|(i, both)| self.is_named[i].then_some(both))
        {
            choices.insert(&layer.name, kernel);
        }
        for sequence in &self.sequences {
            let mut i = 0;
            while i < sequence.len() {
                let chain = chains.get(&sequence[i]).copied().unwrap_or(Chain { layers: 1, rows: 1 });
                choices.insert_chain(&self.layers()[sequence[i]].name, chain);
                i += chain.layers;
            }
        }
        choices
    }
}

fn steps(plan: &Plan) -> Vec<String> {
    (0..plan.step_count()).map(|step| step_text(plan, step)).collect()
}

/// The kernel of each layer that is fastest where the layer runs by itself.
fn fastest_kernels(network: &Network, trials: &mut Trials<'_>) -> Result<Vec<String>> {
    let layers = network.layers();
    let most = layers.iter().map(|layer| layer.alternatives.len()).max().unwrap_or(0);
    let trial = |number: usize| {
        let kernel = |layer: &Layer| layer.alternatives.get(number).unwrap_or(&layer.kernel).clone();
        let kernels: Vec<_> = layers.iter().map(kernel).collect();
        let is_other = |i: &usize| network.is_named[*i] && number < layers[*i].alternatives.len();
        let steps = (0..layers.len()).filter(is_other).map(|i| network.step_text(i, &kernels[i])).collect();
        Trial { choices: network.choices(&kernels, &BTreeMap::new()), steps }
    };
    let all: Vec<_> = (0..most).map(trial).collect();
    trials.time(&all, KERNELS)?;
    let fastest = |(i, layer): (usize, &Layer)| {
        let ms = |kernel: &String| trials.ms(&network.step_text(i, kernel)).unwrap_or(f64::INFINITY);
        let best = layer.alternatives.iter().min_by(|a, b| ms(a).total_cmp(&ms(b)));
        best.filter(|best| ms(best) < GAIN * ms(&layer.kernel)).unwrap_or(&layer.kernel).clone()
    };
    Ok(layers.iter().enumerate().map(fastest).collect())
}
