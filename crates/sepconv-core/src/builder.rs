use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::op::Quantization;
use crate::{DType, Error, Graph, Limits, Node, Op, Port, Result, Shape, Tensor, Value, ValueId, probe_memory};

/// Builds a [`Graph`] node by node. Shapes are inferred and limits enforced as it goes; a node whose operands are all constants is
/// computed at once and leaves only its result, unless it dequantises them.
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    /// For each value: which node makes it.
    producers: Vec<Option<usize>>,
    /// For each value: whether it depends on constants only. Dequantised ones stay nodes, and what follows them.
    settled: Vec<bool>,
    limits: Limits,
    /// Nodes applied, folded ones included; what a run of the network and the folding cost so far; bytes that the graph keeps.
    applied: usize,
    work: u64,
    memory: usize,
}

impl Builder {
    /// An empty graph that may grow to `limits`.
    pub fn new(limits: Limits) -> Self {
        let max_memory = limits.max_memory;
        let graph = Graph { values: vec![], nodes: vec![], inputs: vec![], outputs: vec![], max_memory };
        Self { graph, producers: vec![], settled: vec![], limits, applied: 0, work: 0, memory: 0 }
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
    /// When it alone would pass the limit of memory.
    pub fn input(&mut self, name: &str, shape: Shape, dtype: DType) -> Result<ValueId> {
        let order = (0..shape.len()).collect();
        self.port_input(name, shape, dtype, order)
    }

    /// Declares an input whose axes are those of the file in another order; see [`Port::order`].
    pub(crate) fn port_input(&mut self, name: &str, shape: Shape, dtype: DType, order: Vec<usize>) -> Result<ValueId> {
        self.check_memory(&shape).map_err(|error| error.at(alloc::format!("input {name:?}")))?;
        let value = self.push(Value { name: name.to_owned(), shape, dtype, constant: None })?;
        self.graph.inputs.push(Port { name: name.to_owned(), value, order });
        Ok(value)
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, tensor: impl Into<Arc<Tensor>>) -> Result<ValueId> {
        let tensor = tensor.into();
        let (shape, dtype) = (tensor.shape().clone(), tensor.dtype());
        self.push(Value { name: name.to_owned(), shape, dtype, constant: Some(tensor) })
    }

    /// Applies an operator to values and names the result.
    ///
    /// # Errors
    /// When shapes or types contradict each other or a limit would be passed; the error names the node.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        self.apply(name, &op, inputs).map_err(|error| error.at_node(name, op.name()))
    }

