use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Graph, Limits, Node, Port, Value, ValueId};
use crate::op::{Dequantize, QuantParams, Quantize, Reshape, Transpose};
use crate::{DType, Error, Op, Result, Shape, Tensor, probe_memory};

/// Builds a [`Graph`] node by node. Shapes are inferred and limits enforced on the way; a node whose operands are all
/// constants is evaluated at once and leaves only its result, except a [`Dequantize`].
///
/// ```
/// use sepconv_core::op::{Activation, Conv2d, Window};
/// use sepconv_core::{Builder, DType, Limits, Shape, Tensor};
///
/// let mut builder = Builder::new(Limits::default());
/// let x = builder.input("x", Shape::new([1, 8, 8, 16])?, DType::F32)?;
/// let weights = builder.constant("w", Tensor::f32([16, 3, 3, 1], vec![1.0; 144])?)?;
/// let bias = builder.constant("b", Tensor::f32([16], vec![0.0; 16])?)?;
/// let depthwise = Conv2d { window: Window::new(3, 3), groups: 16, activation: Activation::Relu };
/// let y = builder.node("depthwise", depthwise, &[x, weights, bias])?;
/// builder.output("y", y);
/// assert_eq!(builder.finish().macs(), 6 * 6 * 144);
/// # Ok::<(), sepconv_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    /// For each value: which node makes it.
    producers: Vec<Option<usize>>,
    /// The input and the output of each declared state.
    states: Vec<[Port; 2]>,
    /// For each value: whether it depends on constants only. Dequantized constants stay nodes, and what follows them.
    constant_only: Vec<bool>,
    limits: Limits,
    /// Nodes so far, folded ones included.
    nodes: usize,
    /// Cost of a run of the network and of folding so far.
    work: u64,
    /// Bytes that the graph keeps.
    memory: usize,
}

/// How many times slower the interpreter, which folds, is than a kernel.
const FOLDING_COST: u64 = 1000;

impl Builder {
    /// An empty graph that may grow to `limits`.
    pub fn new(limits: Limits) -> Self {
        let max_memory = limits.max_memory;
        let (values, nodes, inputs, outputs) = (vec![], vec![], vec![], vec![]);
        let graph = Graph { values, nodes, inputs, outputs, initial_states: vec![], max_memory };
        let (producers, states, constant_only) = (vec![], vec![], vec![]);
        Self { graph, producers, states, constant_only, limits, nodes: 0, work: 0, memory: 0 }
    }

    /// The value that `id` names.
    pub fn value(&self, id: ValueId) -> &Value {
        self.graph.value(id)
    }

    /// The shape of a value.
    pub fn shape(&self, id: ValueId) -> &Shape {
        &self.value(id).shape
    }

    /// The elements of a value, where they are known already.
    pub fn constant_of(&self, id: ValueId) -> Option<&Arc<Tensor>> {
        self.value(id).constant.as_ref()
    }

    /// Declares an input of the graph, with its axes in the file's order.
    ///
    /// # Errors
    /// When it alone would exceed the memory limit.
    pub fn input(&mut self, name: &str, shape: Shape, dtype: DType) -> Result<ValueId> {
        let order = (0..shape.len()).collect();
        self.port_input(name, shape, dtype, order)
    }

    /// Declares an input whose axes are those of the file in another order; see [`Port::order`].
    pub(crate) fn port_input(&mut self, name: &str, shape: Shape, dtype: DType, order: Vec<usize>) -> Result<ValueId> {
        self.check_size(&shape).map_err(|error| error.at(format!("input {name:?}")))?;
        let value = self.push(Value { name: name.to_owned(), shape, dtype, constant: None })?;
        self.graph.inputs.push(Port { name: name.to_owned(), value, order });
        Ok(value)
    }

    /// Declares a [`State`](super::State) and returns what a run reads of it. It stays as it is until a value is
    /// [assigned](Self::assign).
    ///
    /// # Errors
    /// When constants and states together would exceed the memory limit.
    pub fn state(&mut self, name: &str, initial: impl Into<Arc<Tensor>>) -> Result<ValueId> {
        let initial = initial.into();
        let (shape, dtype) = (initial.shape().clone(), initial.dtype());
        self.keep(initial.bytes().len()).map_err(|error| error.at(format!("state {name:?}")))?;
        let order = (0..shape.len()).collect();
        let value = self.push(Value { name: name.to_owned(), shape, dtype, constant: None })?;
        let port = Port { name: name.to_owned(), value, order };
        self.states.push([port.clone(), port]);
        self.graph.initial_states.push(initial);
        Ok(value)
    }

