use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::elementwise::{Binary, Unary};

use super::blocks::Search;
use crate::{Graph, Node, Op, ValueId, op::ConvKind};

/// A depthwise convolution and the pointwise one that mixes its channels: what separates a standard convolution (MobileNetV1, section
/// 3.1), or the last two thirds of an inverted residual (MobileNetV2, section 3.3). Nodes are indices into [`Graph::nodes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The depthwise convolution.
    pub depthwise: usize,
    /// What lies between: normalisation, activation, sums and products with constants, squeeze-excite.
    pub between: Vec<usize>,
    /// The pointwise convolution.
    pub pointwise: usize,
    /// What finishes its result and nothing else reads: normalisation and the like, a residual sum, an activation.
    pub after: Vec<usize>,
}

impl Pair {
    /// All its nodes, in the order of the graph.
    pub fn nodes(&self) -> Vec<usize> {
        let mut nodes = [&[self.depthwise, self.pointwise], &self.between[..], &self.after].concat();
        nodes.sort_unstable();
        nodes
    }
}

/// A depthwise convolution that is in no [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpaired {
    /// The depthwise convolution, as an index into [`Graph::nodes`].
    pub depthwise: usize,
    /// Why, in words.
    pub why: &'static str,
}

/// Every depthwise convolution of floats in a [`tidy`](super::tidy) or [optimised](super::optimise) graph: with its pointwise one, or with
/// the reason why it has none. Stride, padding, dilation and depth multiplier may be anything.
pub fn pairs(graph: &Graph) -> Vec<Result<Pair, Unpaired>> {
    let search = Search::new(graph);
    let depthwise =
        |&i: &usize| matches!(graph.nodes[i].op, Op::Conv2d(_)) && search.conv_kind(i) == Some(ConvKind::Depthwise);
    let paired = |i: usize| pair(&search, i).map_err(|why| Unpaired { depthwise: i, why });
    (0..graph.nodes.len()).filter(depthwise).map(paired).collect()
}

fn pair(search: &Search, depthwise: usize) -> Result<Pair, &'static str> {
    let constants = |i: usize| search.node(i).inputs[1..3].iter().all(|&id| is_constant(search.graph, id));
    let (mut between, mut value) = (vec![], search.node(depthwise).output);
    let pointwise = loop {
        if let Some(gate) = gate(search, value) {
            value = search.node(gate[gate.len() - 1]).output;
            between.extend(gate);
            continue;
        }
        let next = search.reader(value).ok_or("its result is read by more than one layer")?;
        if search.conv_kind(next) == Some(ConvKind::Pointwise) && search.node(next).inputs[0] == value {
            break next;
        }
        if !finishes(search.graph, search.node(next), value) {
            return Err("no pointwise convolution follows");
        }
        between.push(next);
        value = search.node(next).output;
    };
    if !constants(depthwise) || !constants(pointwise) {
        return Err("its weights are not known before running");
    }
    Ok(Pair { depthwise, between, pointwise, after: after(search, pointwise) })
}

/// The squeeze-excite that, with the product it ends in, alone reads a value.
fn gate(search: &Search, value: ValueId) -> Option<Vec<usize>> {
    let readers = &search.readers[value.0];
    if readers.len() != 2 || search.is_output[value.0] {
        return None;
    }
    readers.iter().find_map(|&reader| search.squeeze_excite(reader))
}

fn after(search: &Search, pointwise: usize) -> Vec<usize> {
    let (graph, mut nodes, mut summed) = (search.graph, vec![], false);
    let mut value = search.node(pointwise).output;
    while let Some(next) = search.reader(value) {
        let node = search.node(next);
        let residual = matches!(node.op, Op::Binary { function: Binary::Add, .. })
            && node
                .inputs
                .iter()
                .all(|&id| !is_constant(graph, id) && graph.value(id).shape == graph.value(value).shape);
        let activation = matches!(node.op, Op::Unary(Unary::Activation(_)));
        if summed && !activation || !residual && !finishes(graph, node, value) {
            break;
        }
        summed |= residual;
        nodes.push(next);
        value = node.output;
    }
    nodes
}

/// Whether a node makes of `value` another of the same shape, element by element, with constants only.
fn finishes(graph: &Graph, node: &Node, value: ValueId) -> bool {
    let kept = graph.value(node.output).shape == graph.value(value).shape;
    let alone = node.inputs.iter().filter(|&&id| !is_constant(graph, id)).eq([&value]);
    kept && alone && matches!(node.op, Op::BatchNorm { .. } | Op::Unary(Unary::Activation(_)) | Op::Binary { .. })
}

fn is_constant(graph: &Graph, id: ValueId) -> bool {
    graph.value(id).constant.is_some()
}
