use alloc::vec;
use alloc::vec::Vec;

use crate::op::Transpose;
use crate::{Error, Graph, Node, Op, Result, Shape, ValueId};

/// An axis of a value of which only a first part is used, as much as the data says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenAxis {
    pub(crate) axis: usize,
    /// The indices that are -1 from there on, and their own axis.
    pub(crate) indices: (ValueId, usize),
}

impl OpenAxis {
    /// How much of the axis is used, where `indices` has this shape and these elements.
    pub(crate) fn used(&self, shape: &[usize], indices: &[i64]) -> usize {
        let (size, inner) = (shape[self.indices.1], shape[self.indices.1 + 1..].iter().product::<usize>());
        (0..size).find(|i| indices[i * inner] < 0).unwrap_or(size)
    }
}

/// The open axis of each value: from the operators that select as many elements as the data says, through those that
/// move them, to outputs.
///
/// # Errors
/// Where an operator would compute with what is left over.
pub(crate) fn open_axes(graph: &Graph) -> Result<Vec<Option<OpenAxis>>> {
    let mut open: Vec<Option<OpenAxis>> = vec![None; graph.values.len()];
    for node in &graph.nodes {
        if let Some(axis) = node.op.operator().open_axis() {
            open[node.output.0] = Some(OpenAxis { axis, indices: (node.output, axis) });
        }
        let Some((operand, before)) = node.inputs.iter().enumerate().find_map(|(i, id)| Some((i, open[id.0]?))) else {
            continue;
        };
        let axis = followed(graph, node, operand, before.axis).ok_or_else(|| {
            Error::unsupported("operator reads a tensor that has as many elements as the data says")
                .help("sepconv passes such tensors through gather, transpose, reshape and cast to outputs only")
                .at_node(&node.name, node.op.name())
        })?;
        open[node.output.0] = Some(OpenAxis { axis, ..before });
    }
    Ok(open)
}

/// Where an operator puts an axis of one of its operands.
fn followed(graph: &Graph, node: &Node, operand: usize, axis: usize) -> Option<usize> {
    let shape = |id: ValueId| &graph.value(id).shape;
    let (before, after) = (shape(node.inputs[operand]), shape(node.output));
    match &node.op {
        Op::Reshape(_) => {
            let outer = |shape: &Shape, axis: usize| shape[..axis].iter().product::<usize>();
            (0..after.len()).find(|&i| after[i] == before[axis] && outer(after, i) == outer(before, axis))
        }
        Op::Transpose(Transpose { order }) => order.iter().position(|&from| from == axis),
        Op::Gather(gather) if operand == 1 => Some(gather.axis + axis),
        Op::Gather(gather) if axis < gather.axis => Some(axis),
        Op::Gather(gather) if axis > gather.axis => Some(axis + shape(node.inputs[1]).len() - 1),
        Op::Slice(slice) if slice.sizes[axis] == before[axis] && slice.steps[axis] == 1 => Some(axis),
        Op::GatherNd(_) if operand == 1 && axis + 1 < before.len() => Some(axis),
        Op::Cast(_) | Op::Unary(_) | Op::Quantize(_) | Op::Dequantize(_) | Op::Lut(_) => Some(axis),
        Op::Binary(_) if before == after && node.inputs.iter().any(|&id| shape(id).elements() == 1) => Some(axis),
        _ => None,
    }
}
