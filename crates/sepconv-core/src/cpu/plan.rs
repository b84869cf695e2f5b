use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use sepconv_kernels::Isa;

use super::aligned::{self, Aligned};
use super::arena::Arena;
use super::kernel_choices::KernelChoices;
#[cfg(feature = "int8")]
use super::least_memory::least_memory;
use super::lower::StepKernel;
use super::planner::{Planner, StepBuffers};
use super::schedule::{is_global_mean, predecessors, schedule, unfused};
use super::weights::WeightLayout;
use crate::analysis::{Block, OpenAxis, blocks, open_axes};
use crate::graph::memory_error;
use crate::interpret::inverse;
use crate::op::{Aliasing, Operator, StridedCopy, Transpose};
use crate::{DType, Graph, Limits, Port, Result, Shape, Tensor, probe_memory};

/// A network made ready for an instruction set and a number of threads. Immutable: a [`Session`](crate::Session) brings
/// the memory it works in.
#[derive(Debug)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    layers: Vec<Layer>,
    blocks: Vec<Block>,
    pub(super) weights: Aligned,
    pub(super) arena: usize,
    /// Those of callers, then those of states.
    pub(super) inputs: Vec<InputBinding>,
    pub(super) outputs: Vec<OutputBinding>,
    pub(super) initial_states: Vec<Arc<Tensor>>,
    pub(super) isa: Isa,
    threads: usize,
}

/// A node of the network in a plan, described.
#[derive(Debug)]
pub struct Layer {
    /// The node's name in the file.
    pub name: String,
    /// The operator with its parameters in short.
    pub op: String,
    /// The kernel that runs, with its parameters. [`Plan::kernel_choices`] stores it.
    pub kernel: String,
    /// The kernels that it could run with, this one among them; none where there is no other.
    pub alternatives: Vec<String>,
    /// The reason for this kernel, in numbers.
    pub reason: String,
    /// The layer before it that it could run together with, as an index into [`Plan::layers`].
    pub predecessor: Option<usize>,
    /// The block that the node belongs to, as an index into [`Plan::blocks`].
    pub block: Option<usize>,
    /// The step that runs it; layers of one step run together, a few rows at a time.
    pub step: usize,
    /// The shapes of the activations that are read.
    pub inputs: Vec<Shape>,
    /// The dtype of the first activations.
    pub input_dtype: DType,
    /// The shape of the result.
    pub output: Shape,
    /// The dtype of the result.
    pub output_dtype: DType,
    /// Weights and biases.
    pub parameters: usize,
    /// The range of [`Plan::weights`] that holds them as the kernel reads them, up to the next cache line.
    pub weights: Range<usize>,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of activations read from memory and written to it; what passes between layers of one step is not counted.
    pub bytes: usize,
    /// How many threads share it.
    pub threads: usize,
}

/// A kernel of a plan with its place in memory: one layer, or several that run together.
#[derive(Debug)]
pub struct Step {
    pub(super) kernel: StepKernel,
    pub(super) name: String,
    pub(super) layers: Range<usize>,
    pub(super) operands: Vec<BufferRef>,
    pub(super) out: Range<usize>,
    /// Where the mean of each row of the result goes, if a later step reads it.
    pub(super) means: Option<Range<usize>>,
    /// The dtype of the result.
    pub(super) dtype: DType,
    /// Elements in a work item.
    pub(super) item_len: usize,
    pub(super) threads: usize,
    /// What its threads work in, in the arena.
    pub(super) scratch: Range<usize>,
    /// Rows of the result that a chain makes at a time.
    pub(super) row_block: Option<usize>,
}

/// Where an operand of a step is, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BufferRef {
    /// A range of a session's arena.
    Arena(Range<usize>),
    /// A range of the plan's weights.
    Weights(Range<usize>),
}

/// An input of a plan.
#[derive(Debug)]
pub struct InputBinding {
    name: String,
    dtype: DType,
    shape: Shape,
    pub(super) range: Range<usize>,
    pub(super) copy: StridedCopy,
}

/// An output of a plan: where the arena has it, or its value where that is known.
#[derive(Debug)]
pub struct OutputBinding {
    name: String,
    dtype: DType,
    shape: Shape,
    pub(super) source: OutputSource,
}

#[derive(Debug)]
pub(super) enum OutputSource {
    Arena { range: Range<usize>, copy: StridedCopy, open: Option<OpenOutput> },
    Constant(Tensor),
}

/// An axis of an output of which only a first part is used.
#[derive(Debug)]
pub(super) struct OpenOutput {
    /// The axis, in the file's order.
    pub(super) axis: usize,
    pub(super) open: OpenAxis,
    /// Where the indices are that say how much is used, and their shape.
    pub(super) indices: (Range<usize>, Shape),
}

