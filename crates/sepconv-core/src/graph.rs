use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{DType, Op, Shape, Tensor};

/// Names a [`Value`] of one graph.
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

/// An operator applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the file, for people.
    pub name: String,
    /// What is computed.
    pub op: Op,
    /// The operands, in the order that the operator documents.
    pub inputs: Vec<ValueId>,
    /// The result.
    pub output: ValueId,
}

/// A place where tensors enter or leave a graph.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name in the file.
    pub name: String,
    /// The value inside the graph.
    pub value: ValueId,
    /// How the value's axes are found among the file's: axis `i` of the value is axis `order[i]` of the tensor outside. A file in
    /// NCHW has `[0, 2, 3, 1]`; where both agree it counts upwards.
    pub order: Vec<usize>,
}

/// The portable meaning of a network: nodes in an order in which each follows those it depends on.
///
/// Every shape is known; whatever can be computed from constants has been. Made by [`Builder`](crate::Builder), never changed
/// afterwards: a pass builds a new one.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

impl Graph {
    /// The value that `id` names.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// Its nodes, each after those it depends on.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where tensors enter.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Where tensors leave.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }
}
