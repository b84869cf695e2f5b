use std::collections::HashMap;

use sepconv_core::op::{Dequantize, QuantParams};
use sepconv_core::{DType, Graph, Node, Op, Port, Result, Shape, Tensor, ValueId, probe_memory};

use super::{attribute, ops, tensor};
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// Bytes that are left beside each constant, for everything small.
const HEADROOM: usize = 4 << 20;

/// A tensor of the file that holds a value of the graph: axis `i` of the value is axis `order[i]` of the tensor.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) name: String,
    pub(super) order: Vec<usize>,
}

/// A file being written, node by node.
pub(super) struct Writer<'g> {
    pub(super) graph: &'g Graph,
    pub(super) opset: i64,
    proto: GraphProto,
    /// What the node being written is called; its tensors are named after it.
    title: String,
    /// Names in use, each with the number to try next where it is wanted again.
    taken: HashMap<String, usize>,
    /// Tensors that become outputs, and what they are called then.
    renamed: HashMap<String, String>,
    /// What is computed, as it was first made.
    made: HashMap<ValueId, Held>,
    /// Constants behind a dequantization. They are written when, and in the order in which, they are read.
    quantized: HashMap<ValueId, (ValueId, &'g QuantParams)>,
    /// Tensors written for values, in each order that was asked for.
    tensors: HashMap<(ValueId, Vec<usize>), String>,
}

/// The inputs of the file: those of callers, and states.
pub(super) fn inputs(graph: &Graph) -> impl Iterator<Item = &Port> {
    graph.inputs().iter().chain(graph.states().map(|state| state.input))
}

/// The outputs of the file: those of callers, and states.
pub(super) fn outputs(graph: &Graph) -> impl Iterator<Item = &Port> {
    graph.outputs().iter().chain(graph.states().map(|state| state.output))
}

impl<'g> Writer<'g> {
    pub(super) fn new(graph: &'g Graph, opset: i64) -> Self {
        let taken = inputs(graph).chain(graph.outputs()).map(|port| (port.name.clone(), 1)).collect();
        let held = |port: &Port| (port.value, Held { name: port.name.clone(), order: port.order.clone() });
        let made = inputs(graph).map(held).collect();
        let (renamed, quantized, tensors) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (proto, title) = (GraphProto::default(), String::new());
        Self { graph, opset, proto, title, taken, renamed, made, quantized, tensors }
    }

    /// Writes a node of the graph.
    pub(super) fn node(&mut self, node: &'g Node) -> Result<()> {
        self.title = if node.name.is_empty() { node.op.name().to_owned() } else { node.name.clone() };
        match &node.op {
            Op::Dequantize(Dequantize(quantization)) if self.graph.value(node.inputs[0]).constant.is_some() => {
                self.quantized.insert(node.output, (node.inputs[0], quantization));
            }
            _ => {
                let held = ops::write(self, node)?;
                self.made.insert(node.output, held);
            }
        }
        Ok(())
    }

    /// The name of an output in the file: the port's, unless another port has it already.
    pub(super) fn output(&mut self, port: &Port) -> Result<String> {
        self.title.clone_from(&port.name);
        let tensor = self.operand(port.value, &port.order)?;
        let is_input = |name: &str| inputs(self.graph).any(|input| input.name == name);
        let is_new = !self.renamed.values().any(|name| *name == port.name);
        if is_input(&tensor) && tensor == port.name && is_new {
            return Ok(tensor);
        }
        let free = is_new && !is_input(&port.name);
        let computed = self.proto.node.iter().any(|node| node.output.contains(&tensor));
        let tensor = match computed && !self.renamed.contains_key(&tensor) {
            true => tensor,
            false => self.emit("Identity", &[&tensor], vec![]),
        };
        let name = if free { port.name.clone() } else { self.unique(&port.name) };
        self.renamed.insert(tensor, name.clone());
        Ok(name)
    }

    /// The nodes and constants, with outputs named as their ports are.
    pub(super) fn finish(mut self) -> GraphProto {
        let names = self.proto.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
        for name in names {
            if let Some(renamed) = self.renamed.get(name) {
                name.clone_from(renamed);
            }
        }
        self.proto
    }