impl Plan {
    /// Chooses a kernel for every node, packs the weights and lays out the arena.
    ///
    /// # Errors
    /// When weights, activations and outputs would pass `limits.max_memory`, or a node needs what only constants may be
    /// (weights, integers).
    pub fn new(graph: &Graph, isa: Isa, threads: usize, limits: &Limits) -> Result<Self> {
        Self::with_kernels(graph, isa, threads, limits, &KernelChoices::default())
    }

    /// As [`new`](Self::new), with the kernels and chains that `choices` name for some or all layers: those of
    /// [`kernel_choices`](Self::kernel_choices), or what a tuner found. Results differ at most by rounding.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), and when a layer cannot run with the kernel that is chosen for it, or is none of
    /// the network's.
    pub fn with_kernels(
        graph: &Graph,
        isa: Isa,
        threads: usize,
        limits: &Limits,
        choices: &KernelChoices,
    ) -> Result<Self> {
        let threads = threads.max(1);
        let blocks = blocks(graph);
        let open = open_axes(graph)?;
        // A microcontroller has little memory, and no cache that layers could share.
        let schedule = match isa {
            #[cfg(feature = "int8")]
            Isa::WORD => least_memory(graph, &open),
            _ => schedule(graph, threads, choices),
        };
        let mut arena = Arena::new(graph, &schedule, &open);
        let (mut steps, mut layers) = (Vec::<Step>::with_capacity(schedule.len()), Vec::<Layer>::new());
        let mut groups = Vec::with_capacity(schedule.len());
        let mut layer_of = vec![None; graph.nodes.len()];
        let mut planner = Planner { graph, isa, threads, choices, arena: &arena, weights: WeightLayout::default() };
        for (number, scheduled) in schedule.iter().enumerate() {
            let last = scheduled.group.last();
            let node = &graph.nodes[last];
            let out = arena.range(node.output).filter(|out| !out.is_empty());
            let Some(out) = out.filter(|_| node.op.operator().aliasing() != Aliasing::Always) else { continue };
            let before = || schedule.iter().position(|before| before.mean == Some(last));
            let row_means = is_global_mean(node).then(before).flatten().and_then(|group| arena.means(group));
            let buffers = StepBuffers { out, row_means, means: arena.means(number) };
            let (mut step, mut described) = planner.step(&scheduled.group, buffers)?;
            for (i, (layer, node)) in described.iter_mut().zip(scheduled.group.nodes()).enumerate() {
                layer_of[node] = Some(layers.len() + i);
                layer.step = steps.len();
                layer.block = blocks.iter().position(|block| block.nodes.contains(&node));
            }
            step.layers = layers.len()..layers.len() + described.len();
            steps.push(step);
            groups.push(number);
            layers.append(&mut described);
        }
        let weights = planner.weights;
        choices.check(&layers)?;
        for (node, predecessor) in predecessors(graph).into_iter().enumerate() {
            if let Some(layer) = layer_of[node] {
                layers[layer].predecessor = predecessor.and_then(|node| layer_of[node]);
            }
        }
        for (step, group) in steps.iter_mut().zip(groups) {
            step.scratch = arena.scratch(group, step.scratch_bytes());
        }
        // A session keeps a copy of each output and state, and the plan one more of those that are constants.
        let outputs = graph.outputs.iter().map(|port| graph.value(port.value));
        let outputs = outputs.map(|value| value.bytes() * if value.constant.is_some() { 2 } else { 1 });
        let bytes = [weights.len(), arena.len].into_iter().chain(outputs).fold(0, usize::saturating_add);
        if bytes > limits.max_memory {
            return Err(memory_error(bytes, limits.max_memory));
        }
        // Two buffers begin at pages of their own.
        probe_memory(bytes.saturating_add(2 * Aligned::MARGIN))?;
        let weights = weights.pack();
        let inputs = graph.inputs.iter().map(|port| InputBinding::new(graph, port, &arena)).collect::<Result<_>>()?;
        let outputs =
            graph.outputs.iter().map(|port| OutputBinding::new(graph, port, &arena, &open)).collect::<Result<_>>()?;
        let (arena, initial_states) = (arena.len, graph.initial_states.clone());
        Ok(Self { steps, layers, blocks, weights, arena, inputs, outputs, initial_states, isa, threads })
    }

    /// The layers, in the order in which they run.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The steps, in the order in which they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The kernels of the layers and which of them run together, to be stored and given to
    /// [`with_kernels`](Self::with_kernels).
    pub fn kernel_choices(&self) -> KernelChoices {
        KernelChoices::of(self)
    }

    /// The number of steps.
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// The packed weights and constants.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> &[InputBinding] {
        &self.inputs[..self.inputs.len() - self.initial_states.len()]
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[OutputBinding] {
        &self.outputs[..self.outputs.len() - self.initial_states.len()]
    }

    /// What each state is in the first run.
    pub fn initial_states(&self) -> &[Arc<Tensor>] {
        &self.initial_states
    }

    /// The patterns that the layers belong to.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes that each session allocates: its arena, outputs and states.
    pub fn session_bytes(&self) -> usize {
        let outputs = self.outputs.iter().map(|output| output.shape.elements() * output.dtype.size());
        outputs.fold(self.arena_bytes(), usize::saturating_add)
    }

