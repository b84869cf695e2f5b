use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use super::{
    Aligned, BufferRef, OutputBinding, Plan, Step,
    work::{Operands, Space},
};
use crate::{DType, Error, Join, Result, Shape, Tensor, TensorView, TensorViewMut, op::StridedCopy, probe_memory};

/// A part of a run, see [`Session::run_with_observer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The inputs are copied into the arena.
    Inputs,
    /// A step, by its number: [`Layer::step`](super::Layer::step).
    Step(usize),
    /// The outputs are copied out of the arena.
    Outputs,
}

/// A [`Plan`] with the memory it works in. The plan and its weights are shared by all sessions; each has an arena of its own.
/// A run allocates nothing and takes no lock.
#[derive(Debug)]
pub struct Session {
    plan: Arc<Plan>,
    arena: Aligned,
    outputs: Vec<Tensor>,
}

impl Session {
    /// Allocates an arena and outputs for `plan`.
    ///
    /// # Errors
    /// If the memory is not there.
    pub fn new(plan: impl Into<Arc<Plan>>) -> Result<Self> {
        let plan = plan.into();
        probe_memory(plan.session_bytes().saturating_add(Aligned::MARGIN))?;
        let arena = Aligned::zeros(plan.arena + plan.scratch);
        let output = |output: &OutputBinding| match output {
            OutputBinding::Computed { shape, dtype, .. } => Tensor::zeros(shape.clone(), *dtype),
            OutputBinding::Known(tensor) => tensor.clone(),
        };
        let outputs = plan.outputs.iter().map(output).collect();
        Ok(Self { plan, arena, outputs })
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The names and shapes of the inputs, in the file's order of axes.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = (&str, &Shape)> {
        self.plan.inputs.iter().map(|input| (input.name.as_str(), &input.shape))
    }

    /// The results of the last run, in the file's order of axes; zeros before the first.
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// Runs the network on one tensor per input, in the file's order of axes. The results are the same, bit for bit, for any number
    /// of threads.
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
        let Self { plan, arena, outputs } = self;
        copy_inputs(plan, inputs, arena)?;
        observe(Stage::Inputs);
        run_steps(plan, arena, join, observe);
        for (output, tensor) in plan.outputs.iter().zip(outputs.iter_mut()) {
            output.copy(arena, &mut tensor.into());
        }
        observe(Stage::Outputs);
        Ok(outputs)
    }

    /// As [`run`](Self::run), with the results copied to `outputs`, one for each output of the network.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and if the number, the dtype or the shape of `outputs` is not the network's.
    pub fn run_into<'a, V: Into<TensorView<'a>> + Copy>(
        &mut self,
        inputs: &[V],
        outputs: &mut [TensorViewMut<'_>],
        join: &dyn Join,
    ) -> Result<()> {
        let Self { plan, arena, .. } = self;
        check_count("output", plan.outputs.len(), outputs.len())?;
        for (i, (output, view)) in plan.outputs.iter().zip(outputs.iter()).enumerate() {
            let (dtype, shape) = output.spec();
            let place = || format!("output {i}");
            check_tensor("output has the wrong shape or type", place, (dtype, shape), (view.dtype(), view.shape()))?;
        }
        copy_inputs(plan, inputs, arena)?;
        run_steps(plan, arena, join, &mut |_| ());
        for (output, view) in plan.outputs.iter().zip(outputs) {
            output.copy(arena, view);
        }
        Ok(())
    }

    /// Runs all steps on the arena as it is, without inputs and outputs: to time layers that, in the network they are part of, take
    /// nothing from a caller and return nothing to it.
    pub fn run_without_io(&mut self, join: &dyn Join) {
        run_steps(&self.plan, &mut self.arena, join, &mut |_| ());
    }
}

