//! What a network does on one machine: steps with chosen kernels, packed weights, and a place for every value.

mod aligned;
mod arena;
mod chain;
mod choose;
mod groups;
mod pack;
#[cfg(feature = "int8")]
mod pack_int8;
mod planner;
mod run;
mod work;

use crate::op::Transpose;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use sepconv_kernels::Isa;

pub use run::{Session, Stage};

use self::{
    aligned::{Aligned, Reserve},
    arena::Arena,
    groups::{Group, groups, is_global_mean},
    planner::Planner,
    work::Work,
};
use crate::{
    DType, Error, Graph, Limits, Op, Port, Result, Shape, Tensor,
    analysis::{Block, blocks},
    graph::memory_error,
    interpret::inverse,
    op::{DataMovement, StridedCopy},
    probe_memory,
};

/// A network made ready for an instruction set and a number of threads. Immutable: a [`Session`] brings the memory it works in.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
    layers: Vec<Layer>,
    blocks: Vec<Block>,
    weights: Aligned,
    arena: usize,
    scratch: usize,
    inputs: Vec<InputBinding>,
    outputs: Vec<OutputBinding>,
    isa: Isa,
    threads: usize,
}

/// A node of the network in a plan, as people see it.
#[derive(Debug)]
pub struct Layer {
    /// The node's name in the file.
    pub name: String,
    /// The operator with its parameters in short.
    pub op: String,
    /// The kernel that runs.
    pub kernel: String,
    /// Why this kernel, in numbers.
    pub why: String,
    /// The block that the node belongs to, as an index into [`Plan::blocks`].
    pub block: Option<usize>,
    /// The step that runs it; layers of one step run together, a few rows at a time.
    pub step: usize,
    /// The shapes of the activations that are read.
    pub inputs: Vec<Shape>,
    /// The type of the first activations.
    pub takes: DType,
    /// The shape of the result.
    pub output: Shape,
    /// The type of the result.
    pub gives: DType,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of activations read from memory and written to it; what passes between layers of one step is not counted.
    pub bytes: usize,
    /// How many threads share it.
    pub parts: usize,
}

/// What a runner does at a time.
#[derive(Debug)]
struct Step {
    work: Work,
    operands: Vec<BufferRef>,
    out: Range<usize>,
    /// Where the mean of each row of the result goes, if anybody asks for it.
    means: Option<Range<usize>>,
    /// The type of the result.
    dtype: DType,
    /// How many threads share it.
    parts: usize,
}

/// Where an operand is found, in bytes.
#[derive(Clone, Debug)]
enum BufferRef {
    Arena(Range<usize>),
    Weights(Range<usize>),
}

/// An input: the shape it has outside, and how it is brought in.
#[derive(Debug)]
struct InputBinding {
    name: String,
    dtype: DType,
    shape: Shape,
    to: Range<usize>,
    copy: StridedCopy,
}

/// An output: the shape it has outside, and how it is brought there; or its value where that is known.
#[derive(Debug)]
enum OutputBinding {
    Computed { dtype: DType, shape: Shape, from: Range<usize>, copy: StridedCopy },
    Known(Tensor),
}

impl Plan {
    /// Chooses a kernel for every node, packs the weights and lays out the arena.
    ///
    /// # Errors
    /// When weights, activations and outputs would pass `limits.max_memory`, or a node needs what only constants may be (weights,
    /// integers).
    pub fn new(graph: &Graph, isa: Isa, threads: usize, limits: &Limits) -> Result<Self> {
        let threads = threads.max(1);
        let blocks = blocks(graph);
        let groups = groups(graph, threads);
        let arena = Arena::new(graph, &groups);
        let (mut steps, mut layers) = (Vec::with_capacity(groups.len()), Vec::with_capacity(graph.nodes.len()));
        let (mut reserve, mut packs) = (Reserve::default(), Vec::new());
        for (number, group) in groups.iter().enumerate() {
            let last = &graph.nodes[group.last()];
            // A reshape moves nothing: both values live in the same place.
            let out = arena.range(last.output).filter(|_| !matches!(last.op, Op::Reshape(_)));
            let Some(out) = out.filter(|out| !out.is_empty()) else { continue };
            let before = || groups.iter().position(|before| before.mean == Some(group.last()));
            let rows_means = is_global_mean(&last.op).then(before).flatten().and_then(|group| arena.means(group));
            let mut planner =
                Planner { graph, node: last, isa, arena: &arena, rows_means, reserve: &mut reserve, packs: &mut packs };
            let (mut step, mut made) = planner.step(&group.nodes, out, threads)?;
            step.means = arena.means(number);
            for (layer, node) in made.iter_mut().zip(&group.nodes) {
                layer.step = steps.len();
                layer.block = blocks.iter().position(|block| block.nodes.contains(node));
            }
            steps.push(step);
            layers.append(&mut made);
        }
        let scratch = steps.iter().map(Step::scratch_bytes).max().unwrap_or(0);
        // A runner keeps outputs apart, one for each port, and beside it the plan keeps those that are known.
        let outputs = graph.outputs.iter().map(|port| graph.value(port.value));
        let outputs = outputs.map(|value| value.bytes() * if value.constant.is_some() { 2 } else { 1 });
        let bytes = [reserve.len(), arena.len, scratch].into_iter().chain(outputs).fold(0, usize::saturating_add);
        if bytes > limits.max_memory {
            return Err(memory_error(bytes, limits.max_memory));
        }
        // Two buffers begin at pages of their own.
        probe_memory(bytes.saturating_add(2 * Aligned::MARGIN))?;
        let weights = pack::pack(graph, isa, &packs, reserve.len());
        let inputs = graph.inputs.iter().map(|port| InputBinding::new(graph, port, &arena)).collect::<Result<_>>()?;
        let outputs =
            graph.outputs.iter().map(|port| OutputBinding::new(graph, port, &arena)).collect::<Result<_>>()?;
        Ok(Self { steps, layers, blocks, weights, arena: arena.len, scratch, inputs, outputs, isa, threads })
    }

