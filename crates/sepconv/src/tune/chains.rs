use std::collections::BTreeMap;

use sepconv_core::{Chain, KernelChoices, Result};

use super::search::{GAIN, Network};
use super::trials::{Trial, Trials, kernel_text, step_text};

/// Layers of a chain, at most.
const MOST_LAYERS: usize = 8;

/// Rows of the last layer that a chain may make at a time.
const ROWS: [usize; 4] = [1, 2, 4, 8];

/// Bytes of a result that stays in the nearest cache whether layers run together or not.
const SMALL: usize = 16 << 10;

/// The part of the budget after which chains are timed no more; the rest is for whole runs.
const CHAINS: f64 = 0.85;

/// Which layers that follow each other run together: what was timed of each sequence.
pub(super) struct Chains<'n> {
    network: &'n Network,
    /// The kernel of each layer.
    kernels: Vec<String>,
    /// For each sequence, by the place of the first layer in it and the number of layers.
    parts: Vec<BTreeMap<(usize, usize), Part>>,
}

/// The fastest way to run neighboring layers of a sequence together, or one by itself.
#[derive(Clone)]
struct Part {
    ms: f64,
    rows: usize,
    /// Kernels of its layers.
    kernels: Vec<String>,
}

impl<'n> Chains<'n> {
    /// Layers by themselves, with the kernels that are fastest then, and what the planner would choose.
    pub(super) fn new(network: &'n Network, trials: &Trials<'_>, kernels: Vec<String>) -> Self {
        let (layers, fused) = (network.layers(), trials.untuned());
        let parts = network.sequences.iter().map(|sequence| {
            let mut parts = BTreeMap::new();
            for (place, &layer) in sequence.iter().enumerate() {
                if let Some(ms) = trials.ms(&network.step_text(layer, &kernels[layer])) {
                    keep(&mut parts, (place, 1), Part { ms, rows: 1, kernels: vec![kernels[layer].clone()] });
                }
            }
            for (number, step) in fused.steps().iter().enumerate() {
                let together = &fused.layers()[step.layers()];
                let first = sequence.iter().position(|&layer| layers[layer].name == together[0].name);
                if let (Some(first), Some(ms)) = (first, trials.ms(&step_text(fused, number))) {
                    let kernels = together.iter().map(|layer| layer.kernel.clone()).collect();
                    let part = Part { ms: GAIN * ms, rows: step.row_block().unwrap_or(1), kernels };
                    keep(&mut parts, (first, together.len()), part);
                }
            }
            parts
        });
        let parts = parts.collect();
        Self { network, kernels, parts }
    }

