use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use crate::{Builder, Graph, Result};

/// Some nodes of a graph, in its order, as a network of their own: what they read and do not make becomes its inputs, the result of the last
/// its output.
///
/// # Errors
/// None are expected for nodes of a graph that a [`Builder`] made.
pub fn part(graph: &Graph, nodes: &[usize]) -> Result<Graph> {
    let (mut builder, mut map) = (Builder::new(graph.limits_of_passes()), BTreeMap::new());
    for node in nodes.iter().map(|&i| &graph.nodes[i]) {
        for &id in &node.inputs {
            if let Entry::Vacant(entry) = map.entry(id) {
                let value = graph.value(id);
                entry.insert(match &value.constant {
                    Some(tensor) => builder.constant(&value.name, tensor.clone())?,
                    None => builder.input(&value.name, value.shape.clone(), value.dtype)?,
                });
            }
        }
        let inputs: alloc::vec::Vec<_> = node.inputs.iter().map(|id| map[id]).collect();
        map.insert(node.output, builder.node(&node.name, node.op.clone(), &inputs)?);
    }
    if let Some(last) = nodes.last().map(|&i| &graph.nodes[i]) {
        builder.output(&last.name, map[&last.output]);
    }
    Ok(builder.finish())
}
