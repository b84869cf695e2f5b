//! Nested graphs become part of the main one: calls of the file's own functions are replaced by their bodies, and both
//! branches of an `If` become nodes like any other, of which the `If` selects results.

use std::collections::HashMap;

use prost::Message;
use sepconv_core::{Error, Result};

use super::is_default_domain;
use super::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};

/// Bytes that bodies of functions may take together, copied to each of their calls.
const MAX_INLINED: usize = 64 << 20;
/// The most nodes, and the deepest nesting of calls.
const MAX_NODES: usize = 100_000;

/// Flattens the main graph. From the returned index on, its nodes belong to branches: they are computed where an `If`
/// needs them, and may fail where none does.
pub(super) fn flatten(model: &mut ModelProto) -> Result<usize> {
    let Some(graph) = &mut model.graph else { return Ok(0) };
    let functions =
        model.functions.iter().map(|function| ((function.domain.as_str(), function.name.as_str()), function));
    let mut flatten = Flatten { functions: functions.collect(), inlined: 0, calls: 0 };
    graph.node = flatten.inline(std::mem::take(&mut graph.node))?;
    let main = graph.node.len();
    let mut next = 0;
    // Branches are appended, so nested ones are found as well.
    while next < graph.node.len() {
        if is_if(&graph.node[next]) {
            flatten.branches(graph, next)?;
        }
        next += 1;
    }
    Ok(main)
}

/// Whether a node selects one of two branches.
pub(super) fn is_if(node: &NodeProto) -> bool {
    node.op_type == "If" && is_default_domain(&node.domain)
}

struct Flatten<'a> {
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    /// Bytes of bodies so far.
    inlined: usize,
    /// Calls and branches so far.
    calls: usize,
}

