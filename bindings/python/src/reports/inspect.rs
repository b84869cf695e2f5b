//! What a network is.

use std::collections::{BTreeMap, HashSet};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::{DType, Format, Graph, ImageInput, Layer, Layout, Model, Options, Plan, TensorInfo};

use super::{PreprocessReport, joined, wrapped};
use crate::error::Result;

#[derive(IntoPyObject)]
struct Inspection<'a> {
    model: &'a str,
    format: &'static str,
    inputs: Vec<Tensor<'a>>,
    outputs: Vec<Tensor<'a>>,
    preprocess: Option<PreprocessReport>,
    description: Option<&'a str>,
    labels: Vec<String>,
    isa: String,
    threads: usize,
    operators: Vec<Operator>,
    layers: Vec<Bound<'a, PyDict>>,
    totals: Totals,
}

#[derive(IntoPyObject)]
struct Tensor<'a> {
    name: &'a str,
    shape: Vec<usize>,
    dtype: String,
    scale: Option<f32>,
    zero_point: Option<i32>,
}

#[derive(IntoPyObject)]
struct Operator {
    name: String,
    nodes: usize,
    supported: bool,
}

#[derive(IntoPyObject)]
struct LayerReport<'a> {
    name: &'a str,
    op: &'a str,
    inputs: Vec<Vec<usize>>,
    input_dtype: String,
    output: Vec<usize>,
    dtype: String,
    parameters: usize,
    macs: u64,
    activation_bytes: usize,
}

/// What the plan says of a layer.
#[derive(IntoPyObject)]
struct PlanReport<'a> {
    step: usize,
    kernel: &'a str,
    #[pyo3(item("why"))]
    reason: &'a str,
    block: Option<usize>,
    threads: usize,
}

#[derive(IntoPyObject)]
struct Totals {
    parameters: usize,
    macs: u64,
    int8_macs: u64,
    activation_bytes: usize,
    arena_bytes: usize,
    unfused_bytes: usize,
    weight_bytes: usize,
    file_bytes: BTreeMap<&'static str, usize>,
}

impl<'a> Tensor<'a> {
    fn all(infos: &'a [TensorInfo]) -> Vec<Self> {
        let one = |info: &'a TensorInfo| {
            let quantization = info.quantization.as_ref().and_then(|quantization| quantization.as_per_tensor());
            let (scale, zero_point) = quantization.unzip();
            Self { name: &info.name, shape: info.shape.to_vec(), dtype: info.dtype.to_string(), scale, zero_point }
        };
        infos.iter().map(one).collect()
    }
}

impl<'a> LayerReport<'a> {
    fn new(layer: &'a Layer) -> Self {
        Self {
            name: &layer.name,
            op: &layer.op,
            inputs: layer.inputs.iter().map(|shape| shape.to_vec()).collect(),
            input_dtype: layer.input_dtype.to_string(),
            output: layer.output.to_vec(),
            dtype: layer.output_dtype.to_string(),
            parameters: layer.parameters,
            macs: layer.macs,
            activation_bytes: layer.bytes,
        }
    }
}

impl<'a> PlanReport<'a> {
    fn new(layer: &'a Layer) -> Self {
        Self {
            step: layer.step,
            kernel: &layer.kernel,
            reason: &layer.reason,
            block: layer.block,
            threads: layer.threads,
        }
    }
}

impl Totals {
    /// `graph` is the network as its file has it, `simplified` what `plan` was made for.
    fn new(graph: &Graph, simplified: &Graph, plan: &Plan) -> Self {
        let int8 = plan.layers().iter().filter(|layer| layer.input_dtype.is_int8());
        Self {
            parameters: graph.parameters(),
            macs: graph.macs(),
            int8_macs: int8.map(|layer| layer.macs).sum(),
            activation_bytes: plan.layers().iter().map(|layer| layer.bytes).sum(),
            arena_bytes: plan.arena_bytes(),
            unfused_bytes: Plan::unfused_bytes(simplified),
            weight_bytes: plan.weight_bytes(),
            file_bytes: constants(graph),
        }
    }
}

/// Bytes of a network's constants by type, as files hold them: wide integers take four.
fn constants(graph: &Graph) -> BTreeMap<&'static str, usize> {
    let (mut seen, mut bytes) = (HashSet::new(), BTreeMap::new());
    for &id in graph.nodes().iter().flat_map(|node| &node.inputs).filter(|&&id| seen.insert(id)) {
        let Some(tensor) = &graph.value(id).constant else { continue };
        let (name, size) = match tensor.dtype() {
            DType::F32 => ("f32", 4),
            DType::I64 => ("i32", 4),
            DType::U8 => ("u8", 1),
            DType::I8 => ("i8", 1),
        };
        *bytes.entry(name).or_default() += tensor.shape().elements() * size;
    }
    bytes
}

/// See `Model.inspect`.
pub(crate) fn inspect<'py>(
    py: Python<'py>,
    model: &Model,
    options: &Options,
    with_plan: bool,
) -> Result<Bound<'py, PyAny>> {
    let (compiled, totals) = py.detach(|| {
        let compiled = model.compile(options)?;
        let totals = Totals::new(&model.import(options)?, &model.graph(options)?, compiled.plan());
        Ok::<_, sepconv::Error>((compiled, totals))
    })?;
    let plan = compiled.plan();
    let usual = match model.format() {
        Format::Onnx | Format::Built => Layout::Nchw,
        Format::Tflite => Layout::Nhwc,
    };
    // What a network of something else than images states or defaults to means nothing.
    let image = compiled.inputs().first().and_then(|input| ImageInput::new(&input.shape, usual).ok());
    let layer = |layer| match with_plan {
        true => joined(py, LayerReport::new(layer), PlanReport::new(layer)),
        false => LayerReport::new(layer).into_pyobject(py),
    };
    let operators = model.operators()?.into_iter().map(|operator| Operator {
        name: operator.name,
        nodes: operator.count,
        supported: operator.is_supported,
    });
    let report = Inspection {
        model: model.name(),
        format: match model.format() {
            Format::Onnx => "ONNX",
            Format::Tflite => "TensorFlow Lite",
            Format::Built => "family",
        },
        inputs: Tensor::all(compiled.inputs()),
        outputs: Tensor::all(compiled.outputs()),
        preprocess: image.map(|_| model.preprocess()).transpose()?.as_ref().map(PreprocessReport::from),
        description: model.description(),
        labels: model.labels().map_or(vec![], |labels| labels.names().to_vec()),
        isa: plan.isa().to_string(),
        threads: plan.threads(),
        operators: operators.collect(),
        layers: plan.layers().iter().map(layer).collect::<PyResult<_>>()?,
        totals,
    };
    wrapped(py, "Inspection", report.into_pyobject(py)?)
}
