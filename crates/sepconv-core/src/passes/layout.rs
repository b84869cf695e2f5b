use alloc::vec;
use alloc::vec::Vec;

use crate::interpret::inverse;
use crate::op::{Reshape, Transpose};
use crate::{Graph, Node, Op, Port, Result, Rewriter, Shape, ValueId};

/// Transposes that only translate between NCHW and NHWC vanish: each becomes a note on the value, which passes through
/// every operator whose layout rule allows it, until it meets its inverse or the edge of the graph, where the port
/// takes it.
pub(super) fn layout(graph: &Graph) -> Result<Graph> {
    let rewriter = Rewriter::new(graph, graph.limits_of_passes());
    let orders = vec![None; graph.values.len()];
    let mut pass = Layout { graph, rewriter, orders };
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
    Ok(pass.rewriter.builder.finish())
}

/// A value of the old graph as the new one holds it: axis `i` of the old value is axis `order[i]` of `base`.
#[derive(Clone)]
struct Permuted {
    base: ValueId,
    order: Vec<usize>,
}

struct Layout<'g> {
    graph: &'g Graph,
    /// Maps old values to their bases.
    rewriter: Rewriter<'g>,
    /// The order of each old value, where it is not its own.
    orders: Vec<Option<Vec<usize>>>,
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
        let order = operands.iter().find(|operand| !operand.order.is_sorted()).map(|operand| operand.order.clone());
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

    /// The value itself, transposed where it has to be.
    fn materialize(&mut self, value: &Permuted) -> Result<ValueId> {
        self.transpose(value.base, &value.order)
    }

    /// The operand for an operator on operands stored in `order`: missing leading axes of a broadcast are added.
    fn in_layout(&mut self, operand: &Permuted, order: &[usize]) -> Result<ValueId> {
        if operand.order == order {
            return Ok(operand.base);
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
        let builder = &mut self.rewriter.builder;
        let (shape, name) = (builder.shape(id), builder.value(id).name.clone());
        // Axes of size 1 move without moving data.
        let moved: Vec<usize> = order.iter().copied().filter(|&axis| shape[axis] != 1).collect();
        let op: Op = if moved.is_sorted() {
            Reshape { shape: Shape::new(order.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())? }.into()
        } else {
            Transpose { order: order.to_vec() }.into()
        };
        builder.node(&name, op, &[id])
    }
}
