use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use crate::analysis::open_axes;
use crate::op::Transpose;
use crate::{Error, Graph, Port, Result, Tensor, op::Op};

/// The definition of a network's answer: every node's [`evaluate`](Op::evaluate), one after the other, everything kept.
///
/// `inputs` and results are in the file's order of axes, one per port of the graph. Slow and obvious; what
/// [`Session`](crate::Session) computes is compared with it. States are as in the first run.
///
/// # Errors
/// When the inputs are not what the graph takes, or a node cannot be evaluated.
pub fn interpret(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    interpret_step(graph, inputs, &mut vec![])
}

/// As [`interpret`], one run of several: `states` are what the run before left, empty before the first, and become what
/// this one leaves.
///
/// # Errors
/// Those of [`interpret`].
pub fn interpret_step(graph: &Graph, inputs: &[Tensor], states: &mut Vec<Tensor>) -> Result<Vec<Tensor>> {
    if inputs.len() != graph.inputs().len() {
        return Err(Error::argument("wrong number of inputs").expected(graph.inputs().len(), inputs.len()));
    }
    if states.is_empty() {
        *states = graph.states().map(|state| Tensor::clone(state.initial)).collect();
    }
    let mut known: Vec<Option<Cow<'_, Tensor>>> =
        graph.values.iter().map(|value| value.constant.as_deref().map(Cow::Borrowed)).collect();
    for (port, tensor) in graph.inputs.iter().zip(inputs.iter().chain(&*states)) {
        let inside = inward(port, tensor)?;
        let value = graph.value(port.value);
        if *inside.shape() != value.shape || inside.dtype() != value.dtype {
            return Err(Error::argument("input has the wrong shape or type")
                .at(alloc::format!("input {:?}", port.name))
                .expected(
                    format_args!("{} {}", value.dtype, value.shape),
                    format_args!("{} {}", inside.dtype(), inside.shape()),
                ));
        }
        known[port.value.0] = Some(Cow::Owned(inside));
    }
    for node in &graph.nodes {
        let operands: Vec<&Tensor> =
            node.inputs.iter().map(|id| known[id.0].as_deref().expect("nodes follow what they depend on")).collect();
        let result = node.op.evaluate(&operands, &graph.value(node.output).shape);
        let result = result.map_err(|error| error.at_node(&node.name, node.op.name()))?;
        known[node.output.0] = Some(Cow::Owned(result));
    }
    let open = open_axes(graph)?;
    let outward = |port: &Port| {
        let tensor = known[port.value.0].as_deref().expect("outputs are computed");
        let mut result = permute(tensor, &inverse(&port.order))?;
        if let Some(open) = open[port.value.0] {
            let indices = known[open.indices.0.0].as_deref().expect("outputs follow what they depend on");
            let used = open.used(indices.shape(), indices.as_i64().unwrap_or_default());
            result.truncate(port.order[open.axis], used);
        }
        Ok(result)
    };
    let mut outputs = graph.outputs.iter().map(outward).collect::<Result<Vec<_>>>()?;
    *states = outputs.split_off(graph.outputs().len());
    Ok(outputs)
}

fn inward(port: &Port, tensor: &Tensor) -> Result<Tensor> {
    if tensor.shape().len() != port.order.len() {
        return Err(Error::argument("input has the wrong rank")
            .at(alloc::format!("input {:?}", port.name))
            .expected(format_args!("{} axes", port.order.len()), tensor.shape()));
    }
    permute(tensor, &port.order)
}

fn permute(tensor: &Tensor, order: &[usize]) -> Result<Tensor> {
    let shape = crate::Shape::new(order.iter().map(|&axis| tensor.shape()[axis]).collect::<Vec<_>>())?;
    Op::Transpose(Transpose { order: order.to_vec() }).evaluate(&[tensor], &shape)
}

/// The permutation that undoes `order`.
pub(crate) fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = alloc::vec![0; order.len()];
    for (i, &axis) in order.iter().enumerate() {
        inverse[axis] = i;
    }
    inverse
}
