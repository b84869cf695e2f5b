use alloc::vec;
use alloc::vec::Vec;

use super::{Builder, Graph, Limits, Node, Port, Uses, ValueId};
use crate::op::Reshape;
use crate::{Op, Result, Shape, Tensor};

/// A graph being copied into a new one, node by node: the one loop behind every change of a graph.
///
/// Values of the old graph are looked up by their old id; constants are copied when they are first asked for. Nodes
/// that nothing reads any more vanish when the new graph is finished, so a change never removes anything itself.
#[derive(Debug)]
pub struct Rewriter<'g> {
    old: &'g Graph,
    old_uses: Uses,
    /// The new graph so far.
    pub builder: Builder,
    /// The new value for each old one.
    map: Vec<Option<ValueId>>,
    /// For each new value: how many operands and outputs of the old graph read what it stands for.
    uses: Vec<usize>,
}

/// Copies a graph by a rule. The rule sees each node with the operands that it has in the new graph and the output that
/// it had in the old one; it answers with the new value for that output, or `None` to copy the node as it is.
///
/// # Errors
/// Those of the rule and of the [`Builder`].
pub fn rewrite(
    graph: &Graph,
    mut rule: impl FnMut(&mut Rewriter<'_>, &Node) -> Result<Option<ValueId>>,
) -> Result<Graph> {
    Rewriter::run(graph, graph.limits_of_passes(), |rewriter, node| {
        let node = Node { inputs: rewriter.operands(node)?, ..node.clone() };
        match rule(rewriter, &node)? {
            Some(value) => Ok(value),
            None => rewriter.builder.node(&node.name, node.op, &node.inputs),
        }
    })
}

impl<'g> Rewriter<'g> {
    /// An empty copy of `old`, within `limits`.
    pub fn new(old: &'g Graph, limits: Limits) -> Self {
        let map = vec![None; old.values.len()];
        Self { old, old_uses: Uses::new(old), builder: Builder::new(limits), map, uses: vec![] }
    }

    /// Copies a graph; `node` answers with the new value for the output of each node.
    ///
    /// # Errors
    /// Those of `node` and of the [`Builder`].
    pub fn run(
        old: &'g Graph,
        limits: Limits,
        mut node: impl FnMut(&mut Self, &'g Node) -> Result<ValueId>,
    ) -> Result<Graph> {
        let mut rewriter = Self::new(old, limits);
        old.inputs.iter().try_for_each(|port| rewriter.copy_input(port))?;
        for old in &old.nodes {
            let value = node(&mut rewriter, old)?;
            rewriter.replace(old.output, value);
        }
        rewriter.finish()
    }

    /// Copies the outputs and finishes the new graph.
    ///
    /// # Errors
    /// Those of [`value`](Self::value).
    pub fn finish(mut self) -> Result<Graph> {
        for port in &self.old.outputs {
            let value = self.value(port.value)?;
            self.builder.port_output(&port.name, value, port.order.clone());
        }
        Ok(self.finish_ports())
    }

    /// Finishes the new graph, whose inputs and outputs correspond to those of the old one already.
    pub(crate) fn finish_ports(mut self) -> Graph {
        self.builder.last_ports_are_states(self.old.initial_states.clone());
        self.builder.finish()
    }

    /// Makes `new` the new value for `old`.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        self.map[old.0] = Some(new);
        if self.uses.len() <= new.0 {
            self.uses.resize(new.0 + 1, 0);
        }
        self.uses[new.0] += self.old_uses.count(old);
    }

    /// The new value for an old one, where there is one yet.
    pub fn replaced(&self, old: ValueId) -> Option<ValueId> {
        self.map[old.0]
    }

    /// The new value for an old one; a constant is copied.
    ///
    /// # Errors
    /// When a constant would pass the limits of the new graph.
    ///
    /// # Panics
    /// For a value that is neither a constant nor replaced yet.
    pub fn value(&mut self, old: ValueId) -> Result<ValueId> {
        if let Some(new) = self.map[old.0] {
            return Ok(new);
        }
        let value = self.old.value(old);
        let tensor = value.constant.clone().expect("nodes follow those that they depend on");
        let new = self.builder.constant(&value.name, tensor)?;
        self.replace(old, new);
        Ok(new)
    }

    /// The new operands of an old node.
    ///
    /// # Errors
    /// Those of [`value`](Self::value).
    pub fn operands(&mut self, node: &Node) -> Result<Vec<ValueId>> {
        node.inputs.iter().map(|&id| self.value(id)).collect()
    }

    /// Copies a node as it is.
    ///
    /// # Errors
    /// Those of the [`Builder`].
    pub fn copy(&mut self, node: &Node) -> Result<ValueId> {
        let operands = self.operands(node)?;
        self.builder.node(&node.name, node.op.clone(), &operands)
    }

    /// Copies an input as it is.
    ///
    /// # Errors
    /// Those of the [`Builder`].
    pub fn copy_input(&mut self, port: &Port) -> Result<()> {
        let value = self.old.value(port.value);
        let new = self.builder.port_input(&port.name, value.shape.clone(), value.dtype, port.order.clone())?;
        self.replace(port.value, new);
        Ok(())
    }

    /// The node of the new graph that makes `id`, if there is one.
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        self.builder.producer(id)
    }

    /// The node of the new graph that makes `id`, if the node being copied is all that reads it: then the two may be
    /// merged.
    pub fn sole_producer(&self, id: ValueId) -> Option<&Node> {
        let uses = self.uses.get(id.0).copied().unwrap_or(0);
        self.producer(id).filter(|_| uses <= 1)
    }

    /// The elements of an f32 constant of the new graph.
    pub fn f32_constant(&self, id: ValueId) -> Option<&[f32]> {
        self.builder.constant_of(id).and_then(|tensor| tensor.as_f32())
    }

    /// The only element of an f32 constant, whatever its rank.
    pub fn f32_scalar(&self, id: ValueId) -> Option<f32> {
        match self.f32_constant(id) {
            Some(&[x]) => Some(x),
            Some(_) | None => None,
        }
    }

    /// Adds an f32 constant to the new graph.
    ///
    /// # Errors
    /// Those of the [`Builder`].
    pub fn add_f32(&mut self, name: &str, dims: &[usize], elements: Vec<f32>) -> Result<ValueId> {
        self.builder.constant(name, Tensor::f32(dims, elements)?)
    }

    /// `x` in another shape; a reshape of a reshape becomes one.
    ///
    /// # Errors
    /// Those of the [`Builder`].
    pub fn reshape(&mut self, name: &str, x: ValueId, shape: Shape) -> Result<ValueId> {
        let before = self.producer(x).filter(|node| matches!(node.op, Op::Reshape(_))).map(|node| node.inputs[0]);
        let x = before.unwrap_or(x);
        if *self.builder.shape(x) == shape {
            return Ok(x);
        }
        self.builder.node(name, Reshape { shape }, &[x])
    }
}
