use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};
use sepconv_kernels::Isa;

use super::aligned::Aligned;
use super::lower::{Operands, Task};
use super::plan::{OutputBinding, OutputSource, Plan, Step};
use crate::{DType, Error, Join, Result, Shape, Tensor, TensorView, TensorViewMut, op::StridedCopy, probe_memory};

/// A part of a run, see [`Session::run_with_observer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The inputs are copied into the arena.
    Inputs,
    /// A step, by its number: an index into [`Plan::steps`].
    Step(usize),
    /// The outputs are copied out of the arena.
    Outputs,
}

/// A [`Plan`] with the memory it works in. The plan and its weights are shared by all sessions; each has an arena and
/// states of its own. A run allocates nothing and takes no lock.
#[derive(Debug)]
pub struct Session {
    plan: Arc<Plan>,
    arena: Aligned,
    outputs: Vec<Tensor>,
    /// What the last run left, in the file's order of axes.
    states: Vec<Tensor>,
}

impl Session {
    /// Allocates an arena and outputs for `plan`.
    ///
    /// # Errors
    /// If the memory is not there, or the plan is for another machine.
    pub fn new(plan: impl Into<Arc<Plan>>) -> Result<Self> {
        let plan = plan.into();
        if !plan.isa.is_available() {
            let available: Vec<_> = Isa::available().map(Isa::name).collect();
            return Err(Error::argument("plan is for the instruction set of another machine")
                .expected(format_args!("one of {}", available.join(", ")), plan.isa)
                .help("run it there, or plan for this machine"));
        }
        probe_memory(plan.session_bytes().saturating_add(Aligned::MARGIN))?;
        let arena = Aligned::zeros(plan.arena);
        let output = |output: &OutputBinding| match &output.source {
            OutputSource::Arena { .. } => Tensor::zeros(output.shape().clone(), output.dtype()),
            OutputSource::Constant(tensor) => tensor.clone(),
        };
        let outputs = plan.outputs().iter().map(output).collect();
        let states = plan.initial_states.iter().map(|initial| Tensor::clone(initial)).collect();
        Ok(Self { plan, arena, outputs, states })
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The names and shapes of the inputs, in the file's order of axes.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = (&str, &Shape)> {
        self.plan.inputs().iter().map(|input| (input.name(), input.shape()))
    }

    /// The results of the last run, in the file's order of axes; zeros before the first.
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// Runs the network on one tensor per input, in the file's order of axes. The results are the same, bit for bit,
    /// for any number of threads.
    ///
    /// # Errors
    /// If the number, the dtype or the shape of the inputs is not the network's.
    pub fn run<'a, V: Into<TensorView<'a>> + Copy>(&mut self, inputs: &[V], join: &dyn Join) -> Result<&[Tensor]> {
        self.run_with_observer(inputs, join, &mut |_| ())
    }

    /// As [`run`](Self::run), and calls `observe` at the end of each stage.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn run_with_observer<'a, V: Into<TensorView<'a>> + Copy>(
        &mut self,
        inputs: &[V],
        join: &dyn Join,
        observe: &mut dyn FnMut(Stage),
    ) -> Result<&[Tensor]> {
        let Self { plan, arena, outputs, states } = self;
        copy_inputs(plan, inputs, states, arena)?;
        observe(Stage::Inputs);
        run_steps(plan, arena, join, observe);
        for (output, tensor) in plan.outputs.iter().zip(outputs.iter_mut().chain(states)) {
            output.write(arena, tensor);
        }
        observe(Stage::Outputs);
        Ok(outputs)
    }

    /// As [`run`](Self::run), with the results copied to `outputs`, one for each output of the network. An output whose
    /// shape depends on the data is as large as it can be; what is left over of it has no meaning.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and if the number, the dtype or the shape of `outputs` is not the network's.
    pub fn run_into<'a, V: Into<TensorView<'a>> + Copy>(
        &mut self,
        inputs: &[V],
        outputs: &mut [TensorViewMut<'_>],
        join: &dyn Join,
    ) -> Result<()> {
        let Self { plan, arena, states, .. } = self;
        check_count("output", plan.outputs().len(), outputs.len())?;
        for (i, (output, view)) in plan.outputs().iter().zip(outputs.iter()).enumerate() {
            let place = || format!("output {i}");
            let expected = (output.dtype(), &output.shape()[..]);
            check_tensor("output has the wrong shape or type", place, expected, (view.dtype(), view.shape()))?;
        }
        copy_inputs(plan, inputs, states, arena)?;
        run_steps(plan, arena, join, &mut |_| ());
        let (of_callers, of_states) = plan.outputs.split_at(outputs.len());
        for (output, view) in of_callers.iter().zip(outputs) {
            output.copy(arena, view);
        }
        for (output, state) in of_states.iter().zip(states) {
            output.copy(arena, &mut state.into());
        }
        Ok(())
    }

    /// Forgets what runs have left: the next one starts as the first did.
    pub fn reset(&mut self) {
        for (state, initial) in self.states.iter_mut().zip(&self.plan.initial_states) {
            TensorViewMut::from(state).bytes_mut().copy_from_slice(initial.bytes());
        }
    }

    /// Runs all steps on the arena as it is, without inputs and outputs: to time layers that, in the network they are
    /// part of, take nothing from a caller and return nothing to it.
    pub fn run_without_io(&mut self, join: &dyn Join) {
        run_steps(&self.plan, &mut self.arena, join, &mut |_| ());
    }
}