impl Flatten<'_> {
    /// The nodes with bodies in place of calls.
    fn inline(&mut self, nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>> {
        if self.functions.is_empty() {
            return Ok(nodes);
        }
        let mut done = Vec::new();
        // Last in, first out: bodies may call functions in turn.
        let mut open: Vec<NodeProto> = nodes.into_iter().rev().collect();
        while let Some(node) = open.pop() {
            match self.functions.get(&(node.domain.as_str(), node.op_type.as_str())).copied() {
                Some(function) => open.extend(self.body(function, &node)?.into_iter().rev()),
                None => done.push(node),
            }
        }
        Ok(done)
    }

    /// The body of a function for one call.
    fn body(&mut self, function: &FunctionProto, call: &NodeProto) -> Result<Vec<NodeProto>> {
        self.calls += 1 + function.node.len();
        // Names of the call replace some in the body.
        let longest = call.input.iter().chain(&call.output).map(String::len).max().unwrap_or(0);
        let names = function.node.iter().map(|node| node.input.len() + node.output.len()).sum::<usize>();
        let bytes = function.encoded_len().saturating_add(names.saturating_mul(longest));
        self.inlined = self.inlined.saturating_add(bytes);
        if self.inlined > MAX_INLINED || self.calls > MAX_NODES {
            return Err(Error::limit("functions of the file are too large where they are called")
                .expected(format_args!("at most {MAX_INLINED} bytes in {MAX_NODES} calls"), "more")
                .at_node(call.title(), &call.op_type));
        }
        let given = |names: &[String], inner: &str| names.iter().position(|name| name == inner);
        let prefix = format!("{}/{}/", call.op_type, self.calls);
        let rename = |inner: &str| match (given(&function.input, inner), given(&function.output, inner)) {
            _ if inner.is_empty() => String::new(),
            (Some(i), _) => call.input.get(i).cloned().unwrap_or_default(),
            (None, Some(i)) if call.output.get(i).is_some_and(|name| !name.is_empty()) => call.output[i].clone(),
            (None, _) => format!("{prefix}{inner}"),
        };
        let attribute = |name: &str| {
            let of_call = call.attribute.iter().find(|attribute| attribute.name == name);
            of_call.or_else(|| function.attribute_proto.iter().find(|attribute| attribute.name == name))
        };
        let nodes = function.node.iter().cloned().map(|mut node| {
            rename_node(&mut node, &rename);
            node.attribute = node.attribute.into_iter().filter_map(|own| resolved(own, &attribute)).collect();
            node
        });
        let mut nodes: Vec<NodeProto> = nodes.collect();
        // An output that is an input, too.
        for (outer, inner) in call.output.iter().zip(&function.output).filter(|(outer, _)| !outer.is_empty()) {
            if given(&function.input, inner).is_some() {
                let (input, output) = (vec![rename(inner)], vec![outer.clone()]);
                nodes.push(NodeProto { op_type: "Identity".into(), input, output, ..Default::default() });
            }
        }
        Ok(nodes)
    }

    /// Moves the branches of an `If` into the graph; the node reads its condition, then the results of either.
    fn branches(&mut self, graph: &mut GraphProto, node: usize) -> Result<()> {
        let mut attributes = std::mem::take(&mut graph.node[node].attribute);
        let (title, outputs) = (graph.node[node].title().to_owned(), graph.node[node].output.len());
        let fail = |error: Error| error.at_node(&title, "If");
        for name in ["then_branch", "else_branch"] {
            let place = attributes.iter().position(|attribute| attribute.name == name && attribute.g.is_some());
            let Some(GraphProto { node: nodes, initializer, output, .. }) =
                place.and_then(|place| attributes.swap_remove(place).g).map(|graph| *graph)
            else {
                return Err(fail(Error::malformed(format!("node lacks the attribute {name:?}"))));
            };
            if output.len() != outputs {
                return Err(fail(
                    Error::malformed("branch has another number of results").expected(outputs, output.len()),
                ));
            }
            self.calls += 1;
            let prefix = format!("If/{}/", self.calls);
            let own: std::collections::HashSet<String> = nodes
                .iter()
                .flat_map(|node| node.output.iter().cloned())
                .chain(initializer.iter().map(|tensor| tensor.name.clone()))
                .filter(|name| !name.is_empty())
                .collect();
            let rename = |name: &str| if own.contains(name) { format!("{prefix}{name}") } else { name.to_owned() };
            graph.node[node].input.extend(output.iter().map(|output| rename(&output.name)));
            let renamed = initializer.into_iter().map(|mut tensor| {
                tensor.name = rename(&tensor.name);
                tensor
            });
            graph.initializer.extend(renamed);
            let mut nodes = nodes;
            nodes.iter_mut().for_each(|node| rename_node(node, &rename));
            let nodes = self.inline(nodes)?;
            if graph.node.len().saturating_add(nodes.len()) > MAX_NODES {
                return Err(fail(
                    Error::limit("graph has too many nodes").expected(format_args!("at most {MAX_NODES}"), "more"),
                ));
            }
            graph.node.extend(nodes);
        }
        graph.node[node].attribute = attributes;
        Ok(())
    }
}

/// Renames what a node reads and makes, in its branches, too.
fn rename_node(node: &mut NodeProto, rename: &dyn Fn(&str) -> String) {
    node.input.iter_mut().chain(&mut node.output).for_each(|name| *name = rename(name));
    let graphs = node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut());
    for graph in graphs {
        graph.node.iter_mut().for_each(|node| rename_node(node, rename));
        graph.output.iter_mut().for_each(|output| output.name = rename(&output.name));
        graph.initializer.iter_mut().for_each(|tensor| tensor.name = rename(&tensor.name));
    }
}

/// An attribute of a function's node: its own, or the one of the call that it refers to; `None` where the call has
/// none.
fn resolved<'a>(
    mut own: AttributeProto,
    of_call: &dyn Fn(&str) -> Option<&'a AttributeProto>,
) -> Option<AttributeProto> {
    for node in own.g.iter_mut().flat_map(|graph| &mut graph.node) {
        let attributes = std::mem::take(&mut node.attribute);
        node.attribute = attributes.into_iter().filter_map(|own| resolved(own, of_call)).collect();
    }
    if own.ref_attr_name.is_empty() {
        return Some(own);
    }
    of_call(&own.ref_attr_name).map(|given| AttributeProto { name: own.name, ..given.clone() })
}
