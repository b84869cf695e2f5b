use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sepconv::Tensor;
use sepconv::tune::{Tuned, Tuner};
use serde::Serialize;

use crate::args::{CompileArgs, number};
use crate::failure::Failure;
use crate::inputs::InputArgs;
use crate::progress::Bars;
use crate::report::{self, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// File for what is measured, for the --tuned of other commands; tuning that was stopped goes on from it
    /// [default: the network's name with .tuned.json, in the current folder]
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,

    /// Seconds to measure, at most
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = |text: &str| number(text, 1.0..=86_400.0))]
    budget: f64,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    input: InputArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output {
    model: String,
    output: String,
    isa: String,
    threads: usize,
    untuned_ms: f64,
    tuned_ms: f64,
    tuned_threads: usize,
    seconds: f64,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let path = args.output.clone().unwrap_or_else(|| default_output(&args.model));
    let model = args.compile.open(&args.model)?;
    args.compile.files_read(&args.model, &model).and(args.input.file()).check_output(&path, &["json"])?;
    let given = args.input.read(&model)?;
    let options = given.options(args.compile.options()?, &model);
    let session = model.compile(&options)?.session()?;
    let (isa, threads) = (session.plan().isa().to_string(), session.plan().threads());
    let inputs = given.tensors(&session)?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    drop(session);

    let tuner = Tuner::new(&path).budget(Duration::from_secs_f64(args.budget));
    let mut bars = Bars::new(args.json);
    let tuned = tuner.run(&model, &options, &inputs, &mut |event| bars.show(event));
    drop(bars);
    let output = Output::new(
        &tuned.map_err(|error| given.in_file(error))?,
        args.model.display().to_string(),
        isa,
        threads,
        &path,
    );
    if args.json { report::json(out, &output) } else { print_text(&output, out) }
}

fn default_output(model: &Path) -> PathBuf {
    let mut name = model.file_stem().unwrap_or_default().to_owned();
    name.push(".tuned.json");
    name.into()
}

impl Output {
    fn new(tuned: &Tuned, model: String, isa: String, threads: usize, path: &Path) -> Self {
        let [mut untuned_ms, mut tuned_ms, mut seconds] = [f64::NAN; 3];
        let mut tuned_threads = threads;
        if let Some(verdict) = tuned.verdict() {
            (untuned_ms, tuned_ms, seconds) = (verdict.untuned_ms, verdict.tuned_ms, verdict.seconds);
            tuned_threads = verdict.threads;
        }
        Self { model, output: path.display().to_string(), isa, threads, untuned_ms, tuned_ms, tuned_threads, seconds }
    }
}

fn print_text(output: &Output, out: &mut impl Write) -> Result<(), Failure> {
    let Output { untuned_ms, tuned_ms, seconds, .. } = output;
    writeln!(out, "{} on {}, {}", shown(&output.model), output.isa, report::threads(output.threads))?;
    writeln!(out, "untuned {untuned_ms:.3} ms")?;
    if tuned_ms < untuned_ms {
        let gain = 100.0 * (1.0 - tuned_ms / untuned_ms);
        writeln!(out, "tuned   {tuned_ms:.3} ms on {}, {gain:.1} % less", report::threads(output.tuned_threads))?;
    } else {
        writeln!(out, "tuned   no faster: the planner's choice stays")?;
    }
    writeln!(out, "took    {seconds:.1} s; use it with --tuned {}", shown(&output.output))?;
    Ok(())
}
