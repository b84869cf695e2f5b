mod plot;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use sepconv::measure::profile::{Profile, Step};
use sepconv::{Layer, Machine, Plan, Tensor, Times, file};
use serde::Serialize;
use serde_json::json;

use crate::args::{CompileArgs, TunedArgs, warn_of_unused_tuning};
use crate::calibration;
use crate::failure::Failure;
use crate::inputs::InputArgs;
use crate::progress::Bars;
use crate::report::{self, Align, bytes, count, plural, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    tuned: TunedArgs,

    /// Number of timed runs
    #[arg(long, value_name = "N", default_value = "100", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    runs: usize,

    /// Number of untimed runs before
    #[arg(long, value_name = "N", default_value = "10")]
    warmup: u32,

    #[command(flatten)]
    input: InputArgs,

    /// Write the steps of a typical run for chrome://tracing or ui.perfetto.dev
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,

    /// Draw each step in a roofline plot
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    model: String,
    machine: &'a Machine,
    runs: usize,
    median_ms: f64,
    min_ms: f64,
    io_ms: f64,
    steps: Vec<StepJson<'a>>,
    blocks: Vec<GroupJson>,
    macs: u64,
    gops: f64,
    of_peak: f64,
}

#[derive(Debug, Serialize)]
struct StepJson<'a> {
    layers: Vec<LayerJson<'a>>,
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

#[derive(Debug, Serialize)]
struct LayerJson<'a> {
    name: &'a str,
    op: &'a str,
    kernel: &'a str,
    reason: &'a str,
}

/// Steps of one block.
#[derive(Debug, Default, Serialize)]
struct GroupJson {
    block: Option<usize>,
    kind: String,
    steps: usize,
    ms: f64,
    share: f64,
    macs: u64,
    of_peak: f64,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let model = args.compile.open(&args.model)?;
    let read = args.compile.files_read(&args.model, &model).and(args.input.file()).and(args.tuned.file());
    let all_read = read.clone().and(calibration::path());
    args.trace.iter().try_for_each(|trace| all_read.check_output(trace, &["json"]))?;
    args.plot.iter().try_for_each(|plot| all_read.clone().and(&args.trace).check_output(plot, &["svg"]))?;
    let given = args.input.read(&model)?;
    let options = given.options(args.tuned.of(args.compile.options()?)?, &model);
    let (name, mut session) = (model.name().to_owned(), model.into_compiled(&options)?.session()?);
    warn_of_unused_tuning(session.model());
    let machine = calibration::known(&options, session.plan().threads(), session.plan().isa().name(), &read)?;
    let inputs = given.tensors(&session)?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    for _ in 0..args.warmup {
        session.run(&inputs).map_err(|error| given.in_file(error))?;
    }
    let mut bars = Bars::new(args.json);
    let profile = session.profile(&inputs, args.runs, &mut |event| bars.show(event));
    drop(bars);
    let profile = profile.map_err(|error| given.in_file(error))?;
    let steps = profile.steps(session.plan(), &machine);
    if let Some(path) = &args.trace {
        file::write(path, &serde_json::to_vec(&trace(session.plan(), &profile, &steps))?)?;
    }
    if let Some(path) = &args.plot {
        let bytes = 2 * report::int8_macs(session.plan()) > session.plan().macs();
        file::write(path, plot::draw(&name, &machine, &steps, bytes).as_bytes())?;
    }
    let report = Report { plan: session.plan(), machine: &machine, profile: &profile, steps: &steps };
    if args.json { report.json(&args, out) } else { report.text(&args, out) }
}

struct Report<'a> {
    plan: &'a Plan,
    machine: &'a Machine,
    profile: &'a Profile,
    steps: &'a [Step],
}

