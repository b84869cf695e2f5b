use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use sepconv::{Accuracy, Classifier, LabeledImages, Labels};
use serde::Serialize;

use crate::accuracy::{AccuracyJson, evaluate, interval, percent};
use crate::args::{ClassifierArgs, warn_of_assumed};
use crate::failure::Failure;
use crate::report::{self, PreprocessJson, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    classifier: ClassifierArgs,

    /// Folder of images
    #[arg(long, value_name = "FOLDER")]
    images: PathBuf,

    /// Ground truth: lines of `file index`, the index counted from 0 without a background class [default: the
    /// names of folders in that folder, `cat`, `3` or `3_cat`]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output {
    model: String,
    preprocess: PreprocessJson,
    #[serde(flatten)]
    accuracy: AccuracyJson,
    images_per_second: f64,
    failed: usize,
    unlabelled: usize,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let mut classifier = args.classifier.classifier()?;
    let names = classifier.labels().map_or(&[][..], Labels::names);
    let images = LabeledImages::open(&args.images, args.labels.as_deref(), names)?;
    let unlabelled = images.unlabeled()?;
    images.check_classes(classifier.classes())?;
    warn_of_assumed(classifier.preprocess());
    let start = Instant::now();
    let accuracy = evaluate(&mut classifier, &images, "", args.json)?;
    let images_per_second = accuracy.images as f64 / start.elapsed().as_secs_f64();
    if args.json {
        let output = Output {
            model: args.classifier.name(),
            preprocess: classifier.preprocess().into(),
            accuracy: accuracy.into(),
            images_per_second,
            failed: accuracy.failed,
            unlabelled,
        };
        report::json(out, &output)?;
    } else {
        print_text(&args.classifier.name(), &accuracy, images_per_second, unlabelled, &classifier, out)?;
    }
    if accuracy.failed > 0 { Err(Failure::Told(1)) } else { Ok(()) }
}

fn print_text(
    network: &str,
    accuracy: &Accuracy,
    images_per_second: f64,
    unlabelled: usize,
    classifier: &Classifier,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let Accuracy { images, top1, top5, failed, .. } = *accuracy;
    let interval = interval(accuracy.top1_interval());
    writeln!(out, "network     {}", shown(network))?;
    writeln!(out, "preprocess  {}", report::preprocess(classifier.preprocess()))?;
    writeln!(out, "top-1       {} ({top1} of {images}; {interval} with 95 % confidence)", percent(top1, images))?;
    writeln!(out, "top-5       {} ({top5} of {images})", percent(top5, images))?;
    writeln!(out, "speed       {images_per_second:.1} images/s, decoding included")?;
    if failed > 0 {
        writeln!(out, "failed      {failed} that could not be read")?;
    }
    if unlabelled > 0 {
        writeln!(out, "unlabelled  {unlabelled} in the folder, not counted")?;
    }
    Ok(())
}
