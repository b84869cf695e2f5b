use alloc::vec;
use alloc::vec::Vec;

use crate::op::{Binary, BinaryFunction, Reduce};
use sepconv_kernels::{Activation, reduce::Reduction};

use super::chain::{Geometry, MOST_LAYERS, shared_rows, strip};
use crate::{
    DType, Graph, Node, Op, ValueId,
    op::{ConvKind, image},
};

/// Nodes that become a step.
pub(super) struct Group {
    /// In order; only the result of the last is kept.
    pub(super) nodes: Vec<usize>,
    /// The node that takes the mean of each plane of the result, whose rows' means the step leaves beside it.
    pub(super) mean: Option<usize>,
}

impl Group {
    /// A node by itself.
    pub(super) fn alone(node: usize) -> Self {
        Self { nodes: vec![node], mean: None }
    }

    /// The node whose result is kept.
    pub(super) fn last(&self) -> usize {
        self.nodes[self.nodes.len() - 1]
    }
}

/// What lies between two layers stays in the second-level cache if it is smaller: then they run one after the other.
const SMALL: usize = 200 << 10;

/// Weights that stay in the second-level cache beside the rows of a chain, so that reading them again for each strip costs little.
const RESIDENT: usize = 96 << 10;

/// Layers of a chain that slide over rows, at most: where threads meet, each of them makes a chain compute more rows twice.
const MOST_WINDOWS: usize = 3;

/// The nodes of a graph in the groups that become steps, in an order that keeps dependencies: most alone, layers that follow each other
/// together where that saves traffic, a gate with the projection that it is for.
pub(super) fn groups(graph: &Graph, threads: usize) -> Vec<Group> {
    let (readers, means) = (sole_readers(graph), global_means(graph));
    let mut lead: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut together = Vec::new();
    for i in 0..graph.nodes.len() {
        let group = if lead[i].is_none() {
            gated(graph, &readers, i).or_else(|| chain(graph, &readers, i, threads))
        } else {
            None
        };
        if let Some(group) = group {
            group.iter().for_each(|&node| lead[node] = Some(together.len()));
            together.push(group);
        }
    }
    // A group runs where its last node stands: nobody else reads what its other nodes make.
    (0..graph.nodes.len())
        .filter_map(|i| match lead[i] {
            None => Some(vec![i]),
            Some(group) => (together[group].last() == Some(&i)).then(|| core::mem::take(&mut together[group])),
        })
        .map(|nodes| {
            let last = &graph.nodes[nodes[nodes.len() - 1]];
            Group { nodes, mean: means[last.output.0].filter(|_| leaves_means(graph, last)) }
        })
        .collect()
}

/// The node that alone reads each value, where there is one.
fn sole_readers(graph: &Graph) -> Vec<Option<usize>> {
    let mut readers: Vec<(usize, usize)> = vec![(0, 0); graph.values.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|id| readers[id.0] = (readers[id.0].0 + 1, i));
    }
    graph.outputs.iter().for_each(|port| readers[port.value.0].0 += 1);
    readers.into_iter().map(|(count, reader)| (count == 1).then_some(reader)).collect()
}

/// A node that takes the global mean of each value, where there is one.
fn global_means(graph: &Graph) -> Vec<Option<usize>> {
    let mut means = vec![None; graph.values.len()];
    for (i, node) in graph.nodes.iter().enumerate().filter(|(_, node)| is_global_mean(&node.op)) {
        means[node.inputs[0].0] = Some(i);
    }
    means
}

/// Whether a node is of those that can leave the means of their rows: depthwise convolutions of floats.
fn leaves_means(graph: &Graph, node: &Node) -> bool {
    matches!(node.op, Op::Conv2d(_))
        && graph.conv_kind(node) == Some(ConvKind::Depthwise)
        && !adds_residual(node)
        && graph.value(node.output).shape.elements() > 0
}

/// Whether an operator is the mean over the plane of an image.
pub(super) fn is_global_mean(op: &Op) -> bool {
    matches!(op, Op::Reduce(Reduce { reduction: Reduction::Mean, axes, .. }) if axes[..] == [1, 2])
}

/// The product with a gate for each channel and the projection that alone reads it, where scaling the projection's weights costs less than
/// scaling its input.
fn gated(graph: &Graph, readers: &[Option<usize>], product: usize) -> Option<Vec<usize>> {
    let gate = &graph.nodes[product];
    let reader = readers[gate.output.0]?;
    let project = &graph.nodes[reader];
    let is_gate =
        matches!(gate.op, Op::Binary(Binary { function: BinaryFunction::Mul, activation: Activation::Identity }))
            && project.inputs[0] == gate.output
            && has_gate(graph, gate);
    let is_projection = matches!(project.op, Op::Conv2d(_))
        && graph.conv_kind(project) == Some(ConvKind::Pointwise)
        && graph.value(project.inputs[1]).constant.is_some();
    let shape = &graph.value(project.output).shape;
    let (elements, channels) = (shape.elements(), shape.last());
    (is_gate && is_projection && elements > channels && elements / channels >= channels).then(|| vec![product, reader])
}