fn copy_inputs<'a, V: Into<TensorView<'a>> + Copy>(
    plan: &Plan,
    inputs: &[V],
    states: &[Tensor],
    arena: &mut [u8],
) -> Result<()> {
    let (of_callers, of_states) = plan.inputs.split_at(plan.inputs().len());
    check_count("input", of_callers.len(), inputs.len())?;
    for (input, &tensor) in of_callers.iter().zip(inputs) {
        let tensor = tensor.into();
        let place = || format!("input {:?}", input.name());
        let expected = (input.dtype(), &input.shape()[..]);
        check_tensor("input has the wrong shape or type", place, expected, (tensor.dtype(), tensor.shape()))?;
        copy(&input.copy, input.dtype(), tensor.bytes(), &mut arena[input.range.clone()]);
    }
    for (input, state) in of_states.iter().zip(states) {
        copy(&input.copy, input.dtype(), state.bytes(), &mut arena[input.range.clone()]);
    }
    Ok(())
}

fn check_count(what: &str, expected: usize, got: usize) -> Result<()> {
    match expected == got {
        true => Ok(()),
        false => Err(Error::argument(format!("wrong number of {what}s")).expected(expected, got)),
    }
}

fn check_tensor(
    message: &str,
    place: impl Fn() -> String,
    expected: (DType, &[usize]),
    got: (DType, &[usize]),
) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    let text = |(dtype, shape): (DType, &[usize])| format!("{dtype} {}", crate::tensor::ShapeText(shape));
    Err(Error::argument(message).at(place()).expected(text(expected), text(got)))
}

impl OutputBinding {
    /// Writes the output to the tensor that was made for it, which is shorter afterwards where the data says so.
    fn write(&self, arena: &[u8], tensor: &mut Tensor) {
        let OutputSource::Arena { open: Some(output), .. } = &self.source else {
            return self.copy(arena, &mut tensor.into());
        };
        let (range, shape) = &output.indices;
        let used = output.open.used(shape, cast_slice(&arena[range.clone()]));
        tensor.restore(&self.shape()[..]);
        self.copy(arena, &mut tensor.into());
        tensor.truncate(output.axis, used);
    }

    /// Writes the output to `view`, which has its dtype and shape.
    fn copy(&self, arena: &[u8], view: &mut TensorViewMut<'_>) {
        match &self.source {
            OutputSource::Arena { range, copy: copied, .. } => {
                copy(copied, self.dtype(), &arena[range.clone()], view.bytes_mut());
            }
            OutputSource::Constant(tensor) => view.bytes_mut().copy_from_slice(tensor.bytes()),
        }
    }
}

fn run_steps(plan: &Plan, arena: &mut [u8], join: &dyn Join, observe: &mut dyn FnMut(Stage)) {
    for (number, step) in plan.steps.iter().enumerate() {
        run_step(plan, step, arena, join);
        observe(Stage::Step(number));
    }
}

