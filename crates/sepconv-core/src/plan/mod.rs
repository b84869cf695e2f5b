//! What a network does on one machine: steps with chosen kernels, packed weights, and a place for every value.

mod aligned;
mod arena;
mod choose;
mod pack;
mod run;
mod work;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use sepconv_kernels::Isa;

pub use run::Runner;

use self::{
    aligned::{Aligned, Reserve},
    arena::Arena,
    work::Work,
};
use crate::{
    DType, Error, Graph, Limits, Node, Op, Port, Result, Shape, Tensor, ValueId,
    builder::memory_error,
    interpret::inverse,
    op::Move,
    passes::{Block, blocks},
};

/// A network made ready for an instruction set and a number of threads. Immutable: a [`Runner`] brings the memory it works in.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
    blocks: Vec<Block>,
    weights: Aligned,
    arena: usize,
    scratch: usize,
    inputs: Vec<Entry>,
    outputs: Vec<Exit>,
    isa: Isa,
    threads: usize,
}

/// One kernel call of a plan, as people see it.
#[derive(Debug)]
pub struct Step {
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
    /// The shapes of the activations that are read.
    pub inputs: Vec<Shape>,
    /// The shape of the result.
    pub output: Shape,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of activations read and written.
    pub bytes: usize,
    /// How many threads share it.
    pub parts: usize,
    work: Work,
    operands: Vec<Place>,
    out: Range<usize>,
}

/// Where an operand is found.
#[derive(Clone, Debug)]
enum Place {
    Arena(Range<usize>),
    Weights(Range<usize>),
}

/// An input: the shape it has outside, and how it is brought in.
#[derive(Debug)]
struct Entry {
    name: String,
    shape: Shape,
    to: Range<usize>,
    copy: Move,
}

/// An output: the shape it has outside, and how it is brought there; or its value where that is known.
#[derive(Debug)]
enum Exit {
    Computed { shape: Shape, from: Range<usize>, copy: Move },
    Known(Tensor),
}

