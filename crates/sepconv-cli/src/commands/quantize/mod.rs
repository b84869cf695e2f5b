mod candidate;
mod method;
mod output;

use std::io::Write;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use sepconv::file;
use sepconv::quantize::LayerReport;

use self::candidate::{Candidate, quantize};
use self::method::MethodArgs;
use self::output::{Output, print_text};
use crate::args::{CompileArgs, MetadataArgs, number, positive};
use crate::experiment::{Experiment, Setup};
use crate::failure::{Failure, warn};
use crate::report::{self, shown};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The output appears whole or not at all. Exit codes: 0 written, 1 invalid file or model, 2 invalid \
                  arguments, 3 below --min-accuracy, 4 below --min-speedup."
)]
pub(crate) struct Args {
    /// The f32 network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// The quantized network (.onnx)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Folder of representative images, or of subfolders of images
    #[arg(long, value_name = "FOLDER")]
    calibration: PathBuf,

    /// Limit of calibration images, spread evenly over their names
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    calibration_images: usize,

    #[command(flatten)]
    metadata: MetadataArgs,

    #[command(flatten)]
    method: MethodArgs,

    /// Keep the most sensitive layers in f32, at most half of all, until --min-accuracy is reached
    #[arg(long, requires = "min_accuracy", conflicts_with = "min_sqnr")]
    mixed: bool,

    /// Measure accuracy on the images of this folder, before and after
    #[arg(long, value_name = "FOLDER")]
    evaluate: Option<PathBuf>,

    /// Ground truth: lines of `file index`, the index counted from 0 without a background class [default: the
    /// names of folders in that folder, `cat`, `3` or `3_cat`]
    #[arg(long, value_name = "FILE", requires = "evaluate")]
    labels: Option<PathBuf>,

    /// Write nothing, and exit with 3, if top-1 accuracy is lower
    #[arg(long, value_name = "PERCENT", requires = "evaluate", value_parser = |text: &str| number(text, 0.0..=100.0))]
    min_accuracy: Option<f64>,

    /// Write nothing, and exit with 4, if the speedup of int8 over f32 on this machine is lower [default:
    /// a warning if int8 is slower]
    #[arg(long, value_name = "TIMES", value_parser = |text: &str| number(text, 0.0..=1e6))]
    min_speedup: Option<f64>,

    /// Timed runs of each network, in turns; minima are compared
    #[arg(long, value_name = "N", default_value = "30", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    runs: usize,

    #[command(flatten)]
    compile: CompileArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Whether a candidate is as fast as `--min-speedup` asks.
    fn is_fast_enough(&self, candidate: &Candidate) -> bool {
        self.min_speedup.is_none_or(|least| candidate.speedup() >= least)
    }
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
    let experiment = experiment(&args)?;
    let candidate = match args.mixed {
        true => mixed(&args, &experiment)?,
        false => Candidate::new(&args, &experiment, &args.method.quantizer())?,
    };
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
        writeln!(out, "\nwritten  {}, {}", shown(args.output.display()), report::bytes(candidate.file.len()))?;
    }
    if args.min_speedup.is_none() && candidate.speedup() < 1.0 {
        out.flush()?;
        warn(format_args!(
            "int8 runs at {:.3}× f32 on this machine, {}; the file is written all the same (--min-speedup 1 refuses it)",
            candidate.speedup(),
            candidate.isa
        ));
    }
    Ok(())
}

fn experiment(args: &Args) -> std::result::Result<Experiment<'_>, Failure> {
    let setup = Setup {
        model: &args.model,
        output: &args.output,
        compile: &args.compile,
        options: args.compile.options()?,
        metadata: &args.metadata,
        calibration: Some(&args.calibration),
        calibration_images: args.calibration_images,
        evaluate: args.evaluate.as_deref(),
        labels: args.labels.as_deref(),
        runs: args.runs,
        quiet: args.json,
    };
    Experiment::new(setup, |graph| args.method.quantizer().check(graph))
}

fn refusal(args: &Args, candidate: &Candidate) -> Option<Refusal> {
    let top1 = candidate.accuracy.map(|accuracy| accuracy.top1_percent());
    let inaccurate = top1.zip(args.min_accuracy).filter(|(top1, least)| top1 < least);
    match inaccurate {
        Some((top1, _)) => Some(Refusal::Accuracy(top1)),
        None => (!args.is_fast_enough(candidate)).then(|| Refusal::Speed(candidate.speedup())),
    }
}

/// The first network that is accurate enough of those with 0, 1, 2, 4, ... of the layers in f32 that alone add most
/// noise; or the last one that was fast enough to go on from.
fn mixed(args: &Args, experiment: &Experiment) -> std::result::Result<Candidate, Failure> {
    let quantizer = args.method.quantizer();
    let mut candidate = Candidate::new(args, experiment, &quantizer)?;
    let too_inaccurate = |candidate: &Candidate| matches!(refusal(args, candidate), Some(Refusal::Accuracy(_)));
    if !too_inaccurate(&candidate) {
        return Ok(candidate);
    }
    // Any ratio will do here: what is wanted is each layer's own.
    let measured = quantize(args, experiment, &quantizer.clone().min_sqnr(f64::NEG_INFINITY))?.report.layers;
    let worst = most_sensitive(&measured);
    let mut kept = 1;
    while too_inaccurate(&candidate) && args.is_fast_enough(&candidate) && kept <= worst.len() / 2 {
        let keep = worst[..kept].iter();
        let quantizer = keep.fold(quantizer.clone(), |quantizer, &name| quantizer.keep_float(name));
        candidate = Candidate::new(args, experiment, &quantizer)?;
        kept *= 2;
    }
    candidate.report.layers.iter_mut().zip(&measured).for_each(|(layer, measured)| layer.alone = measured.alone);
    Ok(candidate)
}

/// The layers of integers, those first that alone add most noise.
fn most_sensitive(layers: &[LayerReport]) -> Vec<&str> {
    let mut layers: Vec<&LayerReport> = layers.iter().filter(|layer| layer.integer).collect();
    let alone = |layer: &LayerReport| layer.alone.unwrap_or(f64::INFINITY);
    layers.sort_by(|a, b| alone(a).total_cmp(&alone(b)));
    layers.into_iter().map(|layer| layer.name.as_str()).collect()
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
                let least = args.min_speedup.unwrap_or_default();
                (4, format!("int8 runs at {speedup:.3}× f32 on this machine, --min-speedup is {least}"))
            }
        };
        Failure::Refused { code, reason: format!("{reason}; nothing was written") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_with_most_noise_of_its_own_is_the_first_to_stay_float() {
        let layer = |name: &str, integer, alone| LayerReport {
            name: name.to_owned(),
            kind: "pointwise".to_owned(),
            integer,
            sqnr: 10.0,
            alone: Some(alone),
        };
        let layers = [layer("a", true, 30.0), layer("b", false, 1.0), layer("c", true, 5.5), layer("d", true, 12.0)];
        assert_eq!(most_sensitive(&layers), ["c", "d", "a"]);
    }
}
