use alloc::vec;
use alloc::vec::Vec;

use crate::{Builder, Graph, Node, Op, Port, Result, Shape, ValueId, interpret::inverse, op::Quantization};

/// Transposes that only translate between NCHW and NHWC go: each is carried along as a note on the value instead, through every
/// operator that does not care, until it meets its inverse or the edge of the graph, where the port takes it.
pub(super) fn layout(graph: &Graph) -> Result<Graph> {
    let mut pass =
        Layout { graph, builder: Builder::new(graph.limits_of_passes()), seen: vec![None; graph.values.len()] };
    for port in &graph.inputs {
        pass.input(port)?;
    }
    for node in &graph.nodes {
        let seen = pass.node(node)?;
        pass.seen[node.output.0] = Some(seen);
    }
    for port in &graph.outputs {
        let seen = pass.operand(port.value)?;
        let mut order = vec![0; port.order.len()];
        for (axis, &outer) in seen.order.iter().zip(&port.order) {
            order[*axis] = outer;
        }
        pass.builder.port_output(&port.name, seen.base, order);
    }
    Ok(pass.builder.finish())
}

/// A value of the old graph as the new one holds it: axis `i` of the old value is axis `order[i]` of `base`.
#[derive(Clone)]
struct Seen {
    base: ValueId,
    order: Vec<usize>,
}

struct Layout<'g> {
    graph: &'g Graph,
    builder: Builder,
    seen: Vec<Option<Seen>>,
}

impl Layout<'_> {
    /// An input that the graph wants in another order enters in that order.
    fn input(&mut self, port: &Port) -> Result<()> {
        let value = self.graph.value(port.value);
        let wanted = self.wanted_order(port.value);
        let order = wanted.unwrap_or_else(|| (0..value.shape.len()).collect());
        let shape = Shape::new(order.iter().map(|&axis| value.shape[axis]).collect::<Vec<_>>())?;
        let outer = order.iter().map(|&axis| port.order[axis]).collect();
        let base = self.builder.port_input(&port.name, shape, value.dtype, outer)?;
        self.seen[port.value.0] = Some(Seen { base, order: inverse(&order) });
        Ok(())
    }

    /// The order that the first transpose of an input asks for, directly or behind operators that do not care for axes.
    fn wanted_order(&self, input: ValueId) -> Option<Vec<usize>> {
        let rank = self.graph.value(input).shape.len();
        let mut same = vec![false; self.graph.values.len()];
        same[input.0] = true;
        for node in &self.graph.nodes {
            if !node.inputs.iter().any(|id| same[id.0]) {
                continue;
            }
            match &node.op {
                Op::Transpose { order } => return Some(order.clone()),
                Op::Unary(_)
                | Op::Binary { .. }
                | Op::Quantize(_)
                | Op::Dequantize(_)
                | Op::Lookup(_)
                | Op::QBinary(_)
                | Op::Pad { .. }
                    if self.graph.value(node.output).shape.len() == rank =>
                {
                    same[node.output.0] = true;
                }
                _ => {}
            }
        }
        None
    }

    fn operand(&mut self, id: ValueId) -> Result<Seen> {
        if let Some(seen) = &self.seen[id.0] {
            return Ok(seen.clone());
        }
        let value = self.graph.value(id);
        let tensor = value.constant.clone().expect("what is no input and not computed yet is a constant");
        let base = self.builder.constant(&value.name, tensor)?;
        let seen = Seen { base, order: (0..value.shape.len()).collect() };
        self.seen[id.0] = Some(seen.clone());
        Ok(seen)
    }

    fn node(&mut self, node: &Node) -> Result<Seen> {
        let operands = node.inputs.iter().map(|&id| self.operand(id)).collect::<Result<Vec<Seen>>>()?;
        if let Op::Transpose { order } = &node.op {
            let Seen { base, order: inner } = &operands[0];
            return Ok(Seen { base: *base, order: order.iter().map(|&axis| inner[axis]).collect() });
        }
        let turned = operands.iter().find(|seen| !seen.order.is_sorted()).map(|seen| seen.order.clone());
        if let Some(order) = turned
            && let Some((op, result_order)) = through(&node.op, &order, self.graph.value(node.output).shape.len())
        {
            let bases = operands.iter().map(|seen| self.turn(seen, &order)).collect::<Result<Vec<_>>>()?;
            let base = self.builder.node(&node.name, op, &bases)?;
            return Ok(Seen { base, order: result_order });
        }
        let bases = operands.iter().map(|seen| self.straight(seen)).collect::<Result<Vec<_>>>()?;
        let base = self.builder.node(&node.name, node.op.clone(), &bases)?;
        Ok(Seen { base, order: (0..self.builder.shape(base).len()).collect() })
    }

    /// The value itself, transposed where it has to be.
    fn straight(&mut self, seen: &Seen) -> Result<ValueId> {
        self.transpose(seen.base, &seen.order)
    }

    /// The operand as an operator needs it whose other operand is kept in `order`: missing leading axes of a broadcast are added.
    fn turn(&mut self, seen: &Seen, order: &[usize]) -> Result<ValueId> {
        if seen.order == order {
            return Ok(seen.base);
        }
        let straight = self.straight(seen)?;
        let shape = self.builder.shape(straight);
        let name = self.builder.value(straight).name.clone();
        if shape.elements() == 1 && shape.len() <= 1 {
            return Ok(straight);
        }
        let full = Shape::new([&vec![1; order.len() - shape.len()][..], shape].concat())?;
        let full = self.builder.node(&name, Op::Reshape { shape: full }, &[straight])?;
        self.transpose(full, &inverse(order))
    }

    fn transpose(&mut self, id: ValueId, order: &[usize]) -> Result<ValueId> {
        if order.is_sorted() {
            return Ok(id);
        }
        let shape = self.builder.shape(id);
        let name = self.builder.value(id).name.clone();
        // Moving axes of size 1 moves no data.
        let moved: Vec<usize> = order.iter().copied().filter(|&axis| shape[axis] != 1).collect();
        let op = if moved.is_sorted() {
            Op::Reshape { shape: Shape::new(order.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())? }
        } else {
            Op::Transpose { order: order.to_vec() }
        };
        self.builder.node(&name, op, &[id])
    }
}

