use std::collections::HashMap;

use sepconv_core::op::Quantization;
use sepconv_core::{Builder, Graph, Limits, Op, Result, ValueId};

/// A network that makes bytes of its one input before anything else, as the network that takes these bytes, and what they stand
/// for. `None` for any other.
pub(crate) fn byte_input(graph: &Graph, limits: Limits) -> Result<Option<(Graph, Quantization)>> {
    let Some((x, quantization)) = quantised_input(graph) else { return Ok(None) };
    let (mut builder, mut values) = (Builder::new(limits), HashMap::new());
    let input = graph.value(x);
    let bytes = builder.input(&input.name, input.shape.clone(), quantization.dtype)?;
    for node in graph.nodes() {
        let value = if node.inputs[0] == x {
            bytes
        } else {
            let operands = node.inputs.iter().map(|&id| value(graph, &mut builder, &mut values, id));
            let operands = operands.collect::<Result<Vec<_>>>()?;
            builder.node(&node.name, node.op.clone(), &operands)?
        };
        values.insert(node.output, value);
    }
    for port in graph.outputs() {
        let value = value(graph, &mut builder, &mut values, port.value)?;
        builder.output(&port.name, value);
    }
    Ok(Some((builder.finish(), quantization.clone())))
}

/// The only input, where all that reads it is one quantisation.
fn quantised_input(graph: &Graph) -> Option<(ValueId, &Quantization)> {
    let [port] = graph.inputs() else { return None };
    let mut readers = graph.nodes().iter().filter(|node| node.inputs.contains(&port.value));
    let Op::Quantize(quantization) = &readers.next()?.op else { return None };
    quantization.whole()?;
    let alike = readers.all(|node| matches!(&node.op, Op::Quantize(other) if other == quantization));
    let ports = || graph.inputs().iter().chain(graph.outputs());
    let straight = ports().all(|port| port.order.is_sorted());
    let is_output = graph.outputs().iter().any(|output| output.value == port.value);
    (alike && straight && !is_output).then_some((port.value, quantization))
}

/// What a value has become; a constant is brought along.
fn value(graph: &Graph, builder: &mut Builder, values: &mut HashMap<ValueId, ValueId>, id: ValueId) -> Result<ValueId> {
    if let Some(&value) = values.get(&id) {
        return Ok(value);
    }
    let constant = graph.value(id);
    let tensor = constant.constant.clone().expect("what is no input and not computed yet is a constant");
    let value = builder.constant(&constant.name, tensor)?;
    values.insert(id, value);
    Ok(value)
}
