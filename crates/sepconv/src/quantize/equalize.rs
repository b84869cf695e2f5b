use std::collections::HashMap;

use sepconv_core::op::{Reduce, UnaryFunction};
use sepconv_core::rewrite;
use sepconv_core::{Graph, Op, Result, Tensor, ValueId};
use sepconv_kernels::{Activation, reduce::Reduction};

use super::Granularity;
use super::partition::is_layer;
use sepconv_core::Uses;

/// Rounds over all pairs; each pair changes what its neighbors see.
const ROUNDS: usize = 40;
/// No channel is scaled by more: what calibration hardly saw should keep some of its range.
const MOST: f32 = 64.0;
/// By how much a channel that grows stays below the bound of a ReLU6: images that calibration did not see reach
/// further.
const ROOM: f32 = 2.0;

/// Two layers of which the second reads what the first gives, channel by channel, through functions that let a positive
/// factor pass.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) first: usize,
    pub(super) second: usize,
    /// The value between them, behind the activation.
    pub(super) between: ValueId,
    /// Where the activation cuts, if it does: factors of channels that reach it are 1.
    bound: Option<f32>,
}

/// The pairs of a [decomposed](super::decompose) network.
pub(super) fn pairs(graph: &Graph, uses: &Uses) -> Vec<Pair> {
    let nodes = graph.nodes();
    let from = |first: usize| {
        let (mut value, mut bound) = (nodes[first].output, None);
        let mut between = value;
        loop {
            let next = uses.sole_reader(value)?;
            let node = &nodes[next];
            match &node.op {
                _ if is_layer(graph, node) && node.inputs[0] == value => {
                    return Some(Pair { first, second: next, between, bound });
                }
                Op::Unary(UnaryFunction::Activation(Activation::Clip { low: 0.0, high })) if bound.is_none() => {
                    bound = Some(*high);
                    between = node.output;
                }
                Op::Unary(UnaryFunction::Activation(Activation::Relu)) => between = node.output,
                Op::Unary(UnaryFunction::Activation(Activation::LeakyRelu { slope })) if *slope >= 0.0 => {
                    between = node.output
                }
                op if keeps_channels(graph, op, value, node.output) => {}
                _ => return None,
            }
            value = node.output;
        }
    };
    let constant_once = |node: usize| nodes[node].inputs[1..3].iter().all(|&id| uses.readers(id).len() == 1);
    let layers = (0..nodes.len()).filter(|&i| is_layer(graph, &nodes[i]));
    layers.filter_map(from).filter(|pair| constant_once(pair.first) && constant_once(pair.second)).collect()
}

/// Functions of single channels for which `f(s·x) = s·f(x)`.
fn keeps_channels(graph: &Graph, op: &Op, from: ValueId, to: ValueId) -> bool {
    let last = |id: ValueId| graph.value(id).shape.last();
    match op {
        Op::Pool(_) => true,
        Op::Reduce(Reduce { reduction: Reduction::Mean, axes, .. }) => axes[..] == [1, 2],
        Op::Reshape(_) => last(from) == last(to),
        _ => false,
    }
}

/// The weights of a layer while they change: `[filters, taps, inputs]`.
struct Weights {
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Inputs of one filter, and filters that share them.
    inputs: usize,
    filters: usize,
    taps: usize,
}

impl Weights {
    fn new(graph: &Graph, node: usize) -> Self {
        let node = &graph.nodes()[node];
        let floats = |i: usize| graph.value(node.inputs[i]).constant.as_deref().and_then(Tensor::as_f32);
        let shape = &graph.value(node.inputs[1]).shape;
        let groups = if let Op::Conv2d(conv) = &node.op { conv.groups } else { 1 };
        Self {
            weights: floats(1).unwrap_or_default().to_vec(),
            bias: floats(2).unwrap_or_default().to_vec(),
            inputs: shape.last(),
            filters: shape[0] / groups,
            taps: shape.elements() / shape[0].max(1),
        }
    }

    /// The input channel of each weight.
    fn channel(&self, weight: usize) -> usize {
        weight / self.taps / self.filters * self.inputs + weight % self.inputs
    }

    fn row_ranges(&self) -> Vec<f32> {
        self.weights.chunks_exact(self.taps).map(|row| row.iter().fold(0.0f32, |most, w| most.max(w.abs()))).collect()
    }

