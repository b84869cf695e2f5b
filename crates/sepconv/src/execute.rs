//! Networks run node by node on calibration samples: what quantizing and factorizing have in common.

use std::collections::HashMap;
use std::sync::Arc;

use sepconv_core::op::Transpose;
use sepconv_core::{
    Builder, DType, Error, Graph, Limits, Node, Op, Plan, Result, Session, Shape, Tensor, ValueId, probe_memory,
};
use sepconv_kernels::Isa;

use crate::{Options, TensorInfo, threads::Threads};

/// Samples that go through the network together, layer after layer, while it is observed.
const BATCH: usize = 8;
/// Bytes that are left for a node's plan, for everything small.
const HEADROOM: usize = 8 << 20;
/// Limits were checked when the graph was built.
const UNLIMITED: Limits = Limits { max_memory: usize::MAX, max_macs: u64::MAX, max_nodes: usize::MAX };

/// Runs nodes one at a time, each with a plan of its own.
#[derive(Debug)]
pub(crate) struct Executor {
    isa: Isa,
    threads: Threads,
    count: usize,
}

impl Executor {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let (isa, count) = (options.resolve_isa()?, options.threads);
        Ok(Self { isa, threads: Threads::new(count)?, count })
    }

    /// The instruction set that everything runs on.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Plans a node by itself; `known` may replace operands by constants of the same shape.
    pub(crate) fn plan(
        &self,
        graph: &Graph,
        node: &Node,
        known: &dyn Fn(usize) -> Option<Arc<Tensor>>,
    ) -> Result<NodeRunner<'_>> {
        probe_memory(HEADROOM)?;
        let mut builder = Builder::new(UNLIMITED);
        let mut operands = Vec::new();
        for (i, &id) in node.inputs.iter().enumerate() {
            let value = graph.value(id);
            operands.push(match known(i).or_else(|| value.constant.clone()) {
                Some(tensor) => builder.constant(&value.name, tensor)?,
                None => builder.input(&value.name, value.shape.clone(), value.dtype)?,
            });
        }
        let result = builder.node(&node.name, node.op.clone(), &operands)?;
        builder.output(&node.name, result);
        self.plan_graph(&builder.finish())
    }

    /// Plans a network that no caller sees.
    pub(crate) fn plan_graph(&self, graph: &Graph) -> Result<NodeRunner<'_>> {
        let plan = Plan::new(graph, self.isa, self.count, &UNLIMITED)?;
        Ok(NodeRunner { session: Session::new(plan)?, executor: self })
    }
}

/// One node, or a small network, ready to run.
pub(crate) struct NodeRunner<'m> {
    session: Session,
    executor: &'m Executor,
}

impl NodeRunner<'_> {
    /// The result for the operands that are no constants.
    pub(crate) fn run(&mut self, operands: &[&Tensor]) -> Result<&[f32]> {
        let Self { session, executor } = self;
        let results = executor.threads.enter(|join| session.run(operands, join))?;
        Ok(results[0].as_f32().unwrap_or_default())
    }

    /// Runs on what the run before left in memory, as inside a network.
    pub(crate) fn run_without_io(&mut self) {
        let Self { session, executor } = self;
        executor.threads.enter(|join| session.run_without_io(join));
    }
}

/// The activations that later nodes read, for each sample.
pub(crate) struct ActivationStore<T> {
    values: HashMap<ValueId, Vec<T>>,
    /// For each node: the values that no later node reads.
    dead: Vec<Vec<ValueId>>,
}

impl<T> ActivationStore<T> {
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut last = HashMap::new();
        for (i, node) in graph.nodes().iter().enumerate() {
            last.extend(node.inputs.iter().chain([&node.output]).map(|&id| (id, i)));
        }
        let mut dead = vec![Vec::new(); graph.nodes().len()];
        last.into_iter().for_each(|(id, i)| dead[i].push(id));
        Self { values: HashMap::new(), dead }
    }

    pub(crate) fn insert(&mut self, id: ValueId, samples: Vec<T>) {
        self.values.insert(id, samples);
    }

    pub(crate) fn get(&self, id: ValueId) -> &[T] {
        self.values.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Drops the values that no node after `i` reads.
    pub(crate) fn release(&mut self, i: usize) {
        self.dead[i].iter().for_each(|id| drop(self.values.remove(id)));
    }
}