/// The operator on operands kept in `order`, and the order in which its result is then kept. `None` for operators that need their
/// axes in place, or whose operand must not broadcast to the result's rank.
fn through(op: &Op, order: &[usize], result_rank: usize) -> Option<(Op, Vec<usize>)> {
    let same = |op: Op| (result_rank == order.len()).then(|| (op, order.to_vec()));
    match op {
        Op::Unary(_) | Op::Binary { .. } | Op::Lookup(_) | Op::QBinary(_) => same(op.clone()),
        Op::Quantize(quantization) => same(Op::Quantize(turned(quantization, order))),
        Op::Dequantize(quantization) => same(Op::Dequantize(turned(quantization, order))),
        Op::Concat { axis } => same(Op::Concat { axis: order[*axis] }),
        Op::Softmax { axis, log } => same(Op::Softmax { axis: order[*axis], log: *log }),
        Op::Slice { starts, steps, sizes } => same(Op::Slice {
            starts: rearrange(starts, order),
            steps: rearrange(steps, order),
            sizes: rearrange(sizes, order),
        }),
        Op::Pad { before, after, fill } => {
            same(Op::Pad { before: rearrange(before, order), after: rearrange(after, order), fill: *fill })
        }
        Op::Reduce { reduction, axes, keep_axes } => {
            let mut inner: Vec<usize> = axes.iter().map(|&axis| order[axis]).collect();
            inner.sort_unstable();
            let result_order = if *keep_axes {
                order.to_vec()
            } else {
                let left: Vec<usize> =
                    (0..order.len()).filter(|axis| !axes.contains(axis)).map(|axis| order[axis]).collect();
                left.iter().map(|axis| left.iter().filter(|other| *other < axis).count()).collect()
            };
            Some((Op::Reduce { reduction: *reduction, axes: inner, keep_axes: *keep_axes }, result_order))
        }
        _ => None,
    }
}

fn turned(quantization: &Quantization, order: &[usize]) -> Quantization {
    let axis = order.get(quantization.axis).copied().unwrap_or_default();
    Quantization { axis, ..quantization.clone() }
}

/// Entries per axis of a value as entries per axis of its base.
fn rearrange<T: Copy>(entries: &[T], order: &[usize]) -> Vec<T> {
    inverse(order).iter().map(|&axis| entries[axis]).collect()
}
