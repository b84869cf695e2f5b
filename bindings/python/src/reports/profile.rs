//! The time of each step.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use sepconv::measure::profile::{Profile, Step};
use sepconv::{DType, Data, Layer, Plan, Tensor, TensorInfo};

use super::{MachineReport, wrapped};
use crate::error::Result;
use crate::functions::known_machine;

#[derive(IntoPyObject)]
struct ProfileReport<'a> {
    model: &'a str,
    machine: MachineReport,
    runs: usize,
    median_ms: f64,
    min_ms: f64,
    io_ms: f64,
    steps: Vec<StepReport<'a>>,
    blocks: Vec<BlockReport>,
    macs: u64,
    gops: f64,
    of_peak: f64,
}

#[derive(IntoPyObject)]
struct StepReport<'a> {
    layers: Vec<LayerReport<'a>>,
    block: Option<usize>,
    ms: f64,
    share: f64,
    macs: u64,
    activation_bytes: usize,
    weight_bytes: usize,
    threads: usize,
    gops: f64,
    of_peak: f64,
    roofline_ms: f64,
    bottleneck: String,
}

#[derive(IntoPyObject)]
struct LayerReport<'a> {
    name: &'a str,
    op: &'a str,
    kernel: &'a str,
    reason: &'a str,
}

#[derive(IntoPyObject)]
struct BlockReport {
    block: Option<usize>,
    kind: String,
    steps: usize,
    ms: f64,
    share: f64,
    macs: u64,
    of_peak: f64,
}

impl<'a> From<&'a Layer> for LayerReport<'a> {
    fn from(layer: &'a Layer) -> Self {
        Self { name: &layer.name, op: &layer.op, kernel: &layer.kernel, reason: &layer.reason }
    }
}

impl<'a> StepReport<'a> {
    fn new(plan: &'a Plan, step: &Step) -> Self {
        let layers = &plan.layers()[step.layers.clone()];
        Self {
            layers: layers.iter().map(LayerReport::from).collect(),
            block: layers[0].block,
            ms: step.ms,
            share: step.share,
            macs: step.macs,
            activation_bytes: step.activation_bytes,
            weight_bytes: step.weight_bytes,
            threads: step.threads,
            gops: step.gops,
            of_peak: step.of_peak,
            roofline_ms: step.roofline_ms,
            bottleneck: step.bottleneck.to_string(),
        }
    }
}

/// The milliseconds that the arithmetic of steps would take at peak.
fn at_peak_ms<'a>(steps: impl IntoIterator<Item = &'a Step>) -> f64 {
    steps.into_iter().map(|step| step.of_peak * step.ms).sum()
}

/// The steps of each block, and what is outside of blocks.
fn blocks(plan: &Plan, steps: &[Step]) -> Vec<BlockReport> {
    let mut groups: BTreeMap<Option<usize>, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        groups.entry(plan.layers()[step.layers.start].block).or_default().push(step);
    }
    let report = |(block, steps): (Option<usize>, Vec<&Step>)| {
        let ms: f64 = steps.iter().map(|step| step.ms).sum();
        BlockReport {
            block,
            kind: block.map_or("outside of blocks".into(), |block| plan.blocks()[block].kind.to_string()),
            steps: steps.len(),
            ms,
            share: steps.iter().map(|step| step.share).sum(),
            macs: steps.iter().map(|step| step.macs).sum(),
            of_peak: at_peak_ms(steps) / ms,
        }
    };
    groups.into_iter().map(report).collect()
}

/// See `CompiledModel.profile`.
pub(crate) fn profile<'py>(py: Python<'py>, model: &str, plan: &Plan, profile: &Profile) -> Result<Bound<'py, PyAny>> {
    let machine = known_machine(py, plan.isa().name(), plan.threads())?;
    let (times, steps) = (profile.totals(), profile.steps(plan, &machine));
    let report = ProfileReport {
        model,
        machine: (&machine).into(),
        runs: times.all().len(),
        median_ms: times.median(),
        min_ms: times.min(),
        io_ms: profile.io_ms(),
        steps: steps.iter().map(|step| StepReport::new(plan, step)).collect(),
        blocks: blocks(plan, &steps),
        macs: plan.macs(),
        gops: 2.0 * plan.macs() as f64 / times.median() / 1e6,
        of_peak: at_peak_ms(&steps) / times.median(),
    };
    wrapped(py, "Profile", report)
}

/// Numbers from -1 to 1, the same every time; zeros for integers, which index something.
pub(crate) fn random_inputs(infos: &[TensorInfo]) -> Result<Vec<Tensor>> {
    let random = |info: &TensorInfo| {
        let elements = 0..info.shape.elements();
        let data = match info.dtype {
            // Fractions of the golden ratio's multiples are spread evenly.
            DType::F32 => {
                Data::F32(elements.map(|i| (i as f64 * 0.618_033_988_75).fract() as f32 * 2.0 - 1.0).collect())
            }
            DType::I64 => Data::I64(vec![0; elements.len()]),
            DType::U8 => Data::U8(elements.map(|i| (i * 37) as u8).collect()),
            DType::I8 => Data::I8(elements.map(|i| (i * 37) as i8).collect()),
        };
        Ok(Tensor::new(info.shape.clone(), data)?)
    };
    infos.iter().map(random).collect()
}
