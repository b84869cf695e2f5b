use std::fmt;
use std::ops::Range;

use sepconv::{Error, Plan, Result, Shape};
use sepconv_core::{BufferRef, ChainCall};

use crate::Target;
use crate::layers::{PaddingRows, PrintedLayer, PrintedStep};
use crate::size::shown;

/// What a network costs on the device, known before it is flashed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The processor.
    pub target: Target,
    /// The layers, in the order in which they run.
    pub layers: Vec<LayerReport>,
    /// The layers that run together, a few rows at a time, since that takes less RAM.
    pub chains: Vec<ChainReport>,
    /// Bytes of weights, tables and other constants in flash.
    pub constants: usize,
    /// Bytes of the arena: inputs, activations and scratch.
    pub arena: usize,
}

/// What a layer costs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerReport {
    /// The name in the file.
    pub name: String,
    /// The operator with its parameters in short.
    pub op: String,
    /// The kernel.
    pub kernel: String,
    /// The shape of the result.
    pub output: Shape,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of weights and tables in flash.
    pub flash: usize,
    /// Bytes of the arena that hold values while the layer runs: what it reads and writes, its scratch, and what later
    /// layers read.
    pub ram: usize,
}

/// What running layers together costs: no multiply-accumulate is done twice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChainReport {
    /// The layers, as a range of [`Report::layers`].
    pub layers: Range<usize>,
    /// Rows of the last layer's result that are made at a time.
    pub rows: usize,
    /// Bytes of the rows between the layers that are kept.
    pub kept: usize,
    /// Bytes of the results between the layers, whole.
    pub whole: usize,
}

impl ChainReport {
    fn new(chain: &ChainCall<'_>, layers: Range<usize>) -> Self {
        let between = &chain.layers[..chain.layers.len() - 1];
        let kept = between.iter().map(|layer| layer.ring.len()).sum();
        let whole = between.iter().map(|layer| layer.output.iter().product::<usize>()).sum();
        Self { layers, rows: chain.rows, kept, whole }
    }
}

impl Report {
    /// Bytes of stack that a run takes at most, as measured on a Cortex-M4.
    pub const STACK: usize = 4 << 10;

