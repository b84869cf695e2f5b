mod regroup;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use self::regroup::{Regrouped, regroup};
use crate::interpret::inverse;
use crate::op::{Gather, Reshape, Slice, Transpose};
use crate::{Graph, Node, Op, Port, Result, Rewriter, Shape, Uses, ValueId};

/// Transposes that only translate between NCHW and NHWC vanish: each becomes a note on the value, which passes through
/// reshapes and every operator whose layout rule allows it, until it meets its inverse or the edge of the graph, where
/// the port takes it. Of a channel shuffle (a transpose between two reshapes) the transpose of the innermost two axes
/// is left.
pub(super) fn layout(graph: &Graph) -> Result<Graph> {
    let rewriter = Rewriter::new(graph, graph.limits_of_passes());
    let orders = vec![None; graph.values.len()];
    let mut pass = Layout { graph, uses: Uses::new(graph), rewriter, orders, transposed: BTreeMap::new() };
    for port in &graph.inputs {
        pass.input(port)?;
    }
    for node in &graph.nodes {
        let result = pass.node(node)?;
        pass.set(node.output, result);
    }
    for port in &graph.outputs {
        let result = pass.operand(port.value)?;
        let mut order = vec![0; port.order.len()];
        for (axis, &outer) in result.order.iter().zip(&port.order) {
            order[*axis] = outer;
        }
        pass.rewriter.builder.port_output(&port.name, result.base, order);
    }
    Ok(pass.rewriter.finish_ports())
}

/// A value of the old graph as the new one holds it: axis `i` of the old value is axis `order[i]` of `base`.
#[derive(Clone)]
struct Permuted {
    base: ValueId,
    order: Vec<usize>,
}

struct Layout<'g> {
    graph: &'g Graph,
    uses: Uses,
    /// Maps old values to their bases.
    rewriter: Rewriter<'g>,
    /// The order of each old value, where it is not its own.
    orders: Vec<Option<Vec<usize>>>,
    /// Values of the new graph that were transposed before, by the order.
    transposed: BTreeMap<(ValueId, Vec<usize>), ValueId>,
}

