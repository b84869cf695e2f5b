use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::RangedU64ValueParser;
use sepconv::{DType, Data, Error, Limits, Runner, Tensor, TensorInfo, file, npy};
use serde::Serialize;

use crate::args::CompileArgs;
use crate::commands::run::match_inputs;
use crate::failure::Failure;
use crate::report::{self, bytes, count};
use crate::timing::{Times, milliseconds};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    #[command(flatten)]
    compile: CompileArgs,

    /// Runs that are timed
    #[arg(long, value_name = "N", default_value = "30", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    runs: usize,

    /// Runs before those
    #[arg(long, value_name = "N", default_value = "5")]
    warmup: u32,

    /// What to run it on: .npy, .npz, or the bare elements of one tensor (bytes, or little-endian floats), in the file's own layout
    /// [default: the same random numbers every time]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Print JSON, with every time and the first output
    #[arg(long)]
    json: bool,
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
    let mut runner = model.compile(&args.compile.options())?;
    let load_ms = milliseconds(start);
    let parameters = model.import(&args.compile.options())?.parameters();

    let in_file = |error: Error| match &args.input {
        Some(path) => error.in_file(&path.display().to_string()),
        None => error,
    };
    let inputs = match &args.input {
        Some(path) => read_inputs(path, &runner).map_err(in_file)?,
        None => runner.inputs().iter().map(random).collect::<sepconv::Result<_>>()?,
    };
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    for _ in 0..args.warmup {
        runner.run_all(&inputs).map_err(in_file)?;
    }
    let mut times = Times::default();
    for _ in 0..args.runs {
        times.add(&mut runner, &inputs).map_err(in_file)?;
    }
    let peak_memory_bytes = peak_memory();
    let plan = runner.plan();
    let (isa, threads, macs, int8_macs) =
        (plan.isa().to_string(), plan.threads(), plan.macs(), report::int8_macs(plan));
    let (arena_bytes, weight_bytes) = (plan.arena_bytes(), plan.weight_bytes());
    let first = runner.run_all(&inputs)?.first().map(Tensor::data);
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
        ms: times.0,
    };
    if args.json { report::json(out, &output) } else { print_text(&output, out) }
}

fn print_text(output: &Output, out: &mut impl Write) -> Result<(), Failure> {
    let threads = if output.threads == 1 { "thread" } else { "threads" };
    writeln!(out, "{} on {}, {} {threads}, {} runs", output.model, output.isa, output.threads, output.ms.len())?;
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

fn read_inputs(path: &Path, runner: &Runner) -> sepconv::Result<Vec<Tensor>> {
    let is_numpy = path.extension().is_some_and(|extension| extension == "npy" || extension == "npz");
    if is_numpy {
        return match_inputs(npy::read(path, &Limits::default())?, runner.inputs());
    }
    let [input] = runner.inputs() else {
        return Err(Error::argument("bare numbers can be the input of one tensor only"));
    };
    let bytes = file::read(path, file::MAX_BYTES)?;
    let tensor = match input.dtype {
        DType::U8 => Tensor::u8(&input.shape[..], bytes),
        DType::I8 => Tensor::i8(&input.shape[..], bytes.into_iter().map(u8::cast_signed).collect::<Vec<_>>()),
        _ => npy::read_raw(&bytes, input.shape.clone()),
    };
    Ok(vec![tensor?])
}

/// Numbers from -1 to 1, the same every time; zeros for integers, which index something.
fn random(info: &TensorInfo) -> sepconv::Result<Tensor> {
    let elements = info.shape.elements();
    let data = match info.dtype {
        DType::F32 => {
            let mut state = 0x5e9c_0451_u64;
            Data::F32((0..elements).map(|_| uniform(&mut state)).collect())
        }
        DType::I64 => Data::I64(vec![0; elements]),
        DType::U8 => Data::U8((0..elements).map(|i| (i * 37) as u8).collect()),
        DType::I8 => Data::I8((0..elements).map(|i| (i * 37) as i8).collect()),
    };
    Tensor::new(info.shape.clone(), data)
}

/// A step of Marsaglia's xorshift64* (Vigna 2016), as a float from -1 to 1.
fn uniform(state: &mut u64) -> f32 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
    bits as f32 / (1 << 23) as f32 - 1.0
}

/// The most memory that this process has held, where the system tells.
fn peak_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_in_range_and_differ() {
        let mut state = 1;
        let numbers: Vec<f32> = (0..1000).map(|_| uniform(&mut state)).collect();
        assert!(numbers.iter().all(|x| (-1.0..1.0).contains(x)));
        assert!(numbers.iter().sum::<f32>().abs() < 50.0 && numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
