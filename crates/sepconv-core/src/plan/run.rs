use alloc::vec::Vec;
use core::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use super::{
    Aligned, Exit, Place, Plan, Step,
    work::{Operands, Space},
};
use crate::{DType, Error, Join, Result, Shape, Tensor, op::StridedCopy};

/// A part of a run, see [`Runner::run_observed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The inputs are brought in.
    Inputs,
    /// A step, by its number: [`Layer::step`](super::Layer::step).
    Step(usize),
    /// The outputs are brought out.
    Outputs,
}

/// A plan with the memory it works in. [`run`](Self::run) allocates nothing and takes no lock.
#[derive(Debug)]
pub struct Runner {
    plan: Plan,
    arena: Aligned,
    outputs: Vec<Tensor>,
}

impl Runner {
    /// Allocates the arena and the outputs of `plan`.
    pub fn new(plan: Plan) -> Self {
        let arena = Aligned::zeros(plan.arena + plan.scratch);
        let output = |exit: &Exit| match exit {
            Exit::Computed { shape, dtype, .. } => Tensor::zeros(shape.clone(), *dtype),
            Exit::Known(tensor) => tensor.clone(),
        };
        let outputs = plan.outputs.iter().map(output).collect();
        Self { plan, arena, outputs }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The names and shapes of the inputs, in the file's order of axes.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = (&str, &Shape)> {
        self.plan.inputs.iter().map(|entry| (entry.name.as_str(), &entry.shape))
    }

    /// The results of the last run, in the file's order of axes; zeros before the first.
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// Runs the network on one tensor per input, in the file's order of axes. The results are the same, bit for bit, for any number
    /// of threads.
    ///
    /// # Errors
    /// When the number, the type or the shape of the inputs is not the network's.
    pub fn run(&mut self, inputs: &[&Tensor], join: &dyn Join) -> Result<&[Tensor]> {
        self.run_observed(inputs, join, &mut |_| ())
    }

    /// As [`run`](Self::run), and calls `observe` at the end of each stage.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn run_observed(
        &mut self,
        inputs: &[&Tensor],
        join: &dyn Join,
        observe: &mut dyn FnMut(Stage),
    ) -> Result<&[Tensor]> {
        let Self { plan, arena, outputs } = self;
        if inputs.len() != plan.inputs.len() {
            return Err(Error::argument("wrong number of inputs").expected(plan.inputs.len(), inputs.len()));
        }
        for (entry, tensor) in plan.inputs.iter().zip(inputs) {
            if tensor.dtype() != entry.dtype || *tensor.shape() != entry.shape {
                return Err(Error::argument("input has the wrong shape or type")
                    .at(alloc::format!("input {:?}", entry.name))
                    .expected(
                        format_args!("{} {}", entry.dtype, entry.shape),
                        format_args!("{} {}", tensor.dtype(), tensor.shape()),
                    ));
            }
            copy(&entry.copy, entry.dtype, tensor.bytes(), &mut arena[entry.to.clone()]);
        }
        observe(Stage::Inputs);
        run_steps(plan, arena, join, observe);
        for (exit, tensor) in plan.outputs.iter().zip(outputs.iter_mut()) {
            if let Exit::Computed { dtype, from, copy: m, .. } = exit {
                copy(m, *dtype, &arena[from.clone()], tensor.bytes_mut());
            }
        }
        observe(Stage::Outputs);
        Ok(outputs)
    }

    /// Does the work of a run on whatever its memory holds and gives no result: to time layers that, in the network they are part of, take
    /// nothing from a caller and give nothing to it.
    pub fn rehearse(&mut self, join: &dyn Join) {
        run_steps(&self.plan, &mut self.arena, join, &mut |_| ());
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
        _ => m.execute(from, to),
    }
}

fn run_step(plan: &Plan, step: &Step, arena: &mut [u8], scratch: &mut [u8], join: &dyn Join) {
    let ([out, means], others) = take_out(arena, [step.out.clone(), step.means()]);
    let get = |i: usize| {
        let found = match step.operands.get(i) {
            Some(Place::Weights(range)) => plan.weights.get(range.clone()),
            Some(Place::Arena(range)) => others
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