impl Layout<'_> {
    fn set(&mut self, id: ValueId, Permuted { base, order }: Permuted) {
        self.rewriter.replace(id, base);
        self.orders[id.0] = Some(order);
    }

    /// An input that the graph wants in another order enters in that order.
    fn input(&mut self, port: &Port) -> Result<()> {
        let value = self.graph.value(port.value);
        let order = self.wanted_order(port.value).unwrap_or_else(|| (0..value.shape.len()).collect());
        let shape = Shape::new(order.iter().map(|&axis| value.shape[axis]).collect::<Vec<_>>())?;
        let outer = order.iter().map(|&axis| port.order[axis]).collect();
        let base = self.rewriter.builder.port_input(&port.name, shape, value.dtype, outer)?;
        self.set(port.value, Permuted { base, order: inverse(&order) });
        Ok(())
    }

    /// The order that the first transpose of an input asks for, directly or after operators on this input alone that
    /// keep its axes.
    fn wanted_order(&self, input: ValueId) -> Option<Vec<usize>> {
        let own: Vec<usize> = (0..self.graph.value(input).shape.len()).collect();
        let mut same = vec![false; self.graph.values.len()];
        same[input.0] = true;
        for node in &self.graph.nodes {
            let mut computed = node.inputs.iter().filter(|&&id| self.graph.value(id).constant.is_none());
            let alone = computed.next().is_some_and(|id| same[id.0]) && computed.next().is_none();
            if !alone {
                continue;
            }
            if let Op::Transpose(Transpose { order }) = &node.op {
                return Some(order.clone());
            }
            let rank = self.graph.value(node.output).shape.len();
            let permuted = node.op.operator().permuted(&own, rank);
            same[node.output.0] = rank == own.len() && permuted.is_some_and(|(_, order)| order == own);
        }
        None
    }

    fn operand(&mut self, id: ValueId) -> Result<Permuted> {
        let base = self.rewriter.value(id)?;
        let own = || (0..self.graph.value(id).shape.len()).collect();
        Ok(Permuted { base, order: self.orders[id.0].clone().unwrap_or_else(own) })
    }

    fn node(&mut self, node: &Node) -> Result<Permuted> {
        let operands = node.inputs.iter().map(|&id| self.operand(id)).collect::<Result<Vec<Permuted>>>()?;
        if let Op::Transpose(Transpose { order }) = &node.op {
            let Permuted { base, order: inner } = &operands[0];
            return Ok(Permuted { base: *base, order: order.iter().map(|&axis| inner[axis]).collect() });
        }
        match &node.op {
            Op::Reshape(Reshape { shape }) => {
                let source = self.operand(self.before_reshapes(node.inputs[0]))?;
                return self.reshape(&node.name, &source, shape);
            }
            Op::Gather(Gather { axis }) => {
                if let Some(index) = self.only_index(&operands[1]) {
                    return self.pick(node, &operands[0], *axis, index);
                }
            }
            _ => (),
        }
        let order = self.order_of_largest(&operands);
        let rank = self.graph.value(node.output).shape.len();
        if let Some(order) = order
            && let Some((op, result_order)) = node.op.operator().permuted(&order, rank)
        {
            let bases = operands.iter().map(|operand| self.in_layout(operand, &order)).collect::<Result<Vec<_>>>()?;
            let base = self.rewriter.builder.node(&node.name, op, &bases)?;
            return Ok(Permuted { base, order: result_order });
        }
        let bases = operands.iter().map(|operand| self.materialize(operand)).collect::<Result<Vec<_>>>()?;
        let base = self.rewriter.builder.node(&node.name, node.op.clone(), &bases)?;
        Ok(Permuted { base, order: (0..rank).collect() })
    }

    /// What a value was before reshapes: several in a row mean what the last one does.
    fn before_reshapes(&self, id: ValueId) -> ValueId {
        let mut id = id;
        while let Some(node) = self.uses.producer(id).map(|producer| &self.graph.nodes[producer])
            && matches!(node.op, Op::Reshape(_))
        {
            id = node.inputs[0];
        }
        id
    }

    /// The order of the largest operand, where it is not its own; of equal ones, that of one that has another. Where
    /// one has its own and the others have been brought into theirs before, nothing has to be moved for that.
    fn order_of_largest(&self, operands: &[Permuted]) -> Option<Vec<usize>> {
        let elements = |operand: &Permuted| self.rewriter.builder.shape(operand.base).elements();
        let largest = operands.iter().max_by_key(|operand| (elements(operand), !operand.order.is_sorted()))?;
        let mut equal = operands.iter().filter(|operand| elements(operand) == elements(largest));
        let is_there =
            |of: &Permuted| of.order.is_sorted() || self.transposed.contains_key(&(of.base, of.order.clone()));
        let is_own = equal.clone().any(|operand| operand.order.is_sorted()) && equal.all(is_there);
        (!is_own).then(|| largest.order.clone())
    }

    /// The value in another shape, of which as much as possible stays where it is stored.
    fn reshape(&mut self, name: &str, x: &Permuted, shape: &Shape) -> Result<Permuted> {
        let stored = self.rewriter.builder.shape(x.base);
        if x.order.is_sorted() || stored.elements() == 0 {
            let base = self.materialize(x)?;
            let base = self.rewriter.builder.node(name, Reshape { shape: shape.clone() }, &[base])?;
            return Ok(Permuted { base, order: (0..shape.len()).collect() });
        }
        let Regrouped { before, shape, order } = regroup(stored, &x.order, shape);
        let base = self.transpose(x.base, &before)?;
        let base = self.rewriter.builder.node(name, Reshape { shape: Shape::new(shape)? }, &[base])?;
        Ok(Permuted { base, order })
    }

    /// The only index of a gather, if it has one and is known.
    fn only_index(&self, indices: &Permuted) -> Option<i64> {
        match self.rewriter.builder.constant_of(indices.base)?.as_i64()? {
            &[index] => Some(index),
            _ => None,
        }
    }

    /// A gather of a single index is a slice.
    fn pick(&mut self, node: &Node, x: &Permuted, axis: usize, index: i64) -> Result<Permuted> {
        let stored = x.order[axis];
        let mut sizes = self.rewriter.builder.shape(x.base).to_vec();
        let (mut starts, steps) = (vec![0; sizes.len()], vec![1; sizes.len()]);
        let index = if index < 0 { index.saturating_add_unsigned(sizes[stored] as u64) } else { index };
        (starts[stored], sizes[stored]) = (usize::try_from(index).unwrap_or(usize::MAX), 1);
        let base = self.rewriter.builder.node(&node.name, Slice { starts, steps, sizes }, &[x.base])?;
        let graph = self.graph;
        self.reshape(&node.name, &Permuted { base, order: x.order.clone() }, &graph.value(node.output).shape)
    }

    /// The value itself, transposed where it has to be.
    fn materialize(&mut self, value: &Permuted) -> Result<ValueId> {
        self.transpose(value.base, &value.order)
    }

    /// The operand for an operator on operands stored in `order`: missing leading axes of a broadcast are added.
    fn in_layout(&mut self, operand: &Permuted, order: &[usize]) -> Result<ValueId> {
        if operand.order.len() == order.len() {
            let order: Vec<usize> = inverse(order).iter().map(|&axis| operand.order[axis]).collect();
            return self.transpose(operand.base, &order);
        }
        let value = self.materialize(operand)?;
        let builder = &mut self.rewriter.builder;
        let (shape, name) = (builder.shape(value), builder.value(value).name.clone());
        if shape.elements() == 1 && shape.len() <= 1 {
            return Ok(value);
        }
        let full = Shape::new([&vec![1; order.len() - shape.len()][..], shape].concat())?;
        let full = builder.node(&name, Reshape { shape: full }, &[value])?;
        self.transpose(full, &inverse(order))
    }

    fn transpose(&mut self, id: ValueId, order: &[usize]) -> Result<ValueId> {
        if order.is_sorted() {
            return Ok(id);
        }
        let key = (id, order.to_vec());
        if let Some(&known) = self.transposed.get(&key) {
            return Ok(known);
        }
        let builder = &mut self.rewriter.builder;
        let (shape, name) = (builder.shape(id), builder.value(id).name.clone());
        // Axes of size 1 move without moving data.
        let moved: Vec<usize> = order.iter().copied().filter(|&axis| shape[axis] != 1).collect();
        let op: Op = if moved.is_sorted() {
            Reshape { shape: Shape::new(order.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())? }.into()
        } else {
            Transpose { order: order.to_vec() }.into()
        };
        let result = builder.node(&name, op, &[id])?;
        self.transposed.insert(key, result);
        Ok(result)
    }
}