    /// Bytes of the arena: activations, and what steps work in.
    pub fn arena_bytes(&self) -> usize {
        self.arena
    }

    /// Bytes that the activations of `graph` would take if every layer stored its result: what running layers together
    /// saves is the difference to [`arena_bytes`](Self::arena_bytes).
    pub fn unfused_bytes(graph: &Graph) -> usize {
        // A graph that cannot be planned has no open axis to keep.
        let open = open_axes(graph).unwrap_or_else(|_| vec![None; graph.values.len()]);
        Arena::new(graph, &unfused(graph), &open).len
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
    /// The kernel.
    pub fn kernel(&self) -> &str {
        &self.name
    }

    /// The layers that it computes, as a range of [`Plan::layers`].
    pub fn layers(&self) -> Range<usize> {
        self.layers.clone()
    }

    /// Where its operands are. Packed weights are not among them.
    pub fn operands(&self) -> &[BufferRef] {
        &self.operands
    }

    /// The range of a session's arena that it writes its result to.
    pub fn output(&self) -> Range<usize> {
        self.out.clone()
    }

    /// How many threads share it.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Rows of its result that a chain makes at a time; `None` for a step that is no chain.
    pub fn row_block(&self) -> Option<usize> {
        self.row_block
    }

    /// Elements of its result in a work item: any range of items can be computed by itself. The last may be shorter.
    pub fn work_item_len(&self) -> usize {
        self.item_len
    }

    /// Where the means of rows go; an empty range after the result's buffer if no step reads them.
    pub(super) fn means(&self) -> Range<usize> {
        let end = self.out.end.next_multiple_of(aligned::LINE);
        self.means.clone().unwrap_or(end..end)
    }

    /// Bytes of scratch that its threads need together.
    pub fn scratch_bytes(&self) -> usize {
        self.threads.saturating_mul(self.kernel.kernel().scratch_bytes().next_multiple_of(aligned::LINE))
    }

    /// The range of a session's arena that its threads work in.
    pub fn scratch(&self) -> Range<usize> {
        self.scratch.clone()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for {} on {} thread(s), arena {} bytes", self.isa, self.threads, self.arena_bytes())?;
        for layer in &self.layers {
            let Layer { step, op, kernel, output, reason, .. } = layer;
            write!(f, "{step:>3} {op:24} {kernel:20} -> {output:18} {reason}")?;
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
        let transpose = Transpose { order: port.order.clone() };
        let shape = permuted(&value.shape, &inverse(&port.order))?;
        let copy = transpose.copy(&shape, &value.shape);
        let range = arena.range(port.value).unwrap_or_default();
        Ok(Self { name: port.name.clone(), dtype: value.dtype, shape, range, copy })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The shape, in the file's order of axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How the input is copied into the arena.
    pub fn strided_copy(&self) -> &StridedCopy {
        &self.copy
    }

    /// The range of a session's arena that holds the input.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl OutputBinding {
    fn new(graph: &Graph, port: &Port, arena: &Arena, open: &[Option<OpenAxis>]) -> Result<Self> {
        let value = graph.value(port.value);
        let transpose = Transpose { order: inverse(&port.order) };
        let shape = permuted(&value.shape, &transpose.order)?;
        let source = match &value.constant {
            Some(tensor) => OutputSource::Constant(transpose.evaluate(&[tensor], &shape)?),
            None => {
                let range = arena.range(port.value).unwrap_or_default();
                let open = open[port.value.0].map(|open| {
                    let indices = open.indices.0;
                    let indices = (arena.range(indices).unwrap_or_default(), graph.value(indices).shape.clone());
                    OpenOutput { axis: port.order[open.axis], open, indices }
                });
                OutputSource::Arena { range, copy: transpose.copy(&value.shape, &shape), open }
            }
        };
        Ok(Self { name: port.name.clone(), dtype: value.dtype, shape, source })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The shape, in the file's order of axes; the largest that it can have, where it depends on the data.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether the shape depends on the data, so that a run may leave part of the [largest](Self::shape) unused.
    pub fn is_open(&self) -> bool {
        matches!(&self.source, OutputSource::Arena { open: Some(_), .. })
    }

    /// How the output is copied out of the arena; `None` for a constant.
    pub fn strided_copy(&self) -> Option<&StridedCopy> {
        match &self.source {
            OutputSource::Arena { copy, .. } => Some(copy),
            OutputSource::Constant(_) => None,
        }
    }

    /// The range of a session's arena that holds the output; `None` for a constant.
    pub fn range(&self) -> Option<Range<usize>> {
        match &self.source {
            OutputSource::Arena { range, .. } => Some(range.clone()),
            OutputSource::Constant(_) => None,
        }
    }
}

/// The shape of axes in another order.
fn permuted(shape: &Shape, order: &[usize]) -> Result<Shape> {
    Shape::new(order.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())
}
