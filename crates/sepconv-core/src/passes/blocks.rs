use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use sepconv_kernels::{Activation, elementwise::Binary, reduce::Reduction};

use crate::{
    Graph, Node, Op, ValueId,
    op::{ConvKind, QBinary, QConv2d, QOutput},
};

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
    let search = Search::new(graph);
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

/// Who makes and who reads the values of a graph, and patterns found by that.
pub(super) struct Search<'g> {
    pub(super) graph: &'g Graph,
    /// For each value: the node that makes it, and the nodes that read it (the graph's outputs count as none, but keep the
    /// value from being a block's own).
    producer: Vec<Option<usize>>,
    pub(super) readers: Vec<Vec<usize>>,
    pub(super) is_output: Vec<bool>,
}

impl<'g> Search<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let count = graph.values.len();
        let mut search =
            Self { graph, producer: vec![None; count], readers: vec![vec![]; count], is_output: vec![false; count] };
        for (i, node) in graph.nodes.iter().enumerate() {
            search.producer[node.output.0] = Some(i);
            node.inputs.iter().for_each(|id| search.readers[id.0].push(i));
        }
        graph.outputs.iter().for_each(|port| search.is_output[port.value.0] = true);
        search
    }

    pub(super) fn node(&self, i: usize) -> &'g Node {
        &self.graph.nodes[i]
    }

    pub(super) fn conv_kind(&self, i: usize) -> Option<ConvKind> {
        ConvKind::of(self.graph, self.node(i))
    }

    /// Whether a convolution keeps negative results, and whether it adds a residual.
    fn linear_and_residual(&self, i: usize) -> (bool, bool) {
        let node = self.node(i);
        match &node.op {
            Op::Conv2d(conv) => (conv.activation == Activation::Identity, node.inputs.len() == 4),
            Op::QConv2d(QConv2d { output: QOutput::Bytes { requantize, table, residual }, .. }) => {
                (table.is_none() && requantize.low < requantize.zero_point, residual.is_some())
            }
            _ => (false, false),
        }
    }

    /// The only reader of a value.
    pub(super) fn reader(&self, id: ValueId) -> Option<usize> {
        match self.readers[id.0][..] {
            [reader] if !self.is_output[id.0] => Some(reader),
            _ => None,
        }
    }

    /// The separable or inverted-residual block whose depthwise convolution is node `i`.
    fn around_depthwise(&self, i: usize) -> Option<Block> {
        if self.conv_kind(i)? != ConvKind::Depthwise {
            return None;
        }
        let depthwise = self.node(i);
        let gate = self.readers[depthwise.output.0].iter().find_map(|&reader| self.squeeze_excite(reader));
        let squeeze_excite = gate.is_some();
        let result = gate.as_ref().map_or(depthwise.output, |gate| self.node(gate[gate.len() - 1]).output);
        let project = self.reader(result).filter(|&reader| self.conv_kind(reader) == Some(ConvKind::Pointwise))?;
        if self.node(project).inputs[0] != result {
            return None;
        }
        let expand = self.producer[depthwise.inputs[0].0].filter(|&expand| {
            self.conv_kind(expand) == Some(ConvKind::Pointwise) && self.reader(depthwise.inputs[0]).is_some()
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
            Op::Reduce { reduction: Reduction::Mean, axes, .. } => axes[..] == [1, 2],
            Op::QAverage(average) => self.graph.value(mean.inputs[0]).shape[1..3] == average.pool.window.kernel,
            _ => false,
        };
        if !is_mean {
            return None;
        }
        let (x, mut nodes) = (mean.inputs[0], vec![i]);
        loop {
            let next = self.reader(self.node(*nodes.last()?).output)?;
            let node = self.node(next);
            nodes.push(next);
            match &node.op {
                Op::Binary { function: Binary::Mul, .. } | Op::QBinary(QBinary { function: Binary::Mul, .. })
                    if node.inputs.contains(&x) =>
                {
                    return Some(nodes);
                }
                Op::Conv2d(_) | Op::Dense { .. } | Op::Unary(_) | Op::Reshape { .. } => {}
                Op::QConv2d(_) | Op::Lookup(_) => {}
                // A hard-sigmoid whose constants are not exactly 3 and 1/6 stays spelled out.
                Op::Binary { .. } if node.inputs.iter().any(|&id| self.graph.value(id).constant.is_some()) => {}
                _ => return None,
            }
        }
    }
}