    /// The name, or where it is taken the name with the first number that is free.
    fn unique(&mut self, name: &str) -> String {
        let number = self.taken.entry(name.to_owned()).or_insert(0);
        if *number == 0 {
            *number = 1;
            return name.to_owned();
        }
        let mut next = *number;
        while self.taken.contains_key(&format!("{name}_{next}")) {
            next += 1;
        }
        let unique = format!("{name}_{next}");
        self.taken.insert(name.to_owned(), next + 1);
        self.taken.insert(unique.clone(), 1);
        unique
    }

    pub(super) fn shape(&self, value: ValueId) -> &'g Shape {
        &self.graph.value(value).shape
    }

    pub(super) fn dtype(&self, value: ValueId) -> DType {
        self.graph.value(value).dtype
    }

    /// Whether a value is known to be all zero.
    pub(super) fn is_zero(&self, value: ValueId) -> bool {
        let floats = self.graph.value(value).constant.as_ref().and_then(|tensor| tensor.as_f32());
        floats.is_some_and(|floats| floats.iter().all(|&x| x == 0.0))
    }

    /// The order in which an operator that treats all axes alike computes: that of the first operand of the result's
    /// rank whose axes have moved.
    pub(super) fn common_order(&self, operands: &[ValueId], rank: usize) -> Vec<usize> {
        let orders = operands.iter().filter_map(|value| self.made.get(value)).map(|held| &held.order);
        let moved = orders.into_iter().find(|order| order.len() == rank && !order.is_sorted());
        moved.cloned().unwrap_or_else(|| tensor::file_order(rank))
    }

    /// Writes a node and returns the name of its output. An operand without name is left out.
    pub(super) fn emit(&mut self, operator: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let name = self.unique(&self.title.clone());
        let given = inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        let input = inputs[..given].iter().map(|name| (*name).to_owned()).collect();
        let (op_type, output) = (operator.to_owned(), vec![name.clone()]);
        let node = NodeProto { name: name.clone(), op_type, input, output, attribute, ..Default::default() };
        self.proto.node.push(node);
        name
    }

    /// A further output of the node written last; an empty name leaves it out.
    pub(super) fn another_output(&mut self, what: &str) -> String {
        let name = if what.is_empty() { String::new() } else { self.unique(&format!("{}_{what}", self.title)) };
        self.proto.node.last_mut().expect("a node was written").output.push(name.clone());
        name
    }

    /// As [`emit`](Self::emit), for the second output of an operator.
    pub(super) fn emit_second(&mut self, operator: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let first = self.emit(operator, inputs, attribute);
        let second = self.unique(&format!("{first}_second"));
        if let Some(node) = self.proto.node.last_mut() {
            node.output.push(second.clone());
        }
        second
    }

    /// A small constant of the node being written.
    pub(super) fn parameter(&mut self, what: &str, tensor: &Tensor) -> String {
        self.initializer(&format!("{}_{what}", self.title), |name| tensor::proto(name, tensor))
    }

    pub(super) fn scalar(&mut self, what: &str, value: f32) -> Result<String> {
        Ok(self.parameter(what, &Tensor::f32([], [value])?))
    }

    pub(super) fn ints(&mut self, what: &str, list: &[i64]) -> Result<String> {
        Ok(self.parameter(what, &Tensor::i64([list.len()], list)?))
    }

    pub(super) fn sizes(&mut self, what: &str, list: &[usize]) -> Result<String> {
        self.ints(what, &list.iter().map(|&size| size as i64).collect::<Vec<_>>())
    }

    /// The tensor that holds a value with its axes as they are.
    pub(super) fn materialize(&mut self, value: ValueId) -> Result<String> {
        self.operand(value, &tensor::file_order(self.shape(value).len()))
    }

    /// A tensor whose elements follow each other as those of a value, in whatever shape.
    pub(super) fn in_sequence(&mut self, value: ValueId) -> Result<String> {
        let shape = self.shape(value);
        match self.made.get(&value) {
            Some(held)
                if held
                    .order
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| shape[*i] != 1)
                    .is_sorted_by_key(|(_, axis)| *axis) =>
            {
                Ok(held.name.clone())
            }
            _ => self.materialize(value),
        }
    }

    /// The tensor that holds a value in `order`; leading axes of size 1 are added where it has more axes than the
    /// value.
    pub(super) fn operand(&mut self, value: ValueId, order: &[usize]) -> Result<String> {
        let key = (value, order.to_vec());
        if let Some(name) = self.tensors.get(&key) {
            return Ok(name.clone());
        }
        let name = if let Some(&(integers, quantization)) = self.quantized.get(&value) {
            self.dequantized(integers, quantization, order)?
        } else if let Some(held) = self.made.get(&value).cloned() {
            self.rearranged(value, held, order)?
        } else {
            self.constant(value, order)?
        };
        self.tensors.insert(key, name.clone());
        Ok(name)
    }

    fn constant(&mut self, id: ValueId, order: &[usize]) -> Result<String> {
        let value = self.graph.value(id);
        let constant = value.constant.as_deref().expect("what is no input and not computed yet is a constant");
        // Once in another order of axes, once as bytes.
        probe_memory(2 * constant.shape().elements() * constant.dtype().size() + HEADROOM)?;
        let turned = tensor::turned(constant, order)?;
        Ok(self.initializer(&value.name, |name| tensor::proto(name, &turned)))
    }

    fn initializer(&mut self, name: &str, proto: impl FnOnce(String) -> TensorProto) -> String {
        let name = self.unique(if name.is_empty() { "constant" } else { name });
        self.proto.initializer.push(proto(name.clone()));
        name
    }

    /// A dequantized constant, its integers kept. Wide ones that `DequantizeLinear` does not take (it knows 32 bits and
    /// no zero point) become the real numbers that they stand for.
    fn dequantized(&mut self, integers: ValueId, quantization: &QuantParams, order: &[usize]) -> Result<String> {
        let value = self.graph.value(integers);
        let tensor = value.constant.as_deref().expect("only what is behind constants is written when it is read");
        let axis = order.get(quantization.axis + order.len() - value.shape.len()).copied().unwrap_or(0);
        let turned = QuantParams { axis, ..quantization.clone() };
        let Some(wide) = tensor.as_i64() else {
            let bytes = self.operand(integers, order)?;
            return self.dequantize(&bytes, &turned);
        };
        let tensor = tensor::turned(tensor, order)?;
        let fits =
            quantization.zero_point.iter().all(|&zero| zero == 0) && wide.iter().all(|&q| i32::try_from(q).is_ok());
        if !fits {
            let dequantized = Op::Dequantize(Dequantize(turned)).evaluate(&[&tensor], tensor.shape())?;
            return Ok(self.initializer(&value.name, |name| tensor::proto(name, &dequantized)));
        }
        let name = self.initializer(&value.name, |name| tensor::narrow(name, &tensor));
        self.dequantize(&name, &turned)
    }

    /// A computed value in another order. Where only axes of size 1 move no element does.
    fn rearranged(&mut self, value: ValueId, held: Held, order: &[usize]) -> Result<String> {
        if held.order == order {
            return Ok(held.name);
        }
        let shape = self.shape(value);
        let (from, to) = (tensor::turned_dims(shape, &held.order), tensor::turned_dims(shape, order));
        // Axis `i` of the value, with the leading ones that are missing, in the tensor as it is.
        let missing = order.len() - shape.len();
        let now: Vec<usize> = (0..missing).chain(held.order.iter().map(|axis| axis + missing)).collect();
        let back = tensor::inverse(order);
        let permutation: Vec<usize> = back.iter().map(|&axis| now[axis]).collect();
        let full = tensor::extended(&from, order.len());
        if permutation.iter().filter(|&&axis| full[axis] != 1).is_sorted() {
            return if from == to { Ok(held.name) } else { self.reshape(&held.name, &to) };
        }
        let name = if missing > 0 { self.reshape(&held.name, &full)? } else { held.name };
        Ok(self.emit("Transpose", &[&name], vec![attribute::ints("perm", &permutation)]))
    }
}