    /// The layers, in the order in which they run.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The number of steps that the layers make up.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The patterns that the layers belong to.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes that each session allocates: its arena, scratch and outputs.
    pub fn session_bytes(&self) -> usize {
        let outputs = self.outputs.iter().map(|output| match output {
            OutputBinding::Computed { dtype, shape, .. } => shape.elements() * dtype.size(),
            OutputBinding::Known(tensor) => tensor.bytes().len(),
        });
        outputs.fold(self.arena_bytes(), usize::saturating_add)
    }

    /// Bytes of activations and scratch that a run needs.
    pub fn arena_bytes(&self) -> usize {
        self.arena + self.scratch
    }

    /// Bytes that the activations of `graph` would take if every layer stored its result: what running layers together saves is the
    /// difference to [`arena_bytes`](Self::arena_bytes).
    pub fn unfused_bytes(graph: &Graph) -> usize {
        let alone: Vec<_> = (0..graph.nodes.len()).map(Group::alone).collect();
        Arena::new(graph, &alone).len
    }

    /// Bytes of packed weights and constants.
    pub fn weight_bytes(&self) -> usize {
        self.weights.len()
    }

    /// Multiply-accumulates of all layers.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }

    /// The instruction set that it was made for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The number of threads that it was made for.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

impl Step {
    /// Where the means of rows go: nowhere, behind the result, if nobody asks for them.
    fn means(&self) -> Range<usize> {
        self.means.clone().unwrap_or(self.out.end..self.out.end)
    }

    fn scratch_bytes(&self) -> usize {
        self.parts.saturating_mul(self.work.scratch_bytes().next_multiple_of(aligned::LINE))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for {} on {} thread(s), arena {} bytes", self.isa, self.threads, self.arena_bytes())?;
        for layer in &self.layers {
            let Layer { step, op, kernel, output, why, .. } = layer;
            write!(f, "{step:>3} {op:24} {kernel:20} -> {output:18} {why}")?;
            if let Some(block) = layer.block {
                write!(f, "  [block {block}: {}]", self.blocks[block].kind)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl InputBinding {
    fn new(graph: &Graph, port: &Port, arena: &Arena) -> Result<Self> {
        let value = graph.value(port.value);
        if value.dtype == DType::I64 {
            return Err(Error::unsupported("an input of integers must be bound to a constant")
                .at(alloc::format!("input {:?}", port.name)));
        }
        let inner = &value.shape;
        let shape = Shape::new(inverse(&port.order).iter().map(|&axis| inner[axis]).collect::<Vec<_>>())?;
        let copy = transposition(&shape, inner, &port.order)?;
        let to = arena.range(port.value).unwrap_or_default();
        Ok(Self { name: port.name.clone(), dtype: value.dtype, shape, to, copy })
    }
}

impl OutputBinding {
    fn new(graph: &Graph, port: &Port, arena: &Arena) -> Result<Self> {
        let value = graph.value(port.value);
        let order = inverse(&port.order);
        let shape = Shape::new(order.iter().map(|&axis| value.shape[axis]).collect::<Vec<_>>())?;
        match (&value.constant, arena.range(port.value)) {
            (Some(tensor), _) => Op::Transpose(Transpose { order }).evaluate(&[tensor], &shape).map(Self::Known),
            (None, Some(from)) if value.dtype != DType::I64 => {
                let copy = transposition(&value.shape, &shape, &order)?;
                Ok(Self::Computed { dtype: value.dtype, shape, from, copy })
            }
            _ => Err(Error::unsupported("an output of integers depends on an input")
                .at(alloc::format!("output {:?}", port.name))),
        }
    }
}

/// The one move that reorders axes.
fn transposition(from: &Shape, to: &Shape, order: &[usize]) -> Result<StridedCopy> {
    let mut copies = Transpose { order: order.to_vec() }.copies(&[from], None, to)?;
    Ok(copies.pop().expect("a transpose is one copy"))
}
