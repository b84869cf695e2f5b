mod candidate;
mod output;

use std::io::Write;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use sepconv::factorize::{Budget, Choice, Factorizer};
use sepconv::file;

use self::candidate::Candidate;
use self::output::{Output, print_text};
use crate::args::{CompileArgs, MetadataArgs, number, positive};
use crate::experiment::{Experiment, Setup};
use crate::failure::{Failure, warn};
use crate::progress::Bars;
use crate::report::{self, shown};

/// How many times as fast a network becomes where nothing is asked for.
const SPEEDUP: f64 = 2.0;
/// Networks that are tried to reach a measured speedup, or the largest accuracy that may be lost.
const TRIES: usize = 6;

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("max_macs", |arg| arg.help("The written network's multiply-adds, in millions; layers are then chosen \
                                        by their multiply-adds, and nothing is timed")),
    after_help = "The output appears whole or not at all; a wish that is missed is a warning. Exit codes: 0 written, \
                  1 invalid file or model, 2 invalid arguments."
)]
pub(crate) struct Args {
    /// The f32 network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// The separable network (.onnx)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Folder of representative images, or of subfolders of images, to fit weights to [default: none, weights alone
    /// decide]
    #[arg(long, value_name = "FOLDER")]
    calibration: Option<PathBuf>,

    /// Limit of calibration images, spread evenly over their names
    #[arg(long, value_name = "N", default_value = "512", value_parser = positive)]
    calibration_images: usize,

    #[command(flatten)]
    metadata: MetadataArgs,

    /// Depth multiplier of the depthwise convolutions, or auto: for each layer by what it loses and costs
    #[arg(long, value_name = "auto|1|2|3|…", default_value = "auto", value_parser = parse_terms)]
    terms: Terms,

    /// How many times as fast the network is to be on this machine [default: 2, unless --max-macs, --max-drop or a
    /// number of terms is given]
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["max_macs", "max_drop"], value_parser = parse_speedup)]
    speedup: Option<f64>,

    /// Make the network as fast as it becomes with at most so many points of top-1 lost on the images of --evaluate
    #[arg(long, value_name = "POINTS", requires = "evaluate", conflicts_with = "max_macs", value_parser = parse_points)]
    max_drop: Option<f64>,

    /// Measure accuracy on the images of this folder, before and after
    #[arg(long, value_name = "FOLDER")]
    evaluate: Option<PathBuf>,

    /// Ground truth: lines of `file index`, the index counted from 0 without a background class [default: the
    /// names of folders in that folder, `cat`, `3` or `3_cat`]
    #[arg(long, value_name = "FILE", requires = "evaluate")]
    labels: Option<PathBuf>,

    /// Timed runs of each network, in turns; minima are compared
    #[arg(long, value_name = "N", default_value = "30", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    runs: usize,

    #[command(flatten)]
    compile: CompileArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The terms of layers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Terms {
    Auto,
    Fixed(usize),
}

impl Args {
    /// Whether anything is timed.
    fn is_timed(&self) -> bool {
        self.compile.max_macs().is_none()
    }

    /// How many times as fast the network is to be: what was asked for, or what is usual where nothing was.
    fn wanted_speedup(&self) -> Option<f64> {
        let is_free = self.terms == Terms::Auto && self.max_drop.is_none() && self.is_timed();
        self.speedup.or(is_free.then_some(SPEEDUP))
    }
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let experiment = experiment(&args)?;
    let mut factorizer = Factorizer::new(&experiment.graph, &experiment.samples, experiment.options())?;
    if args.is_timed() {
        let mut bars = Bars::new(args.json);
        factorizer.measure(&mut |event| bars.show(event))?;
    }
    let candidate = search(&args, &experiment, &mut factorizer)?;
    file::write(&args.output, &candidate.file)?;
    if args.json {
        return report::json(out, &Output::new(&args, &experiment, &candidate));
    }
    print_text(&experiment, &candidate, out)?;
    writeln!(out, "\nwritten  {}, {}", shown(args.output.display()), report::bytes(candidate.file.len()))?;
    let missed = missed(&args, &experiment, &candidate);
    out.flush()?;
    if args.calibration.is_none() {
        warn("weights alone decided, which keeps little accuracy: give --calibration, or train the network further");
    }
    missed.iter().for_each(|missed| warn(format_args!("{missed}; the file is written all the same")));
    Ok(())
}

fn experiment(args: &Args) -> Result<Experiment<'_>, Failure> {
    let setup = Setup {
        model: &args.model,
        output: &args.output,
        compile: &args.compile,
        options: args.compile.options_for_larger()?,
        metadata: &args.metadata,
        calibration: args.calibration.as_deref(),
        calibration_images: args.calibration_images,
        evaluate: args.evaluate.as_deref(),
        labels: args.labels.as_deref(),
        runs: args.runs,
        quiet: args.json,
    };
    Experiment::new(setup, Factorizer::check)
}

