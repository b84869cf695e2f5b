use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::op::{Activation, Binary, BinaryFunction, ConvKind, Operator, QBinary, QConv2d, QConvOutput};
use crate::{Graph, Node, Op, Uses};

/// A pattern of nodes that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which pattern.
    pub kind: BlockKind,
    /// Its nodes, as indices into [`Graph::nodes`], in order.
    pub nodes: Vec<usize>,
}

/// The patterns that networks of depthwise separable convolutions are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// Depthwise, then pointwise (MobileNetV1, section 3.1), with squeeze-excite between them where there is one.
    Separable {
        /// Whether a squeeze-excite gates the depthwise result.
        squeeze_excite: bool,
    },
    /// Pointwise expansion, depthwise, pointwise projection (MobileNetV2, section 3.3).
    InvertedResidual {
        /// Whether a squeeze-excite gates the depthwise result.
        squeeze_excite: bool,
        /// Whether the input is added to the result.
        residual: bool,
    },
    /// Global mean, two small layers, product (squeeze-and-excitation networks) outside the other patterns.
    SqueezeExcite,
}

impl fmt::Display for BlockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, squeeze_excite, residual) = match *self {
            Self::Separable { squeeze_excite } => ("separable", squeeze_excite, false),
            Self::InvertedResidual { squeeze_excite, residual } => ("inverted residual", squeeze_excite, residual),
            Self::SqueezeExcite => ("squeeze-excite", false, false),
        };
        f.write_str(name)?;
        f.write_str(if residual { " +residual" } else { "" })?;
        f.write_str(if squeeze_excite { " +squeeze-excite" } else { "" })
    }
}

/// The blocks of a graph, in the order of their first nodes. No node is in two blocks.
pub fn blocks(graph: &Graph) -> Vec<Block> {
    let search = BlockSearch::new(graph);
    let mut taken = vec![false; graph.nodes.len()];
    let mut found = Vec::new();
    let around_depthwise = (0..graph.nodes.len()).filter_map(|i| search.around_depthwise(i));
    let gates = (0..graph.nodes.len()).filter_map(|i| {
        let nodes = search.squeeze_excite(i)?;
        Some(Block { kind: BlockKind::SqueezeExcite, nodes })
    });
    for block in around_depthwise.chain(gates) {
        if block.nodes.iter().all(|&node| !taken[node]) {
            block.nodes.iter().for_each(|&node| taken[node] = true);
            found.push(block);
        }
    }
    found.sort_by_key(|block| block.nodes[0]);
    found
}

/// A graph with its uses, and patterns found by them.
pub(crate) struct BlockSearch<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) uses: Uses,
}

impl<'g> BlockSearch<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Self {
        Self { graph, uses: Uses::new(graph) }
    }

    pub(super) fn node(&self, i: usize) -> &'g Node {
        &self.graph.nodes[i]
    }

    pub(super) fn conv_kind(&self, i: usize) -> Option<ConvKind> {
        self.graph.conv_kind(self.node(i))
    }

    /// Whether a convolution keeps negative results, and whether it adds a residual.
    fn linear_and_residual(&self, i: usize) -> (bool, bool) {
        let node = self.node(i);
        match &node.op {
            Op::Conv2d(conv) => (conv.activation == Activation::Identity, node.inputs.len() == 4),
            Op::QConv2d(QConv2d { output: QConvOutput::U8 { requantize, lut, residual }, .. }) => {
                (lut.is_none() && requantize.low < requantize.zero_point, residual.is_some())
            }
            _ => (false, false),
        }
    }

    /// The separable or inverted-residual block whose depthwise convolution is node `i`.
    fn around_depthwise(&self, i: usize) -> Option<Block> {
        if self.conv_kind(i)? != ConvKind::Depthwise {
            return None;
        }
        let depthwise = self.node(i);
        let gate = self.uses.readers(depthwise.output).iter().find_map(|&reader| self.squeeze_excite(reader));
        let squeeze_excite = gate.is_some();
        let result = gate.as_ref().map_or(depthwise.output, |gate| self.node(gate[gate.len() - 1]).output);
        let project =
            self.uses.sole_reader(result).filter(|&reader| self.conv_kind(reader) == Some(ConvKind::Pointwise))?;
        if self.node(project).inputs[0] != result {
            return None;
        }
        let expand = self.uses.producer(depthwise.inputs[0]).filter(|&expand| {
            self.conv_kind(expand) == Some(ConvKind::Pointwise) && self.uses.sole_reader(depthwise.inputs[0]).is_some()
        });
        // A pointwise layer before a depthwise one is an expansion only where a linear projection follows.
        let (linear, residual) = self.linear_and_residual(project);
        let expand = expand.filter(|_| linear);
        let kind = match expand {
            Some(_) => BlockKind::InvertedResidual { squeeze_excite, residual },
            None => BlockKind::Separable { squeeze_excite },
        };
        let mut nodes: Vec<usize> =
            expand.into_iter().chain([i]).chain(gate.unwrap_or_default()).chain([project]).collect();
        nodes.sort_unstable();
        Some(Block { kind, nodes })
    }

    /// The nodes of the squeeze-excite that starts with the global mean `i`, the product last.
    pub(super) fn squeeze_excite(&self, i: usize) -> Option<Vec<usize>> {
        let mean = self.node(i);
        let is_mean = match &mean.op {
            Op::Reduce(reduce) => reduce.is_global_mean(),
            Op::QAveragePool(average) => self.graph.value(mean.inputs[0]).shape[1..3] == average.pool.window.kernel,
            _ => false,
        };
        if !is_mean {
            return None;
        }
        let (x, mut nodes) = (mean.inputs[0], vec![i]);
        loop {
            let next = self.uses.sole_reader(self.node(*nodes.last()?).output)?;
            let node = self.node(next);
            nodes.push(next);
            match &node.op {
                Op::Binary(Binary { function: BinaryFunction::Mul, .. })
                | Op::QBinary(QBinary { function: BinaryFunction::Mul, .. })
                    if node.inputs.contains(&x) =>
                {
                    return Some(nodes);
                }
                Op::Conv2d(_) | Op::Dense(_) | Op::Unary(_) | Op::Reshape(_) => {}
                Op::QConv2d(_) | Op::Lut(_) => {}
                // A hard-sigmoid of constants other than 3 and 1/6 stays decomposed.
                Op::Binary(_) if node.inputs.iter().any(|&id| self.graph.value(id).constant.is_some()) => {}
                _ => return None,
            }
        }
    }
}
