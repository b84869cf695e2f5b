use std::collections::HashMap;
use std::ops::Range;

use sepconv_core::{Builder, Error, Graph, Result, ValueId};

use super::external::External;
use super::node::Node;
use super::ops::{self, Import};
use super::proto::{GraphProto, NodeProto};
use super::{Onnx, flatten, is_default_domain, tensor};
use crate::element::ElementType;
use crate::{ImportOptions, operators};

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source {
    Input,
    Initializer(usize),
    Node(usize),
}

pub(super) fn import(onnx: &Onnx, options: &ImportOptions) -> Result<Graph> {
    let Some(proto) = &onnx.model.graph else { return Err(Error::malformed("file has no graph")) };
    options.check_names(onnx.inputs())?;
    let sources = sources(onnx, proto)?;
    let order = order(proto, &sources)?;
    // Before any weight is read: an operator that is not supported should cost nothing.
    let found: Vec<Option<Import>> = order.iter().map(|&i| ops::find(&proto.node[i])).collect();
    let is_needed = |i: usize| i < onnx.branches;
    if let Some((_, &first)) = found.iter().zip(&order).find(|&(import, &i)| import.is_none() && is_needed(i)) {
        let needed = operators::count(order.iter().filter(|&&i| is_needed(i)).map(|&i| operator(&proto.node[i])));
        operators::check(&needed).map_err(|error| place(error, &proto.node[first]))?;
    }
    let external = External { directory: onnx.directory.as_deref(), max_bytes: options.limits.max_memory };
    let builder = Builder::new(options.limits);
    let (values, failed) = (HashMap::new(), HashMap::new());
    let mut importer = Importer { onnx, proto, sources, builder, external, values, failed };
    for input in onnx.inputs() {
        let value = options.declare(input, &mut importer.builder)?;
        importer.values.insert(&input.name, value);
    }
    for (&i, import) in order.iter().zip(found) {
        let imported = importer.node(i, import).map_err(|error| place(error, &proto.node[i]));
        match imported {
            // An error where another branch is not taken.
            Err(error) if !is_needed(i) => {
                importer.failed.insert(i, error);
            }
            imported => imported?,
        }
    }
    for output in &proto.output {
        let value = importer.value(&output.name).map_err(|error| error.at(format!("output {:?}", output.name)))?;
        importer.builder.output(&output.name, value);
    }
    Ok(importer.builder.finish())
}

struct Importer<'a> {
    onnx: &'a Onnx,
    proto: &'a GraphProto,
    sources: HashMap<&'a str, Source>,
    builder: Builder,
    external: External<'a>,
    /// What has been imported so far. Weights come in when they are first used.
    values: HashMap<&'a str, ValueId>,
    /// Why nodes of branches are not imported.
    failed: HashMap<usize, Error>,
}