fn copy_inputs<'a, V: Into<TensorView<'a>> + Copy>(plan: &Plan, inputs: &[V], arena: &mut [u8]) -> Result<()> {
    check_count("input", plan.inputs.len(), inputs.len())?;
    for (input, &tensor) in plan.inputs.iter().zip(inputs) {
        let tensor = tensor.into();
        let place = || format!("input {:?}", input.name);
        let expected = (input.dtype, &input.shape[..]);
        check_tensor("input has the wrong shape or type", place, expected, (tensor.dtype(), tensor.shape()))?;
        copy(&input.copy, input.dtype, tensor.bytes(), &mut arena[input.to.clone()]);
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
    /// The dtype and the shape outside.
    fn spec(&self) -> (DType, &[usize]) {
        match self {
            Self::Computed { dtype, shape, .. } => (*dtype, shape),
            Self::Known(tensor) => (tensor.dtype(), tensor.shape()),
        }
    }

    /// Writes the output to `view`, which has its dtype and shape.
    fn copy(&self, arena: &[u8], view: &mut TensorViewMut<'_>) {
        match self {
            Self::Computed { dtype, from, copy: m, .. } => copy(m, *dtype, &arena[from.clone()], view.bytes_mut()),
            Self::Known(tensor) => view.bytes_mut().copy_from_slice(tensor.bytes()),
        }
    }
}

fn run_steps(plan: &Plan, arena: &mut [u8], join: &dyn Join, observe: &mut dyn FnMut(Stage)) {
    let (arena, scratch) = arena.split_at_mut(plan.arena);
    for (number, step) in plan.steps.iter().enumerate() {
        run_step(plan, step, arena, scratch, join);
        observe(Stage::Step(number));
    }
}

fn copy(m: &StridedCopy, dtype: DType, from: &[u8], to: &mut [u8]) {
    match dtype {
        DType::F32 => m.execute::<f32>(cast_slice(from), cast_slice_mut(to)),
        DType::I64 => m.execute::<i64>(cast_slice(from), cast_slice_mut(to)),
        DType::U8 | DType::I8 => m.execute(from, to),
    }
}

fn run_step(plan: &Plan, step: &Step, arena: &mut [u8], scratch: &mut [u8], join: &dyn Join) {
    let ([out, means], others) = take_out(arena, [step.out.clone(), step.means()]);
    let get = |i: usize| {
        let found = match step.operands.get(i) {
            Some(BufferRef::Weights(range)) => plan.weights.get(range.clone()),
            Some(BufferRef::Arena(range)) => others
                .iter()
                .find_map(|(start, bytes)| bytes.get(range.start.checked_sub(*start)?..range.end.checked_sub(*start)?)),
            None => None,
        };
        // The operand of a function in place is the result itself; a missing one is nothing (of any type, so aligned).
        found.unwrap_or(&plan.weights[..0])
    };
    let operands = Operands { get: &get, weights: &plan.weights };
    let unit = step.work.unit(plan.isa, out.len() / step.dtype.size());
    let bytes = unit * step.dtype.size();
    let count = out.len().div_ceil(bytes);
    let scratch = &mut scratch[..step.scratch_bytes()];
    let space = Space { unit: [bytes, means.len() / count], out, means, scratch };
    fork(join, step.parts, 0..count, space, &|units, space| {
        step.work.run(plan.isa, &operands, units, unit, space);
    });
}

/// Bytes of an arena, and where in it they begin.
type Piece<'a> = (usize, &'a [u8]);

/// Takes two ranges out of the arena to be written to; the rest can be read.
fn take_out(arena: &mut [u8], ranges: [Range<usize>; 2]) -> ([&mut [u8]; 2], [Piece<'_>; 3]) {
    let swapped = ranges[1].start < ranges[0].start;
    let [a, b] = if swapped { [&ranges[1], &ranges[0]] } else { [&ranges[0], &ranges[1]] };
    let (before, rest) = arena.split_at_mut(a.start);
    let (first, rest) = rest.split_at_mut(a.len());
    let (between, rest) = rest.split_at_mut(b.start - a.end);
    let (second, after) = rest.split_at_mut(b.len());
    let taken = if swapped { [second, first] } else { [first, second] };
    (taken, [(0, before), (a.end, between), (b.end, after)])
}

/// A part of a step: which units, and its space.
type Part<'a> = &'a (dyn Fn(Range<usize>, Space<'_>) + Sync);

/// Cuts `units` into `parts` of nearly equal size and runs each.
fn fork(join: &dyn Join, parts: usize, units: Range<usize>, space: Space<'_>, part: Part<'_>) {
    if parts <= 1 {
        return part(units, space);
    }
    let left = parts / 2;
    let middle = units.start + units.len() * left / parts;
    let [mut a, mut b] = space.split(middle - units.start, left, parts);
    join.join(&mut || fork(join, left, units.start..middle, a.again(), part), &mut || {
        fork(join, parts - left, middle..units.end, b.again(), part)
    });
}
