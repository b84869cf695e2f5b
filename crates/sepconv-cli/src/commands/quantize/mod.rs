mod candidate;
mod method;
mod output;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use sepconv::{Error, Result, file};

use self::candidate::{Candidate, Experiment};
use self::method::{MethodArgs, number};
use self::output::{Output, print_text};
use crate::args::{CompileArgs, PreprocessArgs};
use crate::failure::Failure;
use crate::report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is written but the finished file. Exit codes: 0 written, 1 a file or a model is at fault, \
                        2 the arguments are, 3 refused for --min-accuracy, 4 refused for --min-speedup."
)]
pub(crate) struct Args {
    /// The network of floats (.onnx or .tflite)
    model: PathBuf,

    /// Where the quantised network is written (.onnx)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// A folder of pictures like those that the network will see
    #[arg(long, value_name = "FOLDER")]
    calibration: PathBuf,

    /// The most of them that are used, spread evenly over their names
    #[arg(long, value_name = "N", default_value = "64", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    calibration_images: usize,

    #[command(flatten)]
    preprocess: PreprocessArgs,

    #[command(flatten)]
    method: MethodArgs,

    /// Keep more and more of the layers that suffer most in f32, at most half of all, until --min-accuracy is reached
    #[arg(long, requires = "min_accuracy", conflicts_with = "min_sqnr")]
    mixed: bool,

    /// Count right answers on the pictures in this folder, before and after
    #[arg(long, value_name = "FOLDER", requires = "labels")]
    evaluate: Option<PathBuf>,

    /// The right answers: lines of `file index`, the index counted from 0 without a background class
    #[arg(long, value_name = "FILE", requires = "evaluate")]
    labels: Option<PathBuf>,

    /// Refuse a network whose first answer is right for fewer of those pictures
    #[arg(long, value_name = "PERCENT", requires = "evaluate", value_parser = |text: &str| number(text, 0.0..=100.0))]
    min_accuracy: Option<f64>,

    /// Refuse a network that is less than this many times as fast as the one of floats; 0 takes any
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = |text: &str| number(text, 0.0..=1e6))]
    min_speedup: f64,

    /// Runs of each network that are timed, in turns; the shortest two are compared
    #[arg(long, value_name = "N", default_value = "30", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    runs: usize,

    #[command(flatten)]
    compile: CompileArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why a network is not written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    /// Its top-1, in percent.
    Accuracy(f64),
    /// How many times as fast it is.
    Speed(f64),
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> std::result::Result<(), Failure> {
    check_output(&args.model, &args.output)?;
    let mut experiment = Experiment::new(&args)?;
    let candidate =
        if args.mixed { mixed(&args, &mut experiment)? } else { experiment.attempt(&args.method.quantizer())? };
    let refusal = refusal(&args, &candidate);
    if refusal.is_none() {
        file::write(&args.output, &candidate.file)?;
    }
    if args.json {
        report::json(out, &Output::new(&args, &experiment, &candidate, refusal))?;
    } else {
        print_text(&experiment, &candidate, out)?;
    }
    if let Some(refusal) = refusal {
        // The reason follows what it is about.
        out.flush()?;
        return Err(refusal.failure(&args));
    }
    if !args.json {
        writeln!(out, "\nwritten  {}, {}", args.output.display(), report::bytes(candidate.file.len()))?;
    }
    Ok(())
}

/// What can be known to go wrong with the output before anything is computed.
fn check_output(model: &Path, output: &Path) -> Result<()> {
    let shown = output.display().to_string();
    if output.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("onnx")) {
        return Err(Error::argument("quantised networks are written as ONNX").expected("--output FILE.onnx", shown));
    }
    if fs::canonicalize(output).is_ok_and(|output| fs::canonicalize(model).is_ok_and(|model| model == output)) {
        return Err(Error::argument("output is the network that is read").in_file(&shown));
    }
    if output.is_dir() {
        return Err(Error::argument("a file is needed, this is a folder").in_file(&shown));
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Error::io("folder does not exist").in_file(&folder.display().to_string()));
    }
    Ok(())
}

fn refusal(args: &Args, candidate: &Candidate) -> Option<Refusal> {
    let top1 = candidate.accuracy.map(|tally| tally.top1_percent());
    let inaccurate = top1.zip(args.min_accuracy).filter(|(top1, least)| top1 < least);
    match inaccurate {
        Some((top1, _)) => Some(Refusal::Accuracy(top1)),
        None => Some(candidate.speedup()).filter(|&speedup| speedup < args.min_speedup).map(Refusal::Speed),
    }
}

/// The network with the fewest float layers that is accurate enough, of 0, 1, 2, 4, ... of those that alone add most noise; or
/// the last one that was fast enough to go on from.
fn mixed(args: &Args, experiment: &mut Experiment) -> std::result::Result<Candidate, Failure> {
    // Any ratio will do here: what is wanted is each layer's own.
    let mut candidate = experiment.attempt(&args.method.quantizer().min_sqnr(f64::NEG_INFINITY))?;
    let worst: Vec<String> = candidate.most_sensitive().into_iter().map(str::to_owned).collect();
    let mut kept = 1;
    while matches!(refusal(args, &candidate), Some(Refusal::Accuracy(_)))
        && candidate.speedup() >= args.min_speedup
        && kept <= worst.len() / 2
    {
        let keep = worst[..kept].iter();
        candidate =
            experiment.attempt(&keep.fold(args.method.quantizer(), |quantizer, name| quantizer.keep_float(name)))?;
        kept *= 2;
    }
    Ok(candidate)
}

impl Refusal {
    /// For programs.
    fn key(self) -> &'static str {
        match self {
            Self::Accuracy(_) => "accuracy",
            Self::Speed(_) => "speed",
        }
    }

    fn failure(self, args: &Args) -> Failure {
        let (code, reason) = match self {
            Self::Accuracy(top1) => {
                let least = args.min_accuracy.unwrap_or_default();
                (3, format!("top-1 is {top1:.1} %, --min-accuracy is {least} %"))
            }
            Self::Speed(speedup) => {
                (4, format!("it is {speedup:.2} times as fast as floats, --min-speedup is {}", args.min_speedup))
            }
        };
        Failure::Refused { code, reason: format!("{reason}; nothing was written") }
    }
}
