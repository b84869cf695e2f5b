mod partial;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;

use sepconv::{CompiledModel, DType, Format, Graph, ImageInput, Layer, Layout, Model, Plan, Preprocess, TensorInfo};
use serde::Serialize;

use self::partial::OperatorJson;
use crate::args::{CompileArgs, TunedArgs, warn_of_unused_tuning};
use crate::failure::Failure;
use crate::report::{self, Align, PreprocessJson, bytes, count, dims, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Show the kernel of each layer and the reason for it
    #[arg(long)]
    plan: bool,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    tuned: TunedArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    model: String,
    format: &'static str,
    inputs: Vec<TensorJson<'a>>,
    outputs: Vec<TensorJson<'a>>,
    preprocess: Option<PreprocessJson>,
    description: Option<&'a str>,
    labels: Vec<String>,
    isa: String,
    threads: usize,
    operators: Vec<OperatorJson>,
    layers: Vec<LayerJson<'a>>,
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct TensorJson<'a> {
    name: &'a str,
    shape: &'a [usize],
    dtype: String,
    scale: Option<f32>,
    zero_point: Option<i32>,
}

#[derive(Debug, Serialize)]
struct LayerJson<'a> {
    name: &'a str,
    op: &'a str,
    inputs: Vec<&'a [usize]>,
    input_dtype: String,
    output: &'a [usize],
    dtype: String,
    parameters: usize,
    macs: u64,
    activation_bytes: usize,
    #[serde(flatten)]
    plan: Option<PlanJson<'a>>,
}

#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    step: usize,
    kernel: &'a str,
    #[serde(rename = "why")]
    reason: String,
    block: Option<usize>,
    threads: usize,
}

#[derive(Debug, Serialize)]
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

impl<'a> TensorJson<'a> {
    fn all(infos: &'a [TensorInfo]) -> Vec<Self> {
        infos.iter().map(Self::new).collect()
    }

    fn new(info: &'a TensorInfo) -> Self {
        let (scale, zero_point) =
            info.quantization.as_ref().and_then(|quantization| quantization.as_per_tensor()).unzip();
        Self { name: &info.name, shape: &info.shape, dtype: info.dtype.to_string(), scale, zero_point }
    }
}

impl<'a> LayerJson<'a> {
    fn new(compiled: &CompiledModel, layer: &'a Layer, with_plan: bool) -> Self {
        let plan = || PlanJson {
            step: layer.step,
            kernel: &layer.kernel,
            reason: reason(compiled, layer),
            block: layer.block,
            threads: layer.threads,
        };
        Self {
            name: &layer.name,
            op: &layer.op,
            inputs: layer.inputs.iter().map(|shape| &shape[..]).collect(),
            input_dtype: layer.input_dtype.to_string(),
            output: &layer.output,
            dtype: layer.output_dtype.to_string(),
            parameters: layer.parameters,
            macs: layer.macs,
            activation_bytes: layer.bytes,
            plan: with_plan.then(plan),
        }
    }
}

impl Totals {
    /// `graph` is the network as its file has it, `simplified` what `plan` was made for.
    fn new(graph: &Graph, simplified: &Graph, plan: &Plan) -> Self {
        Self {
            parameters: graph.parameters(),
            macs: graph.macs(),
            int8_macs: report::int8_macs(plan),
            activation_bytes: plan.layers().iter().map(|layer| layer.bytes).sum(),
            arena_bytes: plan.arena_bytes(),
            unfused_bytes: Plan::unfused_bytes(simplified),
            weight_bytes: plan.weight_bytes(),
            file_bytes: constants(graph),
        }
    }
}

/// The reason for a layer's kernel, with what was measured of the layer by itself.
fn reason(compiled: &CompiledModel, layer: &Layer) -> String {
    let measured = compiled.tuned().map(|tuned| tuned.measured(&layer.name)).unwrap_or_default();
    let ms: Vec<_> = measured.iter().map(|(kernel, ms)| format!("{kernel} {ms:.3} ms")).collect();
    if ms.is_empty() { layer.reason.clone() } else { format!("{}; measured: {}", layer.reason, ms.join(", ")) }
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

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let model = args.compile.open(&args.model)?;
    let options = args.tuned.of(args.compile.options()?)?;
    let compiled = match model.compile(&options) {
        Ok(compiled) => compiled,
        Err(error) => return partial::print(&args, &model, error, out),
    };
    warn_of_unused_tuning(&compiled);
    let totals = Totals::new(&model.import(&options)?, &model.graph(&options)?, compiled.plan());
    // What a network of something else than images states or defaults to means nothing.
    let preprocess = if image_input(&model, &compiled).is_some() { Some(model.preprocess()?) } else { None };
    if args.json {
        print_json(&args, &model, &compiled, preprocess.as_ref(), totals, out)
    } else {
        print_text(&args, &model, &compiled, preprocess.as_ref(), &totals, out)
    }
}

fn image_input(model: &Model, compiled: &CompiledModel) -> Option<ImageInput> {
    let usual = match model.format() {
        Format::Onnx | Format::Built => Layout::Nchw,
        Format::Tflite => Layout::Nhwc,
    };
    compiled.inputs().first().and_then(|input| ImageInput::new(&input.shape, usual).ok())
}

fn format_name(model: &Model) -> &'static str {
    match model.format() {
        Format::Onnx => "ONNX",
        Format::Tflite => "TensorFlow Lite",
        Format::Built => "family",
    }
}