    /// As [`node`](Self::node), except that errors leave it to the caller to say where: a reader knows what its file calls the
    /// operator.
    ///
    /// # Errors
    /// When shapes or types contradict each other or a limit would be passed.
    pub fn apply(&mut self, name: &str, op: &Op, inputs: &[ValueId]) -> Result<ValueId> {
        if let Some((op, quantization, bytes)) = self.before_dequantize(op, inputs) {
            let moved = self.apply(name, &op, &[bytes])?;
            return self.apply(name, &Op::Dequantize(quantization), &[moved]);
        }
        let operands: Vec<&Value> = inputs.iter().map(|&id| self.value(id)).collect();
        let (shape, dtype) = op.infer(&operands)?;
        self.check_memory(&shape)?;
        // Scratch grows with what a window covers, and that with padding and dilation, of which the result's shape says nothing;
        // so do tables with what they list.
        op.workspace(&operands, &shape)?.iter().try_for_each(|working| self.check_memory(working))?;
        // The bytes of quantised weights are what integer kernels want; passes dequantise what they leave.
        let dequantizes = matches!(op, Op::Dequantize(_));
        let known = operands.iter().map(|value| value.constant.as_deref().filter(|_| !dequantizes));
        let constants: Option<Vec<&Tensor>> = known.collect();
        // The interpreter that folds, now or in a pass, is about as much slower than a kernel.
        const FOLDING: u64 = 1000;
        let settled = inputs.iter().all(|id| self.settled[id.0]);
        let work = op.work(&operands, &shape).saturating_mul(if settled && !dequantizes { FOLDING } else { 1 });
        self.check_cost(work)?;
        if constants.is_some() {
            self.expect_room(shape.elements() * dtype.size())?;
        }
        let folded = constants.map(|constants| op.evaluate(&constants, &shape)).transpose()?;
        if let Op::Quantize(quantization) | Op::Dequantize(quantization) = op {
            // Nodes of a file may share one long list of scales; here each has its own.
            self.hold(quantization.scale.len() * size_of::<(f32, i32)>())?;
        }
        self.applied += 1;
        self.work += work;
        if let Some(tensor) = folded {
            return self.constant(name, tensor);
        }
        let output = self.push(Value { name: name.to_owned(), shape, dtype, constant: None })?;
        if settled {
            self.hold(self.value(output).bytes())?;
            self.settled[output.0] = true;
        }
        self.producers[output.0] = Some(self.graph.nodes.len());
        self.graph.nodes.push(Node { name: name.to_owned(), op: op.clone(), inputs: inputs.to_vec(), output });
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

    /// A transpose or reshape of a dequantised constant as one of the constant's bytes, and how these stand for reals then.
    fn before_dequantize(&self, op: &Op, inputs: &[ValueId]) -> Option<(Op, Quantization, ValueId)> {
        let &[x] = inputs else { return None };
        let Node { op: Op::Dequantize(quantization), inputs, .. } = self.producer(x)? else { return None };
        self.constant_of(inputs[0])?;
        let mut quantization = quantization.clone();
        match op {
            Op::Reshape { .. } | Op::Transpose { .. } if quantization.whole().is_some() => {}
            Op::Transpose { order } => quantization.axis = order.iter().position(|&axis| axis == quantization.axis)?,
            Op::Reshape { shape } => {
                // The axis is where it was, if it still is one: as long, with as many elements before it.
                let (from, axis) = (self.shape(inputs[0]), quantization.axis);
                let before = |shape: &Shape, axis: usize| shape[..axis].iter().product::<usize>();
                let same = |&i: &usize| shape[i] == from[axis] && before(shape, i) == before(from, axis);
                quantization.axis = (0..shape.len()).find(same)?;
            }
            _ => return None,
        }
        Some((op.clone(), quantization, inputs[0]))
    }

    fn check_cost(&self, work: u64) -> Result<()> {
        if self.applied >= self.limits.max_nodes {
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

    /// What is computed may not be larger than all memory; elements count as the widest there are.
    fn check_memory(&self, shape: &Shape) -> Result<()> {
        let bytes = shape.elements() * size_of::<i64>();
        if bytes > self.limits.max_memory {
            return Err(memory_error(bytes, self.limits.max_memory));
        }
        Ok(())
    }

    /// For readers that make a constant of another one: whether the graph may keep so many bytes more.
    ///
    /// # Errors
    /// When they would pass the limit of memory, or do not fit memory.
    pub fn expect_room(&self, bytes: usize) -> Result<()> {
        self.check_room(bytes)?;
        probe_memory(bytes)
    }

    /// What the graph keeps with so many bytes more.
    fn check_room(&self, bytes: usize) -> Result<usize> {
        let memory = self.memory.saturating_add(bytes);
        if memory > self.limits.max_memory {
            return Err(memory_error(memory, self.limits.max_memory));
        }
        Ok(memory)
    }

    /// Counts memory that the graph keeps.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.memory = self.check_room(bytes)?;
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<ValueId> {
        if value.constant.is_some() {
            self.hold(value.bytes()).map_err(|error| error.at(alloc::format!("constant {:?}", value.name)))?;
        }
        self.settled.push(value.constant.is_some());
        self.graph.values.push(value);
        self.producers.push(None);
        Ok(ValueId(self.graph.values.len() - 1))
    }
}

/// The error for something that would take `bytes`.
pub(crate) fn memory_error(bytes: usize, most: usize) -> Error {
    Error::limit("network takes too much memory")
        .expected(format_args!("at most {most} bytes"), bytes)
        .help(String::from("raise Limits::max_memory (--max-memory) if the file is trusted"))
}
