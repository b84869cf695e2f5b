use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::Activation;

use super::chain::{Geometry, MOST_LAYERS, recomputed_rows, row_block};
use super::kernel_choices::KernelChoices;
use super::lower::{ChainElement, ChainOperator};
use crate::op::{Binary, BinaryFunction, Conv2d, ConvKind, Convolution, image};
use crate::{DType, Graph, Node, Op, Uses, ValueId};

/// Nodes that become a step. Only the result of the last is kept.
pub(super) enum Group<'g> {
    Single(usize),
    /// Convolutions and poolings that each read only the one before.
    Chain(Chain<'g, f32>),
    #[cfg(feature = "int8")]
    ChainInt8(Chain<'g, u8>),
    Gated(Gated<'g>),
}

/// Layers that each read only the one before, and how many rows of the last are made at a time.
pub(super) struct Chain<'g, T: ChainElement> {
    pub(super) nodes: Vec<ChainNode<'g, T>>,
    pub(super) row_block: usize,
}

/// A layer of a chain.
pub(super) struct ChainNode<'g, T: ChainElement> {
    pub(super) index: usize,
    pub(super) operator: ChainOperator<'g, T>,
    pub(super) geometry: Geometry,
    /// Whether it can follow another layer.
    follows: bool,
    adds_residual: bool,
}

/// The product with a gate for each channel, and the projection that only it is for.
pub(super) struct Gated<'g> {
    pub(super) product: usize,
    /// Which operand of the product is the gate.
    pub(super) gate: usize,
    pub(super) projection: usize,
    pub(super) conv: &'g Conv2d,
}

/// A group in its place in the order of execution.
pub(super) struct Scheduled<'g> {
    pub(super) group: Group<'g>,
    /// The node that takes the global mean of the result, if the step leaves the means of its rows for it.
    pub(super) mean: Option<usize>,
}

impl Group<'_> {
    /// The nodes, in order.
    pub(super) fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Single(node) => vec![*node],
            Self::Chain(chain) => chain.nodes.iter().map(|node| node.index).collect(),
            #[cfg(feature = "int8")]
            Self::ChainInt8(chain) => chain.nodes.iter().map(|node| node.index).collect(),
            Self::Gated(Gated { product, projection, .. }) => vec![*product, *projection],
        }
    }

    /// The node whose result is kept.
    pub(super) fn last(&self) -> usize {
        match self {
            Self::Single(node) => *node,
            Self::Chain(Chain { nodes, .. }) => nodes[nodes.len() - 1].index,
            #[cfg(feature = "int8")]
            Self::ChainInt8(Chain { nodes, .. }) => nodes[nodes.len() - 1].index,
            Self::Gated(Gated { projection, .. }) => *projection,
        }
    }
}

/// A result between two layers that is smaller stays in the second-level cache: the layers run one after the other.
const SMALL: usize = 200 << 10;

/// Weights that stay in the second-level cache beside the rows of a chain, so that reading them again for each row
/// block costs little.
const L2_WEIGHT_BUDGET: usize = 96 << 10;

/// Layers of a chain that slide over rows, at most: each adds to the rows that threads compute twice.
const MOST_WINDOWS: usize = 3;

/// Every node by itself: nothing is fused.
pub(super) fn unfused(graph: &Graph) -> Vec<Scheduled<'_>> {
    (0..graph.nodes.len()).map(|node| Scheduled { group: Group::Single(node), mean: None }).collect()
}

/// The nodes of a graph in the groups that become steps, in an order that keeps dependencies: most alone, layers of
/// rows that follow each other together where that saves traffic or was chosen, a gate with its projection.
pub(super) fn schedule<'g>(graph: &'g Graph, threads: usize, choices: &KernelChoices) -> Vec<Scheduled<'g>> {
    let uses = Uses::new(graph);
    let mut is_grouped = vec![false; graph.nodes.len()];
    // A group runs in the place of its last node: only its own nodes read the results of the others.
    let mut groups: Vec<Option<Group<'_>>> = (0..graph.nodes.len()).map(|_| None).collect();
    for i in 0..graph.nodes.len() {
        if !is_grouped[i] {
            let group = group(graph, &uses, i, threads, choices);
            group.nodes().into_iter().for_each(|node| is_grouped[node] = true);
            let last = group.last();
            groups[last] = Some(group);
        }
    }
    let groups = groups.into_iter().flatten();
    groups.map(|group| Scheduled { mean: mean_after(graph, &uses, group.last()), group }).collect()
}

/// The group that begins with node `i`.
fn group<'g>(graph: &'g Graph, uses: &Uses, i: usize, threads: usize, choices: &KernelChoices) -> Group<'g> {
    let group = gated(graph, uses, i).map(Group::Gated);
    let group = group.or_else(|| chain(graph, uses, i, threads, choices).map(Group::Chain));
    #[cfg(feature = "int8")]
    let group = group.or_else(|| chain(graph, uses, i, threads, choices).map(Group::ChainInt8));
    group.unwrap_or(Group::Single(i))
}