    /// Makes `value` what the next run reads of a state, where `state` is what this one reads.
    ///
    /// # Errors
    /// When there is no such state, or the value has another shape or dtype.
    pub fn assign(&mut self, state: ValueId, value: ValueId) -> Result<()> {
        let described = |id: ValueId| format!("{} {}", self.value(id).dtype, self.value(id).shape);
        if (self.value(state).dtype, self.shape(state)) != (self.value(value).dtype, self.shape(value)) {
            return Err(
                Error::mismatch("state is assigned another shape or type").expected(described(state), described(value))
            );
        }
        let declared = self.states.iter_mut().find(|[input, _]| input.value == state);
        let [_, output] = declared.ok_or_else(|| Error::argument("value is not a state"))?;
        output.value = value;
        Ok(())
    }

    /// Makes the last inputs and outputs states, as many as there are initial values.
    pub(super) fn last_ports_are_states(&mut self, initial: Vec<Arc<Tensor>>) {
        self.graph.initial_states = initial;
    }

    /// Adds a constant.
    ///
    /// # Errors
    /// When the constants together would exceed the memory limit.
    pub fn constant(&mut self, name: &str, tensor: impl Into<Arc<Tensor>>) -> Result<ValueId> {
        let tensor = tensor.into();
        let (shape, dtype) = (tensor.shape().clone(), tensor.dtype());
        self.push(Value { name: name.to_owned(), shape, dtype, constant: Some(tensor) })
    }

    /// Applies an operator to values and names the result.
    ///
    /// # Errors
    /// When shapes or dtypes contradict each other or a limit would be exceeded; the error names the node.
    pub fn node(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        let op = op.into();
        let operator = op.name();
        self.apply(name, op, inputs).map_err(|error| error.at_node(name, operator))
    }

    /// As [`node`](Self::node), except that errors leave the place to the caller: a reader knows the file's name for
    /// the operator.
    ///
    /// # Errors
    /// When shapes or dtypes contradict each other or a limit would be exceeded.
    pub fn apply(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        self.apply_op(name, op.into(), inputs)
    }

