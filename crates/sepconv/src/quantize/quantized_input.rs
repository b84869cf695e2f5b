use sepconv_core::op::{QuantParams, Quantize};
use sepconv_core::{Graph, Limits, Op, Result, Rewriter, Uses, ValueId};

/// A network whose first step quantizes its only input, as the network that takes the integers, with their parameters.
/// `None` for any other.
pub(crate) fn with_quantized_input(graph: &Graph, limits: Limits) -> Result<Option<(Graph, QuantParams)>> {
    let Some((x, params)) = quantized_input(graph) else { return Ok(None) };
    let mut rewriter = Rewriter::new(graph, limits);
    let input = graph.value(x);
    let integers = rewriter.builder.input(&input.name, input.shape.clone(), params.dtype)?;
    for node in graph.nodes() {
        let value = if node.inputs[0] == x { integers } else { rewriter.copy(node)? };
        rewriter.replace(node.output, value);
    }
    Ok(Some((rewriter.finish()?, params.clone())))
}

/// The only input, if equal quantizations are all that reads it.
fn quantized_input(graph: &Graph) -> Option<(ValueId, &QuantParams)> {
    let [port] = graph.inputs() else { return None };
    if graph.states().len() > 0 {
        return None;
    }
    let uses = Uses::new(graph);
    let mut readers = uses.readers(port.value).iter().map(|&reader| &graph.nodes()[reader]);
    let Op::Quantize(Quantize(params)) = &readers.next()?.op else { return None };
    params.as_per_tensor()?;
    let equal = readers.all(|node| matches!(&node.op, Op::Quantize(Quantize(other)) if other == params));
    let in_own_order = graph.inputs().iter().chain(graph.outputs()).all(|port| port.order.is_sorted());
    (equal && in_own_order && !uses.is_output(port.value)).then_some((port.value, params))
}