    /// The greatest magnitude that each input channel is multiplied with; where filters have scales of their own, as a
    /// part of the filter's greatest.
    fn column_ranges(&self, channels: usize, granularity: Granularity) -> Vec<f32> {
        let rows = match granularity {
            Granularity::PerChannel => self.row_ranges(),
            Granularity::PerTensor => vec![1.0; self.bias.len()],
        };
        let mut ranges = vec![0.0f32; channels];
        for (i, w) in self.weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let range = &mut ranges[self.channel(i)];
            *range = range.max(w.abs() / rows[i / self.taps]);
        }
        ranges
    }

    fn scale_rows(&mut self, factors: &[f32]) {
        self.weights.iter_mut().enumerate().for_each(|(i, w)| *w *= factors[i / self.taps]);
        self.bias.iter_mut().zip(factors).for_each(|(b, factor)| *b *= factor);
    }

    fn scale_columns(&mut self, factors: &[f32]) {
        for i in 0..self.weights.len() {
            self.weights[i] /= factors[self.channel(i)];
        }
    }
}

/// Cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1): each channel between two layers is
/// scaled by `sqrt(r2/r1)` and the second layer's weights by the inverse, until the range `r1` that the channel takes
/// before and the range `r2` of the weights that it meets agree.
///
/// With one scale for all filters `r1` is the range of the first layer's weights, as in the paper. With a scale for
/// each filter these cost nothing and `r1` is the range of the channel itself (`greatest`), which all share one scale.
/// Below the bound of a ReLU6 channels grow to a part of it at most, and none shrinks: the bound cuts what it cut
/// before.
pub(super) fn equalize(
    graph: &Graph,
    pairs: &[Pair],
    mut greatest: HashMap<ValueId, Vec<f32>>,
    granularity: Granularity,
) -> Result<Graph> {
    let touched = pairs.iter().flat_map(|pair| [pair.first, pair.second]);
    let mut layers: HashMap<usize, Weights> = touched.map(|node| (node, Weights::new(graph, node))).collect();
    let mut totals: HashMap<ValueId, Vec<f32>> =
        pairs.iter().map(|pair| (pair.between, vec![1.0; layers[&pair.first].bias.len()])).collect();
    for _ in 0..ROUNDS {
        for pair in pairs {
            let (Some(seen), Some(total)) = (greatest.get_mut(&pair.between), totals.get_mut(&pair.between)) else {
                continue;
            };
            let before = match granularity {
                Granularity::PerChannel => seen.clone(),
                Granularity::PerTensor => layers[&pair.first].row_ranges(),
            };
            let after = layers[&pair.second].column_ranges(seen.len(), granularity);
            let factors = factors(&before, &after, seen, total, pair.bound);
            total.iter_mut().zip(&factors).for_each(|(total, factor)| *total *= factor);
            seen.iter_mut().zip(&factors).for_each(|(seen, factor)| *seen *= factor);
            layers.get_mut(&pair.first).expect("collected above").scale_rows(&factors);
            layers.get_mut(&pair.second).expect("collected above").scale_columns(&factors);
        }
    }
    with_weights(graph, &layers)
}

/// By what each channel between two layers is multiplied next.
fn factors(before: &[f32], after: &[f32], seen: &[f32], total: &[f32], bound: Option<f32>) -> Vec<f32> {
    // Subnormal ranges hold nothing but noise. Roots of normal ones have a ratio that is neither zero nor infinite.
    let has_range = |c: usize| before[c].is_normal() && after[c].is_normal();
    let wanted = |c: usize| if has_range(c) { after[c].sqrt() / before[c].sqrt() } else { 1.0 };
    // The widest channel keeps its range: one factor for all channels is free.
    let widest = |scaled: &dyn Fn(usize) -> f32| (0..seen.len()).map(|c| seen[c] * scaled(c)).fold(0.0, f32::max);
    let common = widest(&|_| 1.0) / widest(&wanted);
    let common = if common.is_finite() { common } else { 1.0 };
    let limited = |c: usize| {
        let (least, most) = match bound {
            _ if seen[c] == 0.0 => (1.0, 1.0),
            Some(bound) => (1.0 / total[c], (bound / ROOM / seen[c]).clamp(1.0 / total[c], MOST / total[c])),
            None => (1.0 / MOST / total[c], MOST / total[c]),
        };
        (wanted(c) * common).clamp(least, most.max(least))
    };
    (0..seen.len()).map(limited).collect()
}

fn with_weights(graph: &Graph, layers: &HashMap<usize, Weights>) -> Result<Graph> {
    let mut i = 0;
    rewrite(graph, |rewriter, node| {
        let changed = layers.get(&i);
        i += 1;
        let Some(changed) = changed else { return Ok(None) };
        let mut operands = node.inputs.clone();
        for (operand, floats) in [(1, &changed.weights), (2, &changed.bias)] {
            let value = rewriter.builder.value(operands[operand]);
            let (name, dims) = (value.name.clone(), value.shape.to_vec());
            operands[operand] = rewriter.add_f32(&name, &dims, floats.clone())?;
        }
        rewriter.builder.node(&node.name, node.op.clone(), &operands).map(Some)
    })
}
