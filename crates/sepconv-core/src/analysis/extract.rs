use crate::graph::Rewriter;
use crate::{Graph, Result};

/// Some nodes of a graph, in its order, as a network of its own: values that they read and do not make become its
/// inputs, the result of the last its output.
///
/// # Errors
/// None are expected for nodes of a graph that a [`Builder`](crate::Builder) made.
pub fn extract_subgraph(graph: &Graph, nodes: &[usize]) -> Result<Graph> {
    let mut rewriter = Rewriter::new(graph, graph.limits_of_passes());
    for node in nodes.iter().map(|&i| &graph.nodes[i]) {
        for &id in &node.inputs {
            let value = graph.value(id);
            if value.constant.is_none() && rewriter.replaced(id).is_none() {
                let input = rewriter.builder.input(&value.name, value.shape.clone(), value.dtype)?;
                rewriter.replace(id, input);
            }
        }
        let output = rewriter.copy(node)?;
        rewriter.replace(node.output, output);
    }
    if let Some(last) = nodes.last().map(|&i| &graph.nodes[i]) {
        let output = rewriter.value(last.output)?;
        rewriter.builder.output(&last.name, output);
    }
    Ok(rewriter.builder.finish())
}