/// Whether a node is the mean over height and width.
pub(super) fn is_global_mean(node: &Node) -> bool {
    node.op.operator().is_global_mean()
}

/// The node that takes the global mean of a node's result, where the step of that node can leave the means of its rows.
fn mean_after(graph: &Graph, uses: &Uses, node: usize) -> Option<usize> {
    let node = &graph.nodes[node];
    let mut readers = uses.readers(node.output).iter().copied().filter(|_| leaves_means(graph, node));
    readers.rfind(|&reader| is_global_mean(&graph.nodes[reader]))
}

/// Whether the step of a node can leave the means of its rows: those of f32 depthwise convolutions can.
fn leaves_means(graph: &Graph, node: &Node) -> bool {
    let is_f32 = matches!(node.op.operator().as_convolution(), Some(Convolution::F32(_)));
    is_f32
        && graph.conv_kind(node) == Some(ConvKind::Depthwise)
        && node.inputs.len() == 3
        && graph.value(node.output).shape.elements() > 0
}

/// The product with a gate for each channel and the projection that alone reads it, where scaling the projection's
/// weights costs less than scaling its input.
fn gated<'g>(graph: &'g Graph, uses: &Uses, product: usize) -> Option<Gated<'g>> {
    let node = &graph.nodes[product];
    let Op::Binary(Binary { function: BinaryFunction::Mul, activation: Activation::Identity }) = node.op else {
        return None;
    };
    let gate = gate(graph, node)?;
    let projection = uses.sole_reader(node.output)?;
    let project = &graph.nodes[projection];
    let Some(Convolution::F32(conv)) = project.op.operator().as_convolution() else { return None };
    let is_projection = graph.conv_kind(project) == Some(ConvKind::Pointwise)
        && project.inputs[0] == node.output
        && graph.value(project.inputs[1]).constant.is_some();
    let shape = &graph.value(project.output).shape;
    let (elements, channels) = (shape.elements(), shape.last());
    let pays = elements > channels && elements / channels >= channels;
    (is_projection && pays).then_some(Gated { product, gate, projection, conv })
}

/// Which operand of a product has an element for each channel, where the other has the shape of the result.
fn gate(graph: &Graph, product: &Node) -> Option<usize> {
    let shape = |id: ValueId| &graph.value(id).shape;
    let out = shape(product.output);
    [0, 1].into_iter().find(|&i| {
        let [gate, x] = [i, 1 - i].map(|i| shape(product.inputs[i]));
        x == out && gate != out && gate.elements() == out.last() && gate.last() == out.last()
    })
}

/// Layers from `first` on that each are the only reader of the one before: as many as were chosen, else as many
/// as it pays to run together.
fn chain<'g, T: ChainElement>(
    graph: &'g Graph,
    uses: &Uses,
    first: usize,
    threads: usize,
    choices: &KernelChoices,
) -> Option<Chain<'g, T>> {
    let nodes = vec![ChainNode::<T>::new(graph, first)?];
    let chosen = choices.chain(&graph.nodes[first].name);
    let nodes = match chosen {
        Some(chosen) => chosen_nodes(graph, uses, nodes, chosen.layers),
        None => paying_nodes(graph, uses, nodes, threads),
    };
    let rows = match chosen {
        Some(chosen) => chosen.rows.clamp(1, nodes[nodes.len() - 1].geometry.output[0].max(1)),
        None => row_block(&geometries(&nodes), size_of::<T>()).unwrap_or(1),
    };
    (nodes.len() > 1).then_some(Chain { nodes, row_block: rows })
}

/// The chain from its first layer on, up to so many.
fn chosen_nodes<'g, T: ChainElement>(
    graph: &'g Graph,
    uses: &Uses,
    mut nodes: Vec<ChainNode<'g, T>>,
    layers: usize,
) -> Vec<ChainNode<'g, T>> {
    while nodes.len() < layers.min(MOST_LAYERS) {
        let Some(next) = following(graph, uses, &nodes[nodes.len() - 1]) else { break };
        nodes.push(next);
    }
    nodes
}

/// The chain from its first layer on, as far as running it together moves fewer bytes.
fn paying_nodes<'g, T: ChainElement>(
    graph: &'g Graph,
    uses: &Uses,
    mut nodes: Vec<ChainNode<'g, T>>,
    threads: usize,
) -> Vec<ChainNode<'g, T>> {
    let mut traffic = weight_bytes(graph, nodes[0].index);
    while nodes.len() < MOST_LAYERS {
        let last = &nodes[nodes.len() - 1];
        let result = graph.value(graph.nodes[last.index].output);
        let Some(node) = following(graph, uses, last) else { break };
        let next = node.index;
        nodes.push(node);
        let link = result.bytes() / result.shape[0].max(1);
        let apart = traffic.saturating_add(weight_bytes(graph, next)).saturating_add(2 * link);
        let together = fused_traffic(graph, &nodes);
        let recomputed = recomputed(graph, &nodes).saturating_mul(threads - 1);
        let windows = nodes.iter().filter(|node| node.geometry.window.is_some()).count();
        let pays = together.is_some_and(|together| together.saturating_add(recomputed) <= apart);
        match together {
            Some(together) if link > SMALL && pays && windows <= MOST_WINDOWS => traffic = together,
            Some(_) | None => {
                nodes.pop();
                break;
            }
        }
    }
    nodes
}