    pub(crate) fn new(target: Target, steps: &[PrintedStep<'_>], plan: &Plan) -> Self {
        let (mut layers, mut chains) = (vec![], vec![]);
        for (step, ram) in steps.iter().zip(live_bytes(plan)) {
            let first = layers.len();
            layers.extend(step.layers.iter().map(|printed| LayerReport::new(printed, ram + step.step.scratch_bytes())));
            layers[first].flash += step.operand_bytes();
            chains.extend(step.chain.as_ref().map(|chain| ChainReport::new(chain, first..layers.len())));
        }
        let constants = layers.iter().map(|layer| layer.flash).sum::<usize>() + PaddingRows::of(steps).bytes();
        Self { target, layers, chains, constants, arena: plan.arena_bytes() }
    }

    /// Multiply-accumulates of all layers.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }

    /// Bytes of RAM: the arena and the stack.
    pub fn ram(&self) -> usize {
        self.arena + Self::STACK
    }

    /// Bytes of flash: the constants and the kernels.
    pub fn flash(&self) -> usize {
        self.constants + self.target.code_bytes()
    }

    /// # Errors
    /// If a budget is passed; the error names the layer that takes most of it.
    pub(crate) fn check(&self, ram: Option<usize>, flash: Option<usize>) -> Result<()> {
        let budgets = [
            ("RAM", ram, self.ram(), self.layers.iter().max_by_key(|layer| layer.ram)),
            ("flash", flash, self.flash(), self.layers.iter().max_by_key(|layer| layer.flash)),
        ];
        for (memory, most, needed, worst) in budgets {
            let Some(most) = most.filter(|&most| needed > most) else { continue };
            let error = Error::limit(format!("network needs more {memory} than it may take"));
            let (error, bytes) = match worst {
                Some(layer) => {
                    (error.at_node(&layer.name, &layer.op), if memory == "RAM" { layer.ram } else { layer.flash })
                }
                None => (error, 0),
            };
            let beside = if memory == "RAM" { ("stack", Self::STACK) } else { ("code", self.target.code_bytes()) };
            return Err(error
                .expected(
                    format_args!("at most {most} bytes"),
                    format_args!("{needed} bytes, {bytes} of them for this layer and {} of {}", beside.1, beside.0),
                )
                .help(match memory {
                    "RAM" => "a network of smaller images or fewer channels in its first layers needs less",
                    _ => "a network of fewer channels in its last layers needs less",
                }));
        }
        Ok(())
    }
}

impl LayerReport {
    fn new(printed: &PrintedLayer<'_>, ram: usize) -> Self {
        let layer = printed.layer;
        Self {
            name: layer.name.clone(),
            op: layer.op.clone(),
            kernel: layer.kernel.clone(),
            output: layer.output.clone(),
            macs: layer.macs,
            flash: printed.constant_bytes(),
            ram,
        }
    }
}

/// A value in the arena: where it is, and from which step to which it is needed. Inputs are there from the first.
struct LiveRange {
    range: Range<usize>,
    first: usize,
    last: usize,
}

/// Bytes of values in the arena while each step runs.
fn live_bytes(plan: &Plan) -> Vec<usize> {
    let overlap = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
    let inputs = plan.inputs().iter().map(|input| LiveRange { range: input.range(), first: 0, last: 0 });
    let mut values: Vec<_> = inputs.collect();
    for (number, step) in plan.steps().iter().enumerate() {
        for operand in step.operands() {
            let BufferRef::Arena(range) = operand else { continue };
            // The value that was written there last.
            if let Some(value) = values.iter_mut().rfind(|value| overlap(&value.range, range)) {
                value.last = number;
            }
        }
        values.push(LiveRange { range: step.output(), first: number, last: number });
    }
    for output in plan.outputs() {
        let range = output.range().unwrap_or_default();
        if let Some(value) = values.iter_mut().rfind(|value| overlap(&value.range, &range)) {
            value.last = plan.step_count();
        }
    }
    let live = |step: usize| values.iter().filter(move |value| value.first <= step && step <= value.last);
    (0..plan.step_count()).map(|step| live(step).map(|value| value.range.len()).sum()).collect()
}

impl fmt::Display for Report {
    /// A table, a line for each layer, and the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.layers.iter().map(|layer| layer.ram).max().unwrap_or(0).max(1);
        writeln!(
            f,
            "  #  {:32} {:18} {:>14} {:>10} {:>10} {:>10}",
            "operator", "kernel", "output", "MACs", "flash", "RAM"
        )?;
        for (number, layer) in self.layers.iter().enumerate() {
            let LayerReport { op, kernel, output, macs, flash, ram, .. } = layer;
            let bar = "#".repeat((ram * 20).div_ceil(most));
            let (output, flash, ram) = (output.to_string(), shown(*flash), shown(*ram));
            writeln!(f, "{number:>3}  {op:32} {kernel:18} {output:>14} {macs:>10} {flash:>10} {ram:>10} {bar}")?;
        }
        writeln!(f)?;
        for ChainReport { layers, rows, kept, whole } in &self.chains {
            writeln!(
                f,
                "rings  {} to {}, {rows} row(s) at a time: {} in place of {}, and no MAC twice",
                layers.start,
                layers.end - 1,
                shown(*kept),
                shown(*whole)
            )?;
        }
        writeln!(
            f,
            "flash  {}: {} of constants, up to {} of code",
            shown(self.flash()),
            shown(self.constants),
            shown(self.target.code_bytes())
        )?;
        writeln!(
            f,
            "RAM    {}: {} of arena, up to {} of stack",
            shown(self.ram()),
            shown(self.arena),
            shown(Self::STACK)
        )?;
        writeln!(f, "MACs   {}", self.macs())
    }
}
