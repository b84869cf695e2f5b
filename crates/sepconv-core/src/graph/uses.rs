use alloc::vec;
use alloc::vec::Vec;

use super::{Graph, ValueId};

/// Which nodes of a graph make and read each value. Nodes are indices into [`Graph::nodes`].
#[derive(Clone, Debug)]
pub struct Uses {
    producers: Vec<Option<usize>>,
    readers: Vec<Vec<usize>>,
    /// How many outputs of the graph each value is.
    outputs: Vec<usize>,
}

impl Uses {
    /// Those of a graph. Costs one pass over its nodes.
    pub fn new(graph: &Graph) -> Self {
        let count = graph.values.len();
        let mut uses = Self { producers: vec![None; count], readers: vec![vec![]; count], outputs: vec![0; count] };
        for (i, node) in graph.nodes.iter().enumerate() {
            uses.producers[node.output.0] = Some(i);
            node.inputs.iter().for_each(|id| uses.readers[id.0].push(i));
        }
        graph.outputs.iter().for_each(|port| uses.outputs[port.value.0] += 1);
        uses
    }

    /// The node that makes a value; `None` for inputs and constants.
    pub fn producer(&self, id: ValueId) -> Option<usize> {
        self.producers[id.0]
    }

    /// The nodes that read a value, in order, once for each operand; outputs of the graph are not among them.
    pub fn readers(&self, id: ValueId) -> &[usize] {
        &self.readers[id.0]
    }

    /// Whether a value is an output of the graph.
    pub fn is_output(&self, id: ValueId) -> bool {
        self.outputs[id.0] > 0
    }

    /// How many operands and outputs of the graph a value is.
    pub fn count(&self, id: ValueId) -> usize {
        self.readers[id.0].len() + self.outputs[id.0]
    }

    /// The node that reads a value, if it is the only one and the value is not an output of the graph.
    pub fn sole_reader(&self, id: ValueId) -> Option<usize> {
        match self.readers[id.0][..] {
            [reader] if !self.is_output(id) => Some(reader),
            _ => None,
        }
    }
}
