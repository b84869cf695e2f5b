use alloc::vec;
use alloc::vec::Vec;

use super::BlockSearch;
use crate::op::{Binary, BinaryFunction, ConvKind, UnaryFunction};
use crate::{Graph, Node, Op, ValueId};

/// A depthwise convolution and the pointwise one that mixes its channels: what separates a standard convolution
/// (MobileNetV1, section 3.1), or the last two thirds of an inverted residual (MobileNetV2, section 3.3). Nodes are
/// indices into [`Graph::nodes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeparableConv {
    /// The depthwise convolution.
    pub depthwise: usize,
    /// The nodes between: normalization, activation, sums and products with constants, squeeze-excite.
    pub between: Vec<usize>,
    /// The pointwise convolution.
    pub pointwise: usize,
    /// The nodes after it that belong to it alone: normalization and the like, a residual sum, an activation.
    pub after: Vec<usize>,
}

impl SeparableConv {
    /// All its nodes, in the order of the graph.
    pub fn nodes(&self) -> Vec<usize> {
        let mut nodes = [&[self.depthwise, self.pointwise], &self.between[..], &self.after].concat();
        nodes.sort_unstable();
        nodes
    }
}

/// A depthwise convolution that is in no [`SeparableConv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSeparable {
    /// The depthwise convolution, as an index into [`Graph::nodes`].
    pub depthwise: usize,
    /// Why, in words.
    pub reason: &'static str,
}

/// Every f32 depthwise convolution in an optimized or [canonical](crate::passes::canonicalize_without_folding) graph:
/// with its pointwise one, or with the reason why it has none. Stride, padding, dilation and depth multiplier are
/// arbitrary.
pub fn separable_convs(graph: &Graph) -> Vec<Result<SeparableConv, NotSeparable>> {
    let search = BlockSearch::new(graph);
    let depthwise =
        |&i: &usize| matches!(graph.nodes[i].op, Op::Conv2d(_)) && search.conv_kind(i) == Some(ConvKind::Depthwise);
    let separable = |i: usize| separable_conv(&search, i).map_err(|reason| NotSeparable { depthwise: i, reason });
    (0..graph.nodes.len()).filter(depthwise).map(separable).collect()
}

fn separable_conv(search: &BlockSearch<'_>, depthwise: usize) -> Result<SeparableConv, &'static str> {
    let constants = |i: usize| search.node(i).inputs[1..3].iter().all(|&id| is_constant(search.graph, id));
    let (mut between, mut value) = (vec![], search.node(depthwise).output);
    let pointwise = loop {
        if let Some(gate) = gate(search, value) {
            value = search.node(gate[gate.len() - 1]).output;
            between.extend(gate);
            continue;
        }
        let next = search.uses.sole_reader(value).ok_or("its result is read by more than one layer")?;
        if search.conv_kind(next) == Some(ConvKind::Pointwise) && search.node(next).inputs[0] == value {
            break next;
        }
        if !is_elementwise(search.graph, search.node(next), value) {
            return Err("no pointwise convolution follows");
        }
        between.push(next);
        value = search.node(next).output;
    };
    if !constants(depthwise) || !constants(pointwise) {
        return Err("its weights are not known before running");
    }
    Ok(SeparableConv { depthwise, between, pointwise, after: after(search, pointwise) })
}

/// The squeeze-excite that is the only reader of a value, together with the product it ends in.
fn gate(search: &BlockSearch<'_>, value: ValueId) -> Option<Vec<usize>> {
    let readers = search.uses.readers(value);
    if readers.len() != 2 || search.uses.is_output(value) {
        return None;
    }
    readers.iter().find_map(|&reader| search.squeeze_excite(reader))
}

fn after(search: &BlockSearch<'_>, pointwise: usize) -> Vec<usize> {
    let (graph, mut nodes, mut summed) = (search.graph, vec![], false);
    let mut value = search.node(pointwise).output;
    while let Some(next) = search.uses.sole_reader(value) {
        let node = search.node(next);
        let residual = matches!(node.op, Op::Binary(Binary { function: BinaryFunction::Add, .. }))
            && node
                .inputs
                .iter()
                .all(|&id| !is_constant(graph, id) && graph.value(id).shape == graph.value(value).shape);
        let activation = matches!(node.op, Op::Unary(UnaryFunction::Activation(_)));
        if summed && !activation || !residual && !is_elementwise(graph, node, value) {
            break;
        }
        summed |= residual;
        nodes.push(next);
        value = node.output;
    }
    nodes
}

/// Whether a node computes another value of the same shape from `value` and constants, element by element.
fn is_elementwise(graph: &Graph, node: &Node, value: ValueId) -> bool {
    let kept = graph.value(node.output).shape == graph.value(value).shape;
    let alone = node.inputs.iter().filter(|&&id| !is_constant(graph, id)).eq([&value]);
    kept && alone && matches!(node.op, Op::BatchNorm(_) | Op::Unary(UnaryFunction::Activation(_)) | Op::Binary(_))
}

fn is_constant(graph: &Graph, id: ValueId) -> bool {
    graph.value(id).constant.is_some()
}