fn copy(copy: &StridedCopy, dtype: DType, from: &[u8], to: &mut [u8]) {
    match dtype {
        DType::F32 => copy.execute::<f32>(cast_slice(from), cast_slice_mut(to)),
        DType::I64 => copy.execute::<i64>(cast_slice(from), cast_slice_mut(to)),
        DType::U8 | DType::I8 => copy.execute(from, to),
    }
}

fn run_step(plan: &Plan, step: &Step, arena: &mut [u8], join: &dyn Join) {
    let ([out, means, scratch], rest) = take_out(arena, [step.out.clone(), step.means(), step.scratch()]);
    let operands = Operands { buffers: &step.operands, arena: rest, weights: &plan.weights };
    let item_bytes = step.item_len * step.dtype.size();
    let count = out.len().div_ceil(item_bytes);
    let slices = OutputSlices { item_bytes: [item_bytes, means.len() / count], out, means, scratch };
    fork(join, step.threads, 0..count, slices, &|items, slices| {
        let OutputSlices { out, means, scratch, .. } = slices;
        let first = items.start * step.item_len;
        step.kernel.kernel().run(Task { isa: plan.isa, operands, items, first, out, means, scratch });
    });
}

/// Bytes of an arena, and where in it they begin.
type Piece<'a> = (usize, &'a [u8]);

/// Takes ranges that do not overlap out of the arena to be written to; the rest can be read.
fn take_out(arena: &mut [u8], ranges: [Range<usize>; 3]) -> ([&mut [u8]; 3], [Piece<'_>; 4]) {
    let mut order = [0, 1, 2];
    order.sort_unstable_by_key(|&i| (ranges[i].start, ranges[i].end));
    let (mut taken, mut pieces): ([&mut [u8]; 3], [Piece<'_>; 4]) = Default::default();
    let (mut rest, mut end) = (arena, 0);
    for (piece, i) in pieces.iter_mut().zip(order) {
        let (before, after) = rest.split_at_mut(ranges[i].start - end);
        *piece = (end, before);
        (taken[i], rest) = after.split_at_mut(ranges[i].len());
        end = ranges[i].end;
    }
    pieces[3] = (end, rest);
    (taken, pieces)
}

/// What a step writes to for some work items: their results, the means of their rows if a later step reads them, and
/// scratch.
struct OutputSlices<'a> {
    /// Bytes of result and of means in a work item.
    item_bytes: [usize; 2],
    out: &'a mut [u8],
    means: &'a mut [u8],
    scratch: &'a mut [u8],
}

impl OutputSlices<'_> {
    /// The same slices, for a callee.
    fn reborrow(&mut self) -> OutputSlices<'_> {
        OutputSlices { item_bytes: self.item_bytes, out: self.out, means: self.means, scratch: self.scratch }
    }

    /// The slices of the first `items` with the scratch of `left` of `shards`, and those of the others.
    fn split(self, items: usize, left: usize, shards: usize) -> [Self; 2] {
        let Self { item_bytes, out, means, scratch } = self;
        let (out_a, out_b) = out.split_at_mut(items * item_bytes[0]);
        let (means_a, means_b) = means.split_at_mut(items * item_bytes[1]);
        let (scratch_a, scratch_b) = scratch.split_at_mut(scratch.len() / shards * left);
        [
            Self { item_bytes, out: out_a, means: means_a, scratch: scratch_a },
            Self { item_bytes, out: out_b, means: means_b, scratch: scratch_b },
        ]
    }
}

/// Runs the work items of one shard.
type RunShard<'a> = &'a (dyn Fn(Range<usize>, OutputSlices<'_>) + Sync);

/// Cuts `items` into `shards` of nearly equal size and runs each.
fn fork(join: &dyn Join, shards: usize, items: Range<usize>, slices: OutputSlices<'_>, run: RunShard<'_>) {
    if shards <= 1 {
        return run(items, slices);
    }
    let left = shards / 2;
    let middle = items.start + items.len() * left / shards;
    let [mut a, mut b] = slices.split(middle - items.start, left, shards);
    join.join(&mut || fork(join, left, items.start..middle, a.reborrow(), run), &mut || {
        fork(join, shards - left, middle..items.end, b.reborrow(), run)
    });
}
