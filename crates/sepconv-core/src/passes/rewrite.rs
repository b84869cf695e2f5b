use alloc::vec;
use alloc::vec::Vec;

use crate::{Builder, Graph, Node, Op, Result, Shape, Tensor, ValueId};

/// A graph being rebuilt node by node.
///
/// A rule sees each node with operands already in the new graph and may answer with another value that means the same. Looking
/// backwards from there, it finds what earlier rules made. Nodes that nobody uses any more vanish when the graph is finished,
/// so a rule never removes anything itself.
pub struct Rewriter {
    /// The new graph so far.
    pub builder: Builder,
    /// For each new value: how many operands and outputs of the old graph read what it stands for.
    uses: Vec<usize>,
}

/// Rebuilds `graph`. `rule` sees a node with the operands that it has in the new graph and the output that it had in the old one,
/// and answers `None` for a node that stays as it is.
///
/// # Errors
/// Those of the rule and of the [`Builder`].
pub fn rewrite(graph: &Graph, mut rule: impl FnMut(&mut Rewriter, &Node) -> Result<Option<ValueId>>) -> Result<Graph> {
    let old_uses = count_uses(graph);
    let mut rewriter = Rewriter { builder: Builder::new(graph.limits_of_passes()), uses: vec![] };
    let mut map: Vec<Option<ValueId>> = vec![None; graph.values.len()];
    for port in &graph.inputs {
        let value = graph.value(port.value);
        let id = rewriter.builder.port_input(&port.name, value.shape.clone(), value.dtype, port.order.clone())?;
        rewriter.add_uses(id, old_uses[port.value.0]);
        map[port.value.0] = Some(id);
    }
    let new_id = |rewriter: &mut Rewriter, map: &mut Vec<Option<ValueId>>, id: ValueId| -> Result<ValueId> {
        if let Some(id) = map[id.0] {
            return Ok(id);
        }
        let value = graph.value(id);
        let tensor = value.constant.clone().expect("what is no input and not computed yet is a constant");
        let new = rewriter.builder.constant(&value.name, tensor)?;
        rewriter.add_uses(new, old_uses[id.0]);
        map[id.0] = Some(new);
        Ok(new)
    };
    for node in &graph.nodes {
        let inputs = node.inputs.iter().map(|&id| new_id(&mut rewriter, &mut map, id)).collect::<Result<_>>()?;
        let node = Node { inputs, ..node.clone() };
        let id = match rule(&mut rewriter, &node)? {
            Some(id) => id,
            None => rewriter.builder.node(&node.name, node.op.clone(), &node.inputs)?,
        };
        rewriter.add_uses(id, old_uses[node.output.0]);
        map[node.output.0] = Some(id);
    }
    for port in &graph.outputs {
        let id = new_id(&mut rewriter, &mut map, port.value)?;
        rewriter.builder.port_output(&port.name, id, port.order.clone());
    }
    Ok(rewriter.builder.finish())
}

fn count_uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.values.len()];
    let operands = graph.nodes.iter().flat_map(|node| node.inputs.iter());
    for id in operands.chain(graph.outputs.iter().map(|port| &port.value)) {
        uses[id.0] += 1;
    }
    uses
}

impl Rewriter {
    fn add_uses(&mut self, id: ValueId, uses: usize) {
        if self.uses.len() <= id.0 {
            self.uses.resize(id.0 + 1, 0);
        }
        self.uses[id.0] += uses;
    }

    /// The node that makes `id`, if there is one.
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        self.builder.producer(id)
    }

    /// The node that makes `id`, if nothing but the asking node reads it: then it may be merged away.
    pub fn sole_producer(&self, id: ValueId) -> Option<&Node> {
        let uses = self.uses.get(id.0).copied().unwrap_or(0);
        self.producer(id).filter(|_| uses <= 1)
    }

    /// The elements of a constant of floats.
    pub fn floats(&self, id: ValueId) -> Option<&[f32]> {
        self.builder.constant_of(id).and_then(|tensor| tensor.as_f32())
    }

    /// The only element of a constant, whatever its rank.
    pub fn scalar(&self, id: ValueId) -> Option<f32> {
        match self.floats(id) {
            Some(&[x]) => Some(x),
            _ => None,
        }
    }

    /// `x` in another shape, without a detour over a shape that it was brought into before.
    pub(super) fn reshape(&mut self, name: &str, x: ValueId, shape: Shape) -> Result<ValueId> {
        let before = self.producer(x).filter(|node| matches!(node.op, Op::Reshape { .. })).map(|node| node.inputs[0]);
        let x = before.unwrap_or(x);
        if *self.builder.shape(x) == shape {
            return Ok(x);
        }
        self.builder.node(name, Op::Reshape { shape }, &[x])
    }

    /// Adds a constant of floats.
    pub fn constant(&mut self, name: &str, dims: &[usize], data: Vec<f32>) -> Result<ValueId> {
        self.builder.constant(name, Tensor::f32(dims, data)?)
    }
}