    /// Compiled once, not for each operator.
    fn apply_op(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        if let Some((op, params, integers)) = self.before_dequantize(&op, inputs) {
            let moved = self.apply_op(name, op, &[integers])?;
            return self.apply_op(name, Dequantize(params).into(), &[moved]);
        }
        let operands: Vec<&Value> = inputs.iter().map(|&id| self.value(id)).collect();
        let (shape, dtype) = op.infer(&operands)?;
        self.check_size(&shape)?;
        // Scratch grows with padding and dilation, which the result's shape does not show; tables grow with their
        // entries.
        op.operator().workspace(&operands, &shape)?.iter().try_for_each(|workspace| self.check_size(workspace))?;
        // Integer kernels want the integers of quantized weights; passes dequantize the rest.
        let dequantizes = matches!(op, Op::Dequantize(_));
        let known = operands.iter().map(|value| value.constant.as_deref().filter(|_| !dequantizes));
        let constants: Option<Vec<&Tensor>> = known.collect();
        let constant_only = inputs.iter().all(|id| self.constant_only[id.0]);
        // What depends on constants only is folded, now or in a pass.
        let factor = if constant_only && !dequantizes { FOLDING_COST } else { 1 };
        let work = op.work(&operands, &shape).saturating_mul(factor);
        self.check_cost(work)?;
        if constants.is_some() {
            self.check_memory(shape.elements() * dtype.size())?;
        }
        let folded = constants.map(|constants| op.evaluate(&constants, &shape)).transpose()?;
        if let Op::Quantize(Quantize(params)) | Op::Dequantize(Dequantize(params)) = &op {
            // Nodes of a file may share one long list of scales; here each has its own.
            self.keep(params.scale.len() * size_of::<(f32, i32)>())?;
        }
        self.nodes += 1;
        self.work += work;
        if let Some(tensor) = folded {
            return self.constant(name, tensor);
        }
        let output = self.push(Value { name: name.to_owned(), shape, dtype, constant: None })?;
        if constant_only {
            self.keep(self.value(output).bytes())?;
            self.constant_only[output.0] = true;
        }
        self.producers[output.0] = Some(self.graph.nodes.len());
        self.graph.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), output });
        Ok(output)
    }

    /// Declares an output of the graph.
    pub fn output(&mut self, name: &str, value: ValueId) {
        let order = (0..self.shape(value).len()).collect();
        self.port_output(name, value, order);
    }

    /// Declares an output whose axes are those of the file in another order; see [`Port::order`].
    pub(crate) fn port_output(&mut self, name: &str, value: ValueId, order: Vec<usize>) {
        self.graph.outputs.push(Port { name: name.to_owned(), value, order });
    }

    /// The node that makes a value; `None` for inputs and constants.
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        self.producers[id.0].map(|node| &self.graph.nodes[node])
    }

    /// The finished graph, without the nodes that no output needs.
    pub fn finish(mut self) -> Graph {
        for [input, output] in self.states {
            self.graph.inputs.push(input);
            self.graph.outputs.push(output);
        }
        let mut needed = vec![false; self.graph.values.len()];
        for port in &self.graph.outputs {
            needed[port.value.0] = true;
        }
        for node in self.graph.nodes.iter().rev() {
            if needed[node.output.0] {
                node.inputs.iter().for_each(|id| needed[id.0] = true);
            }
        }
        self.graph.nodes.retain(|node| needed[node.output.0]);
        for (value, needed) in self.graph.values.iter_mut().zip(needed) {
            value.constant.take_if(|_| !needed);
        }
        self.graph
    }

    /// A transpose or reshape of a dequantized constant as one of the constant's integers, with their parameters
    /// afterwards.
    fn before_dequantize(&self, op: &Op, inputs: &[ValueId]) -> Option<(Op, QuantParams, ValueId)> {
        let &[x] = inputs else { return None };
        let Node { op: Op::Dequantize(Dequantize(params)), inputs, .. } = self.producer(x)? else { return None };
        self.constant_of(inputs[0])?;
        let mut params = params.clone();
        match op {
            Op::Reshape(_) | Op::Transpose(_) if params.as_per_tensor().is_some() => {}
            Op::Transpose(Transpose { order }) => params.axis = order.iter().position(|&axis| axis == params.axis)?,
            Op::Reshape(Reshape { shape }) => {
                // The axis is where it was, if it is still as long, with as many elements before it.
                let (from, axis) = (self.shape(inputs[0]), params.axis);
                let before = |shape: &Shape, axis: usize| shape[..axis].iter().product::<usize>();
                let same = |&i: &usize| shape[i] == from[axis] && before(shape, i) == before(from, axis);
                params.axis = (0..shape.len()).find(same)?;
            }
            _ => return None,
        }
        Some((op.clone(), params, inputs[0]))
    }

    fn check_cost(&self, work: u64) -> Result<()> {
        if self.nodes >= self.limits.max_nodes {
            return Err(Error::limit("graph has too many nodes")
                .expected(format_args!("at most {}", self.limits.max_nodes), "more")
                .help("raise Limits::max_nodes if the file is trusted"));
        }
        if self.work.checked_add(work).is_none_or(|total| total > self.limits.max_macs) {
            return Err(Error::limit("network costs too much arithmetic")
                .expected(
                    format_args!("at most {} multiply-accumulates", self.limits.max_macs),
                    format_args!("{work} more than {}", self.work),
                )
                .help("raise Limits::max_macs (--max-macs) if the file is trusted"));
        }
        Ok(())
    }

    /// Checks that a computed tensor is not larger than all memory; elements count as the widest dtype.
    fn check_size(&self, shape: &Shape) -> Result<()> {
        let bytes = shape.elements() * size_of::<i64>();
        if bytes > self.limits.max_memory {
            return Err(memory_error(bytes, self.limits.max_memory));
        }
        Ok(())
    }

    /// Checks that the graph may keep so many bytes more: before a reader makes a constant from another one.
    ///
    /// # Errors
    /// When they would exceed the memory limit or the machine's memory.
    pub fn check_memory(&self, bytes: usize) -> Result<()> {
        self.memory_with(bytes)?;
        probe_memory(bytes)
    }

    /// Bytes that the graph keeps with so many more.
    fn memory_with(&self, bytes: usize) -> Result<usize> {
        let memory = self.memory.saturating_add(bytes);
        if memory > self.limits.max_memory {
            return Err(memory_error(memory, self.limits.max_memory));
        }
        Ok(memory)
    }

    /// Counts memory that the graph keeps.
    fn keep(&mut self, bytes: usize) -> Result<()> {
        self.memory = self.memory_with(bytes)?;
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<ValueId> {
        if value.constant.is_some() {
            self.keep(value.bytes()).map_err(|error| error.at(format!("constant {:?}", value.name)))?;
        }
        self.constant_only.push(value.constant.is_some());
        self.graph.values.push(value);
        self.producers.push(None);
        Ok(ValueId(self.graph.values.len() - 1))
    }
}

/// The error for a network that would take `bytes`.
pub(crate) fn memory_error(bytes: usize, most: usize) -> Error {
    Error::limit("network takes too much memory")
        .expected(format_args!("at most {most} bytes"), bytes)
        .help(String::from("raise Limits::max_memory (--max-memory) if the file is trusted"))
}