/// Bytes of the activations of one sample that are kept at the same time, at most.
pub(crate) fn live_bytes(graph: &Graph) -> usize {
    let mut store = ActivationStore::<()>::new(graph);
    let mut most = 0;
    graph.inputs().iter().for_each(|port| store.insert(port.value, vec![]));
    for (i, node) in graph.nodes().iter().enumerate() {
        store.insert(node.output, vec![]);
        let bytes = |id: &ValueId| graph.value(*id).shape.elements() * size_of::<f32>();
        most = most.max(store.values.keys().map(bytes).sum());
        store.release(i);
    }
    most
}

/// The operands of a node that are not known before running.
pub(crate) fn computed<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = ValueId> + 'a {
    node.inputs.iter().copied().filter(|&id| graph.value(id).constant.is_none())
}

/// The inputs of one sample with their axes in the order that they have inside.
pub(crate) fn inward(graph: &Graph, sample: &[Tensor]) -> Result<Vec<Tensor>> {
    let pairs = graph.inputs().iter().zip(sample);
    let transposed = |(port, tensor): (&sepconv_core::Port, &Tensor)| {
        let shape = Shape::new(port.order.iter().map(|&axis| tensor.shape()[axis]).collect::<Vec<_>>())?;
        Op::Transpose(Transpose { order: port.order.clone() }).evaluate(&[tensor], &shape)
    };
    pairs.map(transposed).collect()
}

/// A tensor of a value's shape.
pub(crate) fn tensor(graph: &Graph, id: ValueId, data: Vec<f32>) -> Result<Tensor> {
    Tensor::new(graph.value(id).shape.clone(), sepconv_core::Data::F32(data))
}

/// Fails where a value of so many samples does not fit memory.
pub(crate) fn probe_results(graph: &Graph, id: ValueId, samples: usize) -> Result<()> {
    probe_memory((graph.value(id).shape.elements() * size_of::<f32>()).saturating_mul(samples))
}

/// Runs the network on floats and shows `see` every value of every sample, inputs included.
pub(crate) fn observe(
    graph: &Graph,
    samples: &[Vec<Tensor>],
    executor: &Executor,
    see: &mut dyn FnMut(ValueId, &[f32]),
    advance: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<()> {
    for batch in samples.chunks(BATCH) {
        let mut live = ActivationStore::<Tensor>::new(graph);
        let mut inputs = vec![Vec::new(); graph.inputs().len()];
        for sample in batch {
            inputs.iter_mut().zip(inward(graph, sample)?).for_each(|(all, tensor)| all.push(tensor));
        }
        for (port, samples) in graph.inputs().iter().zip(inputs) {
            samples.iter().for_each(|tensor| see(port.value, tensor.as_f32().unwrap_or_default()));
            live.insert(port.value, samples);
        }
        for (i, node) in graph.nodes().iter().enumerate() {
            let mut runner = executor.plan(graph, node, &|_| None)?;
            probe_results(graph, node.output, batch.len())?;
            let mut results = Vec::with_capacity(batch.len());
            for sample in 0..batch.len() {
                let operands: Vec<&Tensor> = computed(graph, node).map(|id| &live.get(id)[sample]).collect();
                let result = runner.run(&operands)?;
                see(node.output, result);
                results.push(tensor(graph, node.output, result.to_vec())?);
            }
            live.insert(node.output, results);
            live.release(i);
        }
        advance(batch.len())?;
    }
    Ok(())
}

/// Checks that samples are what the network takes: the first thing that can go wrong.
pub(crate) fn check(graph: &Graph, samples: &[Vec<Tensor>]) -> Result<()> {
    if samples.is_empty() {
        return Err(Error::argument("calibration needs at least one sample"));
    }
    for (number, sample) in samples.iter().enumerate() {
        let at = |error: Error| error.at(format!("sample {number}"));
        if sample.len() != graph.inputs().len() {
            return Err(at(
                Error::argument("sample has the wrong number of tensors").expected(graph.inputs().len(), sample.len())
            ));
        }
        for (port, tensor) in graph.inputs().iter().zip(sample) {
            let info = TensorInfo::new(graph, port)?;
            if tensor.dtype() != DType::F32 || *tensor.shape() != info.shape {
                return Err(at(Error::argument("tensor is not what the network takes").expected(
                    format_args!("f32 {}", info.shape),
                    format_args!("{} {}", tensor.dtype(), tensor.shape()),
                )));
            }
        }
    }
    Ok(())
}