    /// Times chains of two layers, then those one longer than what was faster than its parts.
    pub(super) fn grow(&mut self, trials: &mut Trials<'_>) -> Result<()> {
        for len in 2..=MOST_LAYERS {
            let longer: Vec<Vec<usize>> = (0..self.parts.len()).map(|sequence| self.promising(sequence, len)).collect();
            if longer.iter().all(Vec::is_empty) {
                break;
            }
            let all: Vec<_> = ROWS.iter().flat_map(|&rows| self.trials(&longer, Chain { layers: len, rows })).collect();
            trials.time(&all, CHAINS)?;
            for (sequence, places) in longer.iter().enumerate() {
                for &place in places {
                    for chain in ROWS.map(|rows| Chain { layers: len, rows }) {
                        if let Some(ms) = trials.ms(&self.step_text(sequence, place, chain)) {
                            let kernels =
                                self.layers(sequence, place, len).iter().map(|&layer| self.kernels[layer].clone());
                            let part = Part { ms, rows: chain.rows, kernels: kernels.collect() };
                            keep(&mut self.parts[sequence], (place, len), part);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The layers of a part, as indices of layers.
    fn layers(&self, sequence: usize, place: usize, len: usize) -> &'n [usize] {
        &self.network.sequences[sequence][place..place + len]
    }

    /// The places at which a chain of so many layers may be worth timing.
    fn promising(&self, sequence: usize, len: usize) -> Vec<usize> {
        let places = 0..(self.network.sequences[sequence].len() + 1).saturating_sub(len);
        let pays = |place: usize| {
            let part = self.parts[sequence].get(&(place, len - 1));
            part.is_some_and(|part| part.ms < GAIN * self.fastest_split(sequence, place, len - 1, len - 2).0)
        };
        let is_large = |place: &usize| {
            let between = &self.layers(sequence, *place, len)[..len - 1];
            let bytes = |layer: usize| {
                let layer = &self.network.layers()[layer];
                layer.output.elements() * layer.output_dtype.size()
            };
            between.iter().all(|&layer| bytes(layer) > SMALL)
        };
        places.filter(is_large).filter(|&place| len == 2 || pays(place) || pays(place + 1)).collect()
    }

    /// Trials of a chain at all these places of each sequence: as many as have to be, since chains do not overlap.
    fn trials(&self, places: &[Vec<usize>], chain: Chain) -> Vec<Trial> {
        let mut sets: Vec<(BTreeMap<usize, Chain>, Vec<String>)> = Vec::new();
        for (sequence, places) in places.iter().enumerate() {
            let mut ends = Vec::new();
            for &place in places {
                let layers = self.layers(sequence, place, chain.layers);
                let rows = self.network.layers()[layers[chain.layers - 1]].output[1];
                if chain.rows > rows.max(1) {
                    continue;
                }
                let set = ends.iter().position(|&end| end <= place).unwrap_or(ends.len());
                ends.resize(ends.len().max(set + 1), 0);
                sets.resize(sets.len().max(set + 1), Default::default());
                ends[set] = place + chain.layers;
                sets[set].0.insert(layers[0], chain);
                sets[set].1.push(self.step_text(sequence, place, chain));
            }
        }
        let trial = |(chains, steps)| Trial { choices: self.network.choices(&self.kernels, &chains), steps };
        sets.into_iter().map(trial).collect()
    }

    fn step_text(&self, sequence: usize, place: usize, chain: Chain) -> String {
        let layers = self.layers(sequence, place, chain.layers);
        let name = |layer: usize| &self.network.layers()[layer].name;
        let first = format!("fused_chain {}x{}\t{}", chain.layers, chain.rows, name(layers[0]));
        let kernels = layers.iter().map(|&layer| kernel_text(name(layer), &self.kernels[layer]));
        [first].into_iter().chain(kernels).collect::<Vec<_>>().join("\n")
    }

    /// The least milliseconds of `len` layers from a place on, in parts of at most `most` layers; and those parts.
    fn fastest_split(&self, sequence: usize, place: usize, len: usize, most: usize) -> (f64, Vec<(usize, &Part)>) {
        let mut fastest: Vec<(f64, Vec<(usize, &Part)>)> = vec![(0.0, Vec::new())];
        for end in place + 1..=place + len {
            let mut best = (f64::INFINITY, Vec::new());
            for start in place.max(end.saturating_sub(most))..end {
                let Some(part) = self.parts[sequence].get(&(start, end - start)) else { continue };
                let (before, parts) = &fastest[start - place];
                if before + part.ms < best.0 {
                    best = (before + part.ms, [&parts[..], &[(start, part)]].concat());
                }
            }
            fastest.push(best);
        }
        fastest.swap_remove(len)
    }

    /// The fastest parts of all sequences.
    pub(super) fn fastest(&self) -> KernelChoices {
        let (mut kernels, mut chains) = (self.kernels.clone(), BTreeMap::new());
        for (sequence, layers) in self.network.sequences.iter().enumerate() {
            for (place, part) in self.fastest_split(sequence, 0, layers.len(), MOST_LAYERS).1 {
                let layers = self.layers(sequence, place, part.kernels.len());
                chains.insert(layers[0], Chain { layers: layers.len(), rows: part.rows });
                layers.iter().zip(&part.kernels).for_each(|(&layer, kernel)| kernels[layer].clone_from(kernel));
            }
        }
        self.network.choices(&kernels, &chains)
    }
}

/// Keeps a part where it is faster than what is known.
fn keep(parts: &mut BTreeMap<(usize, usize), Part>, place: (usize, usize), part: Part) {
    if parts.get(&place).is_none_or(|known| part.ms < known.ms) {
        parts.insert(place, part);
    }
}
