use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::builder::RangedU64ValueParser;
use sepconv::{Data, Tensor, Times};
use serde::Serialize;

use crate::args::{CompileArgs, TunedArgs, warn_of_unused_tuning};
use crate::failure::Failure;
use crate::inputs::InputArgs;
use crate::report::{self, bytes, count, plural, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    tuned: TunedArgs,

    /// Number of timed runs
    #[arg(long, value_name = "N", default_value = "30", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    runs: usize,

    /// Number of untimed runs before
    #[arg(long, value_name = "N", default_value = "5")]
    warmup: u32,

    #[command(flatten)]
    input: InputArgs,

    /// Print JSON, with every time and the first output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    model: String,
    isa: String,
    threads: usize,
    ms: Vec<f64>,
    median_ms: f64,
    min_ms: f64,
    p95_ms: f64,
    load_ms: f64,
    macs: u64,
    int8_macs: u64,
    gflops: f64,
    parameters: usize,
    arena_bytes: usize,
    weight_bytes: usize,
    peak_memory_bytes: Option<usize>,
    output: Numbers<'a>,
}

/// The elements of a tensor, whatever their type.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Floats(&'a [f32]),
    Integers(&'a [i64]),
    Bytes(&'a [u8]),
    SignedBytes(&'a [i8]),
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let start = Instant::now();
    let model = args.compile.open(&args.model)?;
    let opened_ms = start.elapsed().as_secs_f64() * 1e3;
    let given = args.input.read(&model)?;
    let start = Instant::now();
    let options = given.options(args.tuned.of(args.compile.options()?)?, &model);
    let mut session = model.into_compiled(&options)?.session()?;
    let load_ms = opened_ms + start.elapsed().as_secs_f64() * 1e3;
    warn_of_unused_tuning(session.model());

    let inputs = given.tensors(&session)?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let with_file = |error| given.in_file(error);
    for _ in 0..args.warmup {
        session.run(&inputs).map_err(with_file)?;
    }
    let mut times = Times::default();
    for _ in 0..args.runs {
        times.add(|| session.run(&inputs).map(drop)).map_err(with_file)?;
    }
    let peak_memory_bytes = peak_memory();
    let plan = session.plan();
    let (isa, threads, int8_macs) = (plan.isa().to_string(), plan.threads(), report::int8_macs(plan));
    let (arena_bytes, weight_bytes) = (plan.arena_bytes(), plan.weight_bytes());
    let (parameters, macs) = (session.model().parameters(), session.model().macs());
    let first = session.run(&inputs)?.first().map(Tensor::data);
    let output = Output {
        model: args.model.display().to_string(),
        isa,
        threads,
        median_ms: times.median(),
        min_ms: times.min(),
        p95_ms: times.quantile(0.95),
        load_ms,
        macs,
        int8_macs,
        gflops: 2.0 * macs as f64 / times.median() / 1e6,
        parameters,
        arena_bytes,
        weight_bytes,
        peak_memory_bytes,
        output: match first {
            Some(Data::F32(floats)) => Numbers::Floats(floats),
            Some(Data::I64(integers)) => Numbers::Integers(integers),
            Some(Data::U8(bytes)) => Numbers::Bytes(bytes),
            Some(Data::I8(bytes)) => Numbers::SignedBytes(bytes),
            None => Numbers::Floats(&[]),
        },
        ms: times.all().to_vec(),
    };
    if args.json { report::json(out, &output) } else { print_text(&output, out) }
}

fn print_text(output: &Output, out: &mut impl Write) -> Result<(), Failure> {
    let threads = report::threads(output.threads);
    writeln!(out, "{} on {}, {threads}, {}", shown(&output.model), output.isa, plural(output.ms.len(), "run"))?;
    writeln!(out, "median  {:.3} ms", output.median_ms)?;
    writeln!(out, "min     {:.3} ms", output.min_ms)?;
    writeln!(out, "p95     {:.3} ms", output.p95_ms)?;
    writeln!(out, "load    {:.1} ms", output.load_ms)?;
    let unit = if output.int8_macs > 0 { "GOP/s" } else { "GFLOP/s" };
    let int8 = match output.int8_macs {
        0 => String::new(),
        int8 => format!(", {} of them int8", count(int8)),
    };
    writeln!(
        out,
        "speed   {:.1} {unit} ({} MACs{int8}, two operations each, in the median)",
        output.gflops,
        count(output.macs)
    )?;
    write!(out, "memory  {} arena, {} weights", bytes(output.arena_bytes), bytes(output.weight_bytes))?;
    match output.peak_memory_bytes {
        Some(peak) => writeln!(out, ", {} whole process at its peak", bytes(peak))?,
        None => writeln!(out)?,
    }
    Ok(())
}

/// The most memory that this process has held, where the system tells.
fn peak_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}