impl Report<'_> {
    fn layers(&self, step: &Step) -> &[Layer] {
        &self.plan.layers()[step.layers.clone()]
    }

    fn times(&self) -> Times {
        self.profile.totals()
    }

    /// The milliseconds that the arithmetic of all steps would take at peak.
    fn at_peak_ms(steps: &[Step]) -> f64 {
        steps.iter().map(|step| step.of_peak * step.ms).sum()
    }

    /// The steps of each block, and what is outside of blocks.
    fn groups(&self) -> Vec<GroupJson> {
        let mut groups: BTreeMap<Option<usize>, Vec<Step>> = BTreeMap::new();
        for step in self.steps {
            groups.entry(self.layers(step)[0].block).or_default().push(step.clone());
        }
        let group = |(block, steps): (Option<usize>, Vec<Step>)| {
            let ms: f64 = steps.iter().map(|step| step.ms).sum();
            GroupJson {
                block,
                kind: block.map_or("outside of blocks".into(), |block| self.plan.blocks()[block].kind.to_string()),
                steps: steps.len(),
                ms,
                share: steps.iter().map(|step| step.share).sum(),
                macs: steps.iter().map(|step| step.macs).sum(),
                of_peak: Self::at_peak_ms(&steps) / ms,
            }
        };
        groups.into_iter().map(group).collect()
    }

    fn json(&self, args: &Args, out: &mut impl Write) -> Result<(), Failure> {
        let times = self.times();
        let step = |step: &'_ Step| StepJson {
            layers: self.layers(step).iter().map(LayerJson::new).collect(),
            block: self.layers(step)[0].block,
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
        };
        let output = Output {
            model: args.model.display().to_string(),
            machine: self.machine,
            runs: times.all().len(),
            median_ms: times.median(),
            min_ms: times.min(),
            io_ms: self.profile.io_ms(),
            steps: self.steps.iter().map(step).collect(),
            blocks: self.groups(),
            macs: self.plan.macs(),
            gops: 2.0 * self.plan.macs() as f64 / times.median() / 1e6,
            of_peak: Self::at_peak_ms(self.steps) / times.median(),
        };
        report::json(out, &output)
    }

    fn text(&self, args: &Args, out: &mut impl Write) -> Result<(), Failure> {
        let (times, peaks) = (self.times(), self.machine.peaks(self.machine.threads));
        writeln!(
            out,
            "{} on {}, {}: at most {:.0} GFLOP/s in f32, {:.0} GOP/s in int8",
            shown(args.model.display()),
            self.machine.isa,
            report::threads(self.machine.threads),
            peaks.floats,
            peaks.bytes
        )?;
        writeln!(out)?;
        self.print_steps(out)?;
        writeln!(out)?;
        self.print_groups(out)?;
        writeln!(out)?;
        let at_peak = Self::at_peak_ms(self.steps);
        let sum: f64 = self.steps.iter().map(|step| step.ms).sum();
        writeln!(
            out,
            "steps   {sum:.3} ms, inputs in and outputs out {:.3} ms; medians of {}",
            self.profile.io_ms(),
            plural(times.all().len(), "run")
        )?;
        writeln!(out, "whole   {:.3} ms median, {:.3} ms min", times.median(), times.min())?;
        writeln!(
            out,
            "peak    {:.0} %: the arithmetic alone ({} MACs) takes {at_peak:.3} ms at peak",
            100.0 * at_peak / times.median(),
            count(self.plan.macs())
        )?;
        Ok(())
    }

    fn print_steps(&self, out: &mut impl Write) -> Result<(), Failure> {
        let headings = [
            ("#", Align::Right),
            ("step", Align::Left),
            ("kernels", Align::Left),
            ("block", Align::Right),
            ("thr", Align::Right),
            ("ms", Align::Right),
            ("%", Align::Right),
            ("MACs", Align::Right),
            ("activations", Align::Right),
            ("weights", Align::Right),
            ("GOP/s", Align::Right),
            ("% peak", Align::Right),
            ("bottleneck", Align::Left),
        ];
        let row = |(number, step): (usize, &Step)| {
            let layers = self.layers(step);
            let joined = |text: fn(&Layer) -> &str| layers.iter().map(text).collect::<Vec<_>>().join(" + ");
            let some = |number: u64, text: String| if number == 0 { String::new() } else { text };
            [
                number.to_string(),
                report::shorten(&joined(|layer| &layer.op), 64),
                joined(|layer| layer.kernel.rsplit(' ').next().unwrap_or(&layer.kernel)),
                layers[0].block.map_or_else(String::new, |block| block.to_string()),
                step.threads.to_string(),
                format!("{:.3}", step.ms),
                format!("{:.1}", 100.0 * step.share),
                some(step.macs, count(step.macs)),
                bytes(step.activation_bytes),
                some(step.weight_bytes as u64, bytes(step.weight_bytes)),
                some(step.macs, format!("{:.0}", step.gops)),
                some(step.macs, format!("{:.0}", 100.0 * step.of_peak)),
                step.bottleneck.to_string(),
            ]
        };
        let rows: Vec<_> = self.steps.iter().enumerate().map(row).collect();
        Ok(report::table(out, headings, &rows)?)
    }

    fn print_groups(&self, out: &mut impl Write) -> Result<(), Failure> {
        let headings = [
            ("block", Align::Right),
            ("kind", Align::Left),
            ("steps", Align::Right),
            ("ms", Align::Right),
            ("%", Align::Right),
            ("MACs", Align::Right),
            ("% peak", Align::Right),
        ];
        let row = |group: GroupJson| {
            [
                group.block.map_or_else(String::new, |block| block.to_string()),
                group.kind,
                group.steps.to_string(),
                format!("{:.3}", group.ms),
                format!("{:.1}", 100.0 * group.share),
                count(group.macs),
                format!("{:.0}", 100.0 * group.of_peak),
            ]
        };
        let rows: Vec<_> = self.groups().into_iter().map(row).collect();
        Ok(report::table(out, headings, &rows)?)
    }
}

impl<'a> LayerJson<'a> {
    fn new(layer: &'a Layer) -> Self {
        Self { name: &layer.name, op: &layer.op, kernel: &layer.kernel, reason: &layer.reason }
    }
}

/// A typical run in the Trace Event Format: complete events ("X"), microseconds.
fn trace(plan: &Plan, profile: &Profile, steps: &[Step]) -> serde_json::Value {
    let ends = profile.typical_run();
    let event = |name: String, stage: usize, args: serde_json::Value| {
        let begin = if stage == 0 { 0.0 } else { ends[stage - 1] };
        json!({
            "name": name, "ph": "X", "pid": 1, "tid": 1,
            "ts": 1e3 * begin, "dur": 1e3 * (ends[stage] - begin), "args": args,
        })
    };
    let mut events = vec![event("inputs".into(), 0, json!({}))];
    for (number, step) in steps.iter().enumerate() {
        let layers = &plan.layers()[step.layers.clone()];
        let ops: Vec<_> = layers.iter().map(|layer| layer.op.as_str()).collect();
        let made: Vec<_> = layers.iter().map(|layer| json!({"name": layer.name, "kernel": layer.kernel})).collect();
        let args = json!({
            "layers": made, "macs": step.macs, "threads": step.threads, "of_peak": step.of_peak,
            "bottleneck": step.bottleneck.to_string(),
        });
        events.push(event(ops.join(" + "), number + 1, args));
    }
    events.push(event("outputs".into(), ends.len() - 1, json!({})));
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}
