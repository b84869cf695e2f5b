//! The portable meaning of a network, how it is built, and how it is changed.

mod builder;
mod limits;
mod print;
mod rewriter;
mod uses;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use builder::Builder;
pub(crate) use builder::memory_error;
pub use limits::Limits;
pub use rewriter::{Rewriter, rewrite};
pub use uses::Uses;

use crate::{DType, Op, Shape, Tensor};

/// Identifies a [`Value`] of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub(crate) usize);

/// A tensor that a graph receives, holds or computes.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its name in the file, for people.
    pub name: String,
    /// Its shape, always known.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
    /// Its elements, where they are known before running.
    pub constant: Option<Arc<Tensor>>,
}

impl Value {
    /// Bytes that its elements take.
    pub(crate) fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size()
    }
}

/// An operator applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the file, for people.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// The operands, in the order that the operator documents.
    pub inputs: Vec<ValueId>,
    /// The result.
    pub output: ValueId,
}

/// An input or output of a graph.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name in the file.
    pub name: String,
    /// The value inside the graph.
    pub value: ValueId,
    /// The order of axes: axis `i` of the value is axis `order[i]` of the tensor outside. A file in NCHW has `[0, 2, 3,
    /// 1]`; the order counts upwards where both agree.
    pub order: Vec<usize>,
}

/// What a network keeps from one run to the next: what `output` is at the end of a run, `input` is in the next.
#[derive(Clone, Copy, Debug)]
pub struct State<'g> {
    /// What a run reads.
    pub input: &'g Port,
    /// What it leaves.
    pub output: &'g Port,
    /// What the first run reads, in the file's order of axes.
    pub initial: &'g Arc<Tensor>,
}

/// The portable meaning of a network: nodes in an order in which each follows those it depends on.
///
/// A [`State`] is an input and an output as any other, except that no caller sees them.
///
/// Every shape is known; whatever depends on constants only has been computed. Made by [`Builder`], never changed
/// afterwards: a pass builds a new one.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    /// Those of callers, then those of states.
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    /// What each state is at first.
    pub(crate) initial_states: Vec<Arc<Tensor>>,
    /// Bytes that its constants may take, as its builder was told.
    pub(crate) max_memory: usize,
}

impl Graph {
    /// Limits of a pass: nodes and arithmetic were counted when the graph was built, but a pass may copy constants.
    pub(crate) fn limits_of_passes(&self) -> Limits {
        Limits { max_memory: self.max_memory, ..Limits::NONE }
    }

    /// The value that `id` names.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The values that a node reads.
    pub fn operands(&self, node: &Node) -> Vec<&Value> {
        node.inputs.iter().map(|&id| self.value(id)).collect()
    }

    /// Its nodes, each after those it depends on.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Its inputs, without those of [states](Self::states).
    pub fn inputs(&self) -> &[Port] {
        &self.inputs[..self.inputs.len() - self.initial_states.len()]
    }

    /// Its outputs, without those of [states](Self::states).
    pub fn outputs(&self) -> &[Port] {
        &self.outputs[..self.outputs.len() - self.initial_states.len()]
    }

    /// What it keeps from one run to the next.
    pub fn states(&self) -> impl ExactSizeIterator<Item = State<'_>> {
        let ports = self.inputs[self.inputs().len()..].iter().zip(&self.outputs[self.outputs().len()..]);
        ports.zip(&self.initial_states).map(|((input, output), initial)| State { input, output, initial })
    }

    /// The kind of the convolution that a node is; see [`Op::conv_kind`].
    pub(crate) fn conv_kind(&self, node: &Node) -> Option<crate::op::ConvKind> {
        node.op.conv_kind(self.value(*node.inputs.first()?).shape.last())
    }
}