/// The layer that can follow another in a chain: it slides over rows, and it alone reads the other.
pub(super) fn following<'g, T: ChainElement>(
    graph: &'g Graph,
    uses: &Uses,
    last: &ChainNode<'g, T>,
) -> Option<ChainNode<'g, T>> {
    let result = graph.nodes[last.index].output;
    let next = uses.sole_reader(result)?;
    let node = ChainNode::new(graph, next)?;
    (graph.nodes[next].inputs[0] == result && !last.adds_residual && node.follows).then_some(node)
}

/// For each node the one before it that it can run together with.
pub(super) fn predecessors(graph: &Graph) -> Vec<Option<usize>> {
    let (uses, mut predecessors) = (Uses::new(graph), vec![None; graph.nodes.len()]);
    for node in 0..graph.nodes.len() {
        let follower =
            ChainNode::<f32>::new(graph, node).and_then(|node| following(graph, &uses, &node)).map(|node| node.index);
        #[cfg(feature = "int8")]
        let follower = follower.or_else(|| {
            ChainNode::<u8>::new(graph, node).and_then(|node| following(graph, &uses, &node)).map(|node| node.index)
        });
        if let Some(follower) = follower {
            predecessors[follower] = Some(node);
        }
    }
    predecessors
}

/// Bytes of weights that a chain reads from beyond the second-level cache: all of them for each row block, unless they
/// stay there. `None` where not even single rows stay there.
fn fused_traffic<T: ChainElement>(graph: &Graph, nodes: &[ChainNode<'_, T>]) -> Option<usize> {
    let weights = nodes.iter().map(|conv| weight_bytes(graph, conv.index)).sum::<usize>();
    let geometries = geometries(nodes);
    let rows = row_block(&geometries, size_of::<T>())?;
    let blocks = geometries[geometries.len() - 1].output[0].div_ceil(rows);
    Some(if weights <= L2_WEIGHT_BUDGET { weights } else { weights.saturating_mul(blocks) })
}

/// Multiply-adds that are done twice wherever the rows of two threads are neighbors, as bytes that take as long: a core
/// multiplies one f32 or four u8 in the time that it takes to fetch a byte from beyond the second-level cache.
fn recomputed<T: ChainElement>(graph: &Graph, nodes: &[ChainNode<'_, T>]) -> usize {
    let shared = recomputed_rows(&geometries(nodes));
    let macs = |(node, &rows): (&ChainNode<'_, T>, &usize)| {
        let node = &graph.nodes[node.index];
        let (values, output) = (node.inputs.iter().map(|&id| graph.value(id)), graph.value(node.output));
        let all = usize::try_from(node.op.macs(&values.collect::<Vec<_>>(), &output.shape)).unwrap_or(usize::MAX);
        let rate = if output.dtype == DType::F32 { 1 } else { 4 };
        all / (output.shape[0] * output.shape[1]) * rows / rate
    };
    nodes[..nodes.len() - 1].iter().zip(&shared).map(macs).sum()
}

fn geometries<T: ChainElement>(nodes: &[ChainNode<'_, T>]) -> Vec<Geometry> {
    nodes.iter().map(|node| node.geometry.clone()).collect()
}

fn weight_bytes(graph: &Graph, node: usize) -> usize {
    graph.nodes[node].inputs.get(1).map_or(0, |&weights| graph.value(weights).bytes())
}

impl<'g, T: ChainElement> ChainNode<'g, T> {
    /// A node that a chain may have: a pooling, or a convolution of more than a pixel whose weights are constants; a
    /// depthwise one adds no residual.
    pub(super) fn new(graph: &'g Graph, index: usize) -> Option<Self> {
        let node = &graph.nodes[index];
        let operator = T::operator(graph, node)?;
        let [input, output] = [node.inputs[0], node.output].map(|id| &graph.value(id).shape);
        let (window, follows, adds_residual) = match operator {
            ChainOperator::Pool(_, window) => (Some(window), true, false),
            ChainOperator::Conv(_, window, residual) => {
                let kind = graph.conv_kind(node)?;
                let adds_residual = node.inputs.len() > residual;
                let constant = node.inputs[1..3].iter().all(|id| graph.value(*id).constant.is_some());
                if !constant || (kind == ConvKind::Depthwise && adds_residual) {
                    return None;
                }
                let window = (kind != ConvKind::Pointwise).then_some(window);
                (window, matches!(kind, ConvKind::Depthwise | ConvKind::Pointwise), adds_residual)
            }
        };
        if output.elements() <= output.last() {
            return None;
        }
        let geometry = Geometry { window, input: image(input), output: image(output) };
        Some(Self { index, operator, geometry, follows, adds_residual })
    }
}
