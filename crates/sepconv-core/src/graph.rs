use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{DType, Limits, Op, Shape, Tensor};

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
    /// What its constants may take, as whoever built it said.
    pub(crate) max_memory: usize,
}

impl Graph {
    /// What a pass may make of it: nodes and arithmetic were counted when it was built, but a pass may copy constants.
    pub(crate) fn limits_of_passes(&self) -> Limits {
        Limits { max_memory: self.max_memory, ..Limits::NONE }
    }

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

impl fmt::Display for Graph {
    /// A line for each port and node: `%7 = conv2d 3x3/2 relu6(%0, const[32,3,3,3], const[32]) -> [1,112,112,32]  # name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.numbers();
        let operand = |f: &mut fmt::Formatter<'_>, id: ValueId| match (&self.value(id).constant, number[id.0]) {
            (Some(_), _) if self.value(id).dtype == DType::F32 => write!(f, "const{}", self.value(id).shape),
            (Some(_), _) => write!(f, "const {}", Typed(self.value(id))),
            (None, number) => write!(f, "%{number}"),
        };
        for port in &self.inputs {
            let value = self.value(port.value);
            write!(f, "%{} = input {:?} {} {}", number[port.value.0], port.name, value.dtype, value.shape)?;
            writeln!(f, "{}", Order(&port.order))?;
        }
        for node in &self.nodes {
            write!(f, "%{} = {}(", number[node.output.0], node.op)?;
            for (i, &id) in node.inputs.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { ", " })?;
                operand(f, id)?;
            }
            writeln!(f, ") -> {}  # {}", Typed(self.value(node.output)), node.name)?;
        }
        for port in &self.outputs {
            write!(f, "output {:?} = ", port.name)?;
            operand(f, port.value)?;
            writeln!(f, " {}{}", Typed(self.value(port.value)), Order(&port.order))?;
        }
        Ok(())
    }
}

impl Graph {
    /// Inputs and results numbered in the order in which they are printed.
    fn numbers(&self) -> Vec<usize> {
        let mut numbers = alloc::vec![0; self.values.len()];
        let computed = self.inputs.iter().map(|port| port.value).chain(self.nodes.iter().map(|node| node.output));
        computed.enumerate().for_each(|(number, id)| numbers[id.0] = number);
        numbers
    }
}

/// `[1,56,56,24]`, and the type of elements that are not floats: `u8[1,56,56,24]`.
struct Typed<'a>(&'a Value);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.dtype {
            DType::F32 => write!(f, "{}", self.0.shape),
            dtype => write!(f, "{dtype}{}", self.0.shape),
        }
    }
}

/// ` as [0,2,3,1] of the file` where axes are in another order there.
struct Order<'a>(&'a [usize]);

impl fmt::Display for Order<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_sorted() { Ok(()) } else { write!(f, " as axes {:?} of the file", self.0) }
    }
}