fn print_json(
    args: &Args,
    model: &Model,
    compiled: &CompiledModel,
    preprocess: Option<&Preprocess>,
    totals: Totals,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let plan = compiled.plan();
    let output = Output {
        model: args.model.display().to_string(),
        format: format_name(model),
        inputs: TensorJson::all(compiled.inputs()),
        outputs: TensorJson::all(compiled.outputs()),
        preprocess: preprocess.map(Into::into),
        description: model.description(),
        labels: model.labels().map_or(vec![], |labels| labels.names().to_vec()),
        isa: plan.isa().to_string(),
        threads: plan.threads(),
        operators: OperatorJson::all(&model.operators()?),
        layers: plan.layers().iter().map(|layer| LayerJson::new(compiled, layer, args.plan)).collect(),
        totals,
    };
    report::json(out, &output)
}

fn print_text(
    args: &Args,
    model: &Model,
    compiled: &CompiledModel,
    preprocess: Option<&Preprocess>,
    totals: &Totals,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let plan = compiled.plan();
    writeln!(out, "{} ({})", shown(model.name()), format_name(model))?;
    for (role, infos) in [("input", compiled.inputs()), ("output", compiled.outputs())] {
        for info in infos {
            let layout = match image_input(model, compiled) {
                Some(image) if role == "input" => format!(" {}", report::layout(image.layout)),
                _ => String::new(),
            };
            let bytes = info.quantization.as_ref().and_then(|quantization| quantization.as_per_tensor());
            let bytes = bytes.map_or_else(String::new, |(scale, zero)| format!(", scale {scale}, zero point {zero}"));
            writeln!(out, "{role:<11} {} {} {}{layout}{bytes}", shown(&info.name), info.shape, info.dtype)?;
        }
    }
    if let Some(preprocess) = preprocess {
        writeln!(out, "preprocess  {}", report::preprocess(preprocess))?;
    }
    if let Some(labels) = model.labels() {
        let [first, last] = [labels.names().first(), labels.names().last()].map(|name| name.map_or("", String::as_str));
        let [first, last] = [first, last].map(shown);
        writeln!(out, "labels      {}, from \"{first}\" to \"{last}\"", labels.len())?;
    }
    if let Some(description) = model.description() {
        writeln!(out, "description {}", shown(description))?;
    }
    writeln!(out)?;
    print_layers(plan, out)?;
    if args.plan {
        writeln!(out, "\nplan for {} on {}", plan.isa(), report::threads(plan.threads()))?;
        print_plan(compiled, out)?;
    }
    writeln!(out)?;
    writeln!(out, "parameters  {} ({})", count(totals.parameters as u64), totals.parameters)?;
    let sizes: Vec<_> = totals.file_bytes.iter().map(|(dtype, size)| format!("{} {dtype}", bytes(*size))).collect();
    writeln!(out, "weights     {} in the file", sizes.join(", "))?;
    write!(out, "MACs        {} ({})", count(totals.macs), totals.macs)?;
    match totals.int8_macs {
        0 => writeln!(out)?,
        int8 => writeln!(out, ", {} of them int8", count(int8))?,
    }
    writeln!(out, "activations {} read and written", bytes(totals.activation_bytes))?;
    let [arena, unfused, weights] = [totals.arena_bytes, totals.unfused_bytes, totals.weight_bytes].map(bytes);
    writeln!(out, "memory      {arena} arena ({unfused} if every layer stored its result), {weights} weights")?;
    Ok(())
}

fn print_layers(plan: &Plan, out: &mut impl Write) -> Result<(), Failure> {
    let headings = [
        ("#", Align::Right),
        ("layer", Align::Left),
        ("operator", Align::Left),
        ("type", Align::Left),
        ("output", Align::Left),
        ("parameters", Align::Right),
        ("MACs", Align::Right),
        ("activations", Align::Right),
    ];
    let rows: Vec<_> = plan
        .layers()
        .iter()
        .enumerate()
        .map(|(number, layer)| {
            let name = report::shorten(&layer.name, 32);
            let parameters = if layer.parameters == 0 { String::new() } else { count(layer.parameters as u64) };
            let macs = if layer.macs == 0 { String::new() } else { count(layer.macs) };
            let dtype = match layer.input_dtype == layer.output_dtype {
                true => layer.output_dtype.to_string(),
                false => format!("{} -> {}", layer.input_dtype, layer.output_dtype),
            };
            let (number, output) = (number.to_string(), dims(&layer.output));
            [number, name, layer.op.clone(), dtype, output, parameters, macs, bytes(layer.bytes)]
        })
        .collect();
    Ok(report::table(out, headings, &rows)?)
}

fn print_plan(compiled: &CompiledModel, out: &mut impl Write) -> Result<(), Failure> {
    let plan = compiled.plan();
    let headings = [
        ("#", Align::Right),
        ("step", Align::Right),
        ("operator", Align::Left),
        ("kernel", Align::Left),
        ("threads", Align::Right),
        ("block", Align::Left),
        ("reason", Align::Left),
    ];
    // What kind of block it is stands beside its first step.
    let mut named = None;
    let rows: Vec<_> = plan
        .layers()
        .iter()
        .enumerate()
        .map(|(number, layer)| {
            let block = layer.block.map_or_else(String::new, |block| match named.replace(block) {
                Some(before) if before == block => block.to_string(),
                _ => format!("{block} {}", plan.blocks()[block].kind),
            });
            [
                number.to_string(),
                layer.step.to_string(),
                layer.op.clone(),
                layer.kernel.clone(),
                layer.threads.to_string(),
                block,
                reason(compiled, layer),
            ]
        })
        .collect();
    Ok(report::table(out, headings, &rows)?)
}