impl<'a> Importer<'a> {
    fn node(&mut self, i: usize, import: Option<Import>) -> Result<()> {
        let proto = &self.proto.node[i];
        let import = import.ok_or_else(|| Error::unsupported("operator is not supported"))?;
        let unused = self.unused(proto)?;
        let inputs = proto.input.iter().enumerate().map(|(i, name)| match name.as_str() {
            "" => Ok(None),
            _ if unused.contains(&i) => Ok(None),
            name => self.value(name).map(Some),
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let elements = proto.input.iter().map(|name| self.element(name)).collect();
        let node = Node::new(&mut self.builder, proto, inputs, elements, self.onnx.opset, self.external)?;
        let outputs = node.import(import)?;
        // Files name outputs that only training needs; missing ones are an error where something reads them.
        self.values.extend(proto.output.iter().map(String::as_str).zip(outputs));
        Ok(())
    }

    /// The operands of an `If` that are results of the branch which a known condition does not take.
    fn unused(&mut self, proto: &NodeProto) -> Result<Range<usize>> {
        let count = proto.output.len();
        let (Some(condition), true) = (proto.input.first(), flatten::is_if(proto)) else { return Ok(0..0) };
        let condition = self.value(condition)?;
        let known = self.builder.constant_of(condition).and_then(|tensor| tensor.as_i64()?.first().copied());
        Ok(match known {
            None => 0..0,
            Some(0) => 1..1 + count,
            Some(_) => 1 + count..1 + 2 * count,
        })
    }

    /// The element type that the file declares for a value that is given.
    fn element(&self, name: &str) -> Option<ElementType> {
        let weight = match *self.sources.get(name)? {
            Source::Input => {
                return self.onnx.inputs().iter().find(|input| input.name == name).map(|input| input.element);
            }
            Source::Initializer(i) => &self.proto.initializer[i],
            Source::Node(i) => {
                let constant = Some(&self.proto.node[i]).filter(|node| node.op_type == "Constant")?;
                constant.attribute.iter().find_map(|attribute| attribute.t.as_ref())?
            }
        };
        tensor::element(weight.data_type).ok()
    }

    fn value(&mut self, name: &str) -> Result<ValueId> {
        if let Some(&value) = self.values.get(name) {
            return Ok(value);
        }
        match self.sources.get_key_value(name) {
            Some((&name, &Source::Initializer(i))) => {
                let tensor = tensor::tensor(&self.proto.initializer[i], self.external)?;
                let value = self.builder.constant(name, tensor)?;
                self.values.insert(name, value);
                Ok(value)
            }
            Some((_, Source::Node(i))) if self.failed.contains_key(i) => Err(self.failed[i].clone()),
            Some((_, &Source::Node(i))) => {
                let node = &self.proto.node[i];
                let which = node.output.iter().position(|output| output == name).unwrap_or(0);
                let error = Error::unsupported(format!("output {which} of {} is not supported", node.op_type));
                Err(place(error, node))
            }
            _ => Err(undefined(name)),
        }
    }
}

/// The name of a node's operator, and whether it is read.
pub(super) fn operator(node: &NodeProto) -> (String, bool) {
    let name = if node.op_type.is_empty() { "(no name)" } else { &node.op_type };
    let name = if is_default_domain(&node.domain) { name.to_owned() } else { format!("{}.{name}", node.domain) };
    (name, ops::find(node).is_some())
}

fn place(error: Error, node: &NodeProto) -> Error {
    error.at_node(node.title(), &node.op_type)
}

fn undefined(name: &str) -> Error {
    Error::malformed(format!("value {name:?} is used and nothing produces it"))
}

/// Who makes each value; names must be unique.
fn sources<'a>(onnx: &'a Onnx, proto: &'a GraphProto) -> Result<HashMap<&'a str, Source>> {
    let mut sources = HashMap::new();
    let inputs = onnx.inputs().iter().map(|input| (input.name.as_str(), Source::Input));
    let weights =
        proto.initializer.iter().enumerate().map(|(i, weight)| (weight.name.as_str(), Source::Initializer(i)));
    let outputs = proto
        .node
        .iter()
        .enumerate()
        .flat_map(|(i, node)| node.output.iter().map(move |name| (name.as_str(), Source::Node(i))));
    for (name, source) in inputs.chain(weights).chain(outputs).filter(|(name, _)| !name.is_empty()) {
        if sources.insert(name, source).is_some() {
            return Err(Error::malformed(format!("two values are called {name:?}")));
        }
    }
    Ok(sources)
}

/// The nodes that outputs depend on, each after those that it depends on and otherwise as in the file.
fn order(proto: &GraphProto, sources: &HashMap<&str, Source>) -> Result<Vec<usize>> {
    let makers = |name: &str| match sources.get(name) {
        Some(&Source::Node(i)) => Some(i),
        _ => None,
    };
    let mut needed = vec![false; proto.node.len()];
    let mut stack: Vec<usize> = proto.output.iter().filter_map(|output| makers(&output.name)).collect();
    while let Some(i) = stack.pop() {
        if !std::mem::replace(&mut needed[i], true) {
            stack.extend(proto.node[i].input.iter().filter_map(|name| makers(name)));
        }
    }
    let mut order = Vec::new();
    let mut state = vec![Visit::New; proto.node.len()];
    for start in (0..proto.node.len()).filter(|&i| needed[i]) {
        // Depth first without recursion: a file may chain as many nodes as it likes.
        let mut path = vec![(start, 0)];
        while let Some((i, next)) = path.pop() {
            let node = &proto.node[i];
            match state[i] {
                Visit::Done => continue,
                Visit::Open if next == 0 => {
                    return Err(place(Error::malformed("node depends on its own output"), node));
                }
                _ => state[i] = Visit::Open,
            }
            match node.input.get(next) {
                Some(name) => {
                    if !name.is_empty() && !sources.contains_key(name.as_str()) {
                        return Err(place(undefined(name), node));
                    }
                    path.push((i, next + 1));
                    path.extend(makers(name).map(|maker| (maker, 0)));
                }
                None => {
                    state[i] = Visit::Done;
                    order.push(i);
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    Open,
    Done,
}