/// Whether one operand of a product has a number for each channel, and the other the shape of the result.
fn has_gate(graph: &Graph, product: &Node) -> bool {
    let shape = |id: ValueId| &graph.value(id).shape;
    let out = shape(product.output);
    let is_gate = |i: usize| {
        let [gate, x] = [i, 1 - i].map(|i| shape(product.inputs[i]));
        x == out && gate != out && gate.elements() == out.last() && gate.last() == out.last()
    };
    is_gate(0) || is_gate(1)
}

/// Layers from `first` on of which each alone reads what the one before it makes, as many as it pays to run together.
fn chain(graph: &Graph, readers: &[Option<usize>], first: usize, threads: usize) -> Option<Vec<usize>> {
    let mut nodes = vec![first];
    let mut layers = vec![geometry(graph, &graph.nodes[first])?];
    let mut traffic = weight_bytes(graph, &graph.nodes[first]);
    while nodes.len() < MOST_LAYERS {
        let last = &graph.nodes[nodes[nodes.len() - 1]];
        let Some(next) = readers[last.output.0] else { break };
        let node = &graph.nodes[next];
        let Some(layer) = geometry(graph, node).filter(|_| joins(graph, last, node)) else { break };
        layers.push(layer);
        let all = nodes.iter().chain([&next]).map(|&i| weight_bytes(graph, &graph.nodes[i])).sum::<usize>();
        let link = graph.value(last.output).bytes() / graph.value(last.output).shape[0].max(1);
        let apart = traffic.saturating_add(weight_bytes(graph, node)).saturating_add(2 * link);
        let Some(together) = traffic_together(graph, last, &layers, all) else { break };
        let again = computed_again(graph, &nodes, &layers).saturating_mul(threads - 1);
        let windows = layers.iter().filter(|layer| layer.window.is_some()).count();
        if link <= SMALL || together.saturating_add(again) > apart || windows > MOST_WINDOWS {
            break;
        }
        nodes.push(next);
        traffic = together;
    }
    (nodes.len() > 1).then_some(nodes)
}

/// Bytes of `weights` that a chain reads from beyond the second-level cache: all of them for each strip of rows, unless they stay there.
fn traffic_together(graph: &Graph, node: &Node, layers: &[Geometry], weights: usize) -> Option<usize> {
    let rows = strip(layers, graph.value(node.output).dtype.size())?;
    let strips = layers[layers.len() - 1].output[0].div_ceil(rows);
    Some(if weights <= RESIDENT { weights } else { weights.saturating_mul(strips) })
}

/// Multiply-adds that are done twice wherever two threads meet, for layers `nodes` before the last of `layers`, as bytes that take as long: a
/// core multiplies a float in the time that it takes to fetch a byte from beyond the second-level cache, and four bytes.
fn computed_again(graph: &Graph, nodes: &[usize], layers: &[Geometry]) -> usize {
    let shared = shared_rows(layers);
    let macs = |(&i, &rows): (&usize, &usize)| {
        let node = &graph.nodes[i];
        let (values, output) = (node.inputs.iter().map(|&id| graph.value(id)), graph.value(node.output));
        let all = usize::try_from(node.op.macs(&values.collect::<Vec<_>>(), &output.shape)).unwrap_or(usize::MAX);
        let rate = if output.dtype == DType::F32 { 1 } else { 4 };
        all / (output.shape[0] * output.shape[1]) * rows / rate
    };
    nodes.iter().zip(&shared).map(macs).sum()
}

fn weight_bytes(graph: &Graph, node: &Node) -> usize {
    graph.value(node.inputs[1]).bytes()
}

/// Whether `next` can follow `last` in a chain: it slides over what `last` makes, which is nobody's residual and has none, and both compute
/// with the same numbers.
fn joins(graph: &Graph, last: &Node, next: &Node) -> bool {
    let dtype = |id: ValueId| graph.value(id).dtype;
    let standard = !matches!(graph.conv_kind(next), Some(ConvKind::Depthwise | ConvKind::Pointwise));
    next.inputs[0] == last.output
        && !adds_residual(last)
        && !standard
        && [last.inputs[0], last.output, next.output].iter().all(|&id| dtype(id) == dtype(next.inputs[0]))
}

/// The planes of a layer that a chain can have: a convolution of more than a pixel; a depthwise one adds no residual.
pub(super) fn geometry(graph: &Graph, node: &Node) -> Option<Geometry> {
    let [input, output] = [node.inputs[0], node.output].map(|id| &graph.value(id).shape);
    let window = match &node.op {
        Op::Conv2d(conv) => conv.window,
        Op::QConv2d(conv) => conv.window,
        _ => return None,
    };
    let kind = graph.conv_kind(node)?;
    let constant = node.inputs[1..3].iter().all(|id| graph.value(*id).constant.is_some());
    let refused = kind == ConvKind::Depthwise && adds_residual(node);
    if refused || !constant || output.elements() <= output.last() || graph.value(node.output).dtype == DType::I64 {
        return None;
    }
    let window = (kind != ConvKind::Pointwise).then_some(window);
    Some(Geometry { window, input: image(input), output: image(output) })
}

fn adds_residual(node: &Node) -> bool {
    match &node.op {
        Op::QConv2d(_) => node.inputs.len() > 4,
        _ => node.inputs.len() > 3,
    }
}