/// The network that comes closest to what was asked for.
fn search(args: &Args, experiment: &Experiment, factorizer: &mut Factorizer) -> Result<Candidate, Failure> {
    if let Terms::Fixed(terms) = args.terms {
        return Candidate::new(args, experiment, factorizer, &factorizer.terms(terms));
    }
    if let Some(macs) = args.compile.max_macs() {
        let choice = choose(args, factorizer, Budget::Macs(macs))?;
        return Candidate::new(args, experiment, factorizer, &choice);
    }
    match args.max_drop {
        Some(points) => least_drop(args, experiment, factorizer, points),
        None => fast_enough(args, experiment, factorizer, args.wanted_speedup().unwrap_or(SPEEDUP)),
    }
}

fn choose(args: &Args, factorizer: &mut Factorizer, budget: Budget) -> Result<Choice, Failure> {
    let mut bars = Bars::new(args.json);
    Ok(factorizer.choose(budget, &mut |event| bars.show(event))?)
}

/// Layers that run together take another time than alone: asks for more until the network as a whole is as fast.
fn fast_enough(
    args: &Args,
    experiment: &Experiment,
    factorizer: &mut Factorizer,
    wanted: f64,
) -> Result<Candidate, Failure> {
    let mut asked = wanted;
    let mut choice = choose(args, factorizer, Budget::Speedup(asked))?;
    let mut best = Candidate::new(args, experiment, factorizer, &choice)?;
    for _ in 1..TRIES {
        let Some(speedup) = best.speedup().filter(|&speedup| speedup < wanted) else { break };
        asked *= (wanted / speedup).clamp(1.02, 2.0);
        let next = choose(args, factorizer, Budget::Speedup(asked))?;
        if next == choice {
            break;
        }
        choice = next;
        let candidate = Candidate::new(args, experiment, factorizer, &choice)?;
        if candidate.speedup() > best.speedup() {
            best = candidate;
        }
    }
    Ok(best)
}

/// The fastest network found that loses at most so many points; where none does, the one that loses least.
fn least_drop(
    args: &Args,
    experiment: &Experiment,
    factorizer: &mut Factorizer,
    points: f64,
) -> Result<Candidate, Failure> {
    let mut best: Option<Candidate> = None;
    // As fast as it gets first, then halfway between what was good enough and what was not.
    let (mut good, mut bad, mut asked) = (1.0, f64::INFINITY, 1e9);
    let mut tried: Vec<Choice> = vec![];
    for _ in 0..TRIES {
        let choice = choose(args, factorizer, Budget::Speedup(asked))?;
        if tried.contains(&choice) {
            break;
        }
        let candidate = Candidate::new(args, experiment, factorizer, &choice)?;
        tried.push(choice);
        let (drop, speedup) = (drop_of(experiment, &candidate).unwrap_or_default(), candidate.speedup().unwrap_or(1.0));
        let lost = |best: &Candidate| drop_of(experiment, best).unwrap_or_default();
        let is_better = best.as_ref().is_none_or(|best| match (drop <= points, lost(best) <= points) {
            (true, true) => candidate.speedup() > best.speedup(),
            (false, false) => drop < lost(best),
            (is_good, _) => is_good,
        });
        if is_better {
            best = Some(candidate);
        }
        if drop <= points {
            good = f64::max(good, f64::min(asked, speedup));
        } else {
            bad = f64::min(bad, f64::min(asked, speedup));
        }
        if bad.is_infinite() {
            break;
        }
        asked = (good * f64::max(bad, good)).sqrt();
    }
    best.ok_or_else(|| sepconv::Error::argument("no network was tried").into())
}

/// Points of top-1 that are lost.
fn drop_of(experiment: &Experiment, candidate: &Candidate) -> Option<f64> {
    Some(experiment.accuracy?.top1_percent() - candidate.accuracy?.top1_percent())
}

/// The wishes that are not fulfilled.
fn missed(args: &Args, experiment: &Experiment, candidate: &Candidate) -> Vec<String> {
    let mut missed = vec![];
    if let (Some(wanted), Some(speedup)) = (args.wanted_speedup(), candidate.speedup())
        && speedup < wanted
    {
        missed.push(format!("{speedup:.2} times as fast on this machine, {wanted} was wanted"));
    }
    let macs = candidate.report.macs[1];
    if let Some(most) = args.compile.max_macs().filter(|&most| macs > most) {
        let [got, most] = [macs, most].map(report::count);
        missed.push(format!("{got} multiply-adds, at most {most} was wanted"));
    }
    if let (Some(most), Some(drop)) = (args.max_drop, drop_of(experiment, candidate))
        && drop > most
    {
        missed.push(format!("{drop:.2} points of top-1 lost, at most {most} was wanted"));
    }
    missed
}

fn parse_speedup(text: &str) -> Result<f64, String> {
    number(text, 1.0..=1e3)
}

fn parse_points(text: &str) -> Result<f64, String> {
    number(text, 0.0..=100.0)
}

fn parse_terms(text: &str) -> Result<Terms, String> {
    match text {
        "auto" => Ok(Terms::Auto),
        _ => positive(text).map(Terms::Fixed).map_err(|_| "expected auto or a whole number from 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_a_number_or_auto() {
        assert_eq!(parse_terms("auto"), Ok(Terms::Auto));
        assert_eq!(parse_terms("3"), Ok(Terms::Fixed(3)));
        for bad in ["", "0", "-1", "1.5", "Auto", "all"] {
            assert!(parse_terms(bad).is_err(), "{bad:?}");
        }
    }
}