impl Plan {
    /// Chooses a kernel for every node, packs the weights and lays out the arena.
    ///
    /// # Errors
    /// When weights and activations would pass `limits.max_memory`, or a node needs what only constants may be (weights,
    /// integers).
    pub fn new(graph: &Graph, isa: Isa, threads: usize, limits: &Limits) -> Result<Self> {
        let threads = threads.max(1);
        let arena = Arena::new(graph);
        let blocks = blocks(graph);
        let mut reserve = Reserve::default();
        let mut steps = Vec::with_capacity(graph.nodes.len());
        let mut packs = Vec::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            // A reshape moves nothing: both values live in the same place.
            let out = arena.range(node.output).filter(|_| !matches!(node.op, Op::Reshape { .. }));
            let Some(out) = out.filter(|out| !out.is_empty()) else { continue };
            let mut planner = Planner { graph, node, isa, arena: &arena, reserve: &mut reserve, packs: &mut packs };
            let mut step = planner.step(out, threads).map_err(|error| error.at_node(&node.name, node.op.name()))?;
            step.block = blocks.iter().position(|block| block.nodes.contains(&i));
            steps.push(step);
        }
        let scratch = steps.iter().map(Step::scratch_len).max().unwrap_or(0);
        let floats = reserve.len().saturating_add(arena.len).saturating_add(scratch);
        let bytes = floats.saturating_mul(size_of::<f32>());
        if bytes > limits.max_memory {
            return Err(memory_error(bytes, limits.max_memory));
        }
        let weights = pack::pack(graph, isa, &packs, reserve.len());
        let inputs = graph.inputs.iter().map(|port| Entry::new(graph, port, &arena)).collect::<Result<_>>()?;
        let outputs = graph.outputs.iter().map(|port| Exit::new(graph, port, &arena)).collect::<Result<_>>()?;
        Ok(Self { steps, blocks, weights, arena: arena.len, scratch, inputs, outputs, isa, threads })
    }

    /// The steps, in the order in which they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The patterns that the steps belong to.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes of activations and scratch that a run needs.
    pub fn arena_bytes(&self) -> usize {
        (self.arena + self.scratch) * size_of::<f32>()
    }

    /// Bytes of packed weights and constants.
    pub fn weight_bytes(&self) -> usize {
        self.weights.len() * size_of::<f32>()
    }

    /// Weights and biases of all steps.
    pub fn parameters(&self) -> usize {
        self.steps.iter().map(|step| step.parameters).sum()
    }

    /// Multiply-accumulates of all steps.
    pub fn macs(&self) -> u64 {
        self.steps.iter().map(|step| step.macs).sum()
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
    fn scratch_len(&self) -> usize {
        self.parts.saturating_mul(self.work.scratch_len().next_multiple_of(aligned::LINE))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for {} on {} thread(s), arena {} bytes", self.isa, self.threads, self.arena_bytes())?;
        for (i, step) in self.steps.iter().enumerate() {
            write!(f, "{i:>3} {:24} {:20} -> {:18} {}", step.op, step.kernel, step.output, step.why)?;
            if let Some(block) = step.block {
                write!(f, "  [block {block}: {}]", self.blocks[block].kind)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What is known while one node becomes a step.
struct Planner<'a> {
    graph: &'a Graph,
    node: &'a Node,
    isa: Isa,
    arena: &'a Arena,
    reserve: &'a mut Reserve,
    packs: &'a mut Vec<pack::Pack>,
}

impl Planner<'_> {
    fn step(&mut self, out: Range<usize>, threads: usize) -> Result<Step> {
        let (graph, node) = (self.graph, self.node);
        let output = graph.value(node.output);
        let values: Vec<_> = node.inputs.iter().map(|&id| graph.value(id)).collect();
        if values.iter().any(|value| value.constant.is_none() && value.dtype == DType::I64) {
            return Err(Error::unsupported("integers are computed while the network runs")
                .help("bind the input that they come from to a constant"));
        }
        let choice = self.choose(&out)?;
        let activations: Vec<_> = choice.operands.iter().map(|&id| graph.value(id)).collect();
        let floats: usize = activations.iter().map(|value| value.shape.elements()).sum::<usize>() + out.len();
        let macs = node.op.macs(&values, &output.shape);
        let weights = node.inputs.iter().filter(|id| !choice.operands.contains(id));
        let parameters = weights.map(|&id| graph.value(id).shape.elements()).sum();
        let units = out.len().div_ceil(choice.work.unit(self.isa, out.len()));
        let operands = choice.operands.iter().map(|&id| self.place(id)).collect();
        Ok(Step {
            name: node.name.clone(),
            op: alloc::format!("{}", node.op),
            kernel: choice.kernel,
            why: choice.why,
            block: None,
            inputs: activations.iter().map(|value| value.shape.clone()).collect(),
            output: output.shape.clone(),
            parameters,
            macs,
            bytes: floats * size_of::<f32>(),
            parts: parts(macs, floats, units, threads),
            work: choice.work,
            operands,
            out,
        })
    }

    /// Where an operand is found; a constant gets a place among the weights.
    fn place(&mut self, id: ValueId) -> Place {
        match self.arena.range(id) {
            Some(range) => Place::Arena(range),
            None => {
                let range = self.reserve.take(self.graph.value(id).shape.elements());
                self.packs.push(pack::Pack::Copy { id, range: range.clone() });
                Place::Weights(range)
            }
        }
    }
}

/// How many threads share a step: no more than it has units, and only where a share outweighs waking a thread, which takes about
/// a microsecond or what a core multiplies in that time.
fn parts(macs: u64, floats: usize, units: usize, threads: usize) -> usize {
    const SHARE: u64 = 50_000;
    let work = macs.saturating_add(4 * floats as u64);
    threads.min(units).min(usize::try_from(work / SHARE).unwrap_or(usize::MAX)).max(1)
}

impl Entry {
    fn new(graph: &Graph, port: &Port, arena: &Arena) -> Result<Self> {
        let value = graph.value(port.value);
        if value.dtype != DType::F32 {
            return Err(Error::unsupported("an input of integers must be bound to a constant")
                .at(alloc::format!("input {:?}", port.name)));
        }
        let inner = &value.shape;
        let shape = Shape::new(inverse(&port.order).iter().map(|&axis| inner[axis]).collect::<Vec<_>>())?;
        let copy = transposition(&shape, inner, &port.order)?;
        let to = arena.range(port.value).unwrap_or_default();
        Ok(Self { name: port.name.clone(), shape, to, copy })
    }
}

impl Exit {
    fn new(graph: &Graph, port: &Port, arena: &Arena) -> Result<Self> {
        let value = graph.value(port.value);
        let order = inverse(&port.order);
        let shape = Shape::new(order.iter().map(|&axis| value.shape[axis]).collect::<Vec<_>>())?;
        match (&value.constant, arena.range(port.value)) {
            (Some(tensor), _) => Op::Transpose { order }.evaluate(&[tensor], &shape).map(Self::Known),
            (None, Some(from)) if value.dtype == DType::F32 => {
                let copy = transposition(&value.shape, &shape, &order)?;
                Ok(Self::Computed { shape, from, copy })
            }
            _ => Err(Error::unsupported("an output of integers depends on an input")
                .at(alloc::format!("output {:?}", port.name))),
        }
    }
}

/// The one move that reorders axes.
fn transposition(from: &Shape, to: &Shape, order: &[usize]) -> Result<Move> {
    let moves = Op::Transpose { order: order.to_vec() }.moves(&[from], None, to)?;
    Ok(moves.and_then(|mut moves| moves.pop()).expect("a transpose is one move"))
}
