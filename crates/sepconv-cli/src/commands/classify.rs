use std::io::Write;
use std::path::{Path, PathBuf};

use sepconv::vision::images_in;
use sepconv::{Classifier, Error, Image, Labels, Prediction, Result};
use serde::Serialize;

use crate::args::{ClassifierArgs, positive, warn_of_assumed};
use crate::failure::{Failure, tell};
use crate::report::{self, ErrorJson, PreprocessJson, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images (PNG, JPEG, BMP, WebP) or folders of images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    classifier: ClassifierArgs,

    /// Class names: one a line, or `index wnid name`; 1000 or 1001 lines for ImageNet [default: those in
    /// the model file]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// Number of classes to show
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    top: usize,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output {
    model: String,
    preprocess: PreprocessJson,
    images: Vec<Answer>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Predictions { file: String, softmax_added: bool, predictions: Vec<PredictionJson> },
    Error { file: String, error: ErrorJson },
}

#[derive(Debug, Serialize)]
struct PredictionJson {
    class: Option<usize>,
    output: usize,
    label: Option<String>,
    score: f32,
}

impl From<Prediction> for PredictionJson {
    fn from(prediction: Prediction) -> Self {
        let Prediction { output, class, label, score } = prediction;
        Self { class, output, label, score }
    }
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> std::result::Result<(), Failure> {
    let images = expand(&args.images);
    let mut classifier = args.classifier.classifier()?;
    if let Some(labels) = &args.labels {
        let in_file = |error: Error| error.in_file(&labels.display().to_string());
        classifier = classifier.with_labels(Labels::open(labels)?).map_err(in_file)?;
    }
    warn_of_assumed(classifier.preprocess());
    let failed = if args.json {
        print_json(&args, images, &mut classifier, out)?
    } else {
        print_text(&args, images, &mut classifier, out)?
    };
    if failed { Err(Failure::Told(1)) } else { Ok(()) }
}

/// A path and, where it is a folder without readable images, what is wrong with it.
type Entry = (PathBuf, Result<()>);

/// Replaces folders with the images in them.
fn expand(paths: &[PathBuf]) -> Vec<Entry> {
    let expand = |path: &PathBuf| match path.is_dir().then(|| images_in(path)) {
        None => vec![(path.clone(), Ok(()))],
        Some(Ok(found)) if found.is_empty() => {
            let error = Error::io("directory holds no images").in_file(&path.display().to_string());
            vec![(path.clone(), Err(error))]
        }
        Some(Ok(found)) => found.into_iter().map(|image| (image, Ok(()))).collect(),
        Some(Err(error)) => vec![(path.clone(), Err(error))],
    };
    paths.iter().flat_map(expand).collect()
}

fn classify(classifier: &mut Classifier, path: &Path, entry: Result<()>, top: usize) -> Result<Vec<Prediction>> {
    entry?;
    let image = Image::open(path)?;
    classifier.classify(&image, top).map_err(|error| error.in_file(&path.display().to_string()))
}

fn print_text(
    args: &Args,
    images: Vec<Entry>,
    classifier: &mut Classifier,
    out: &mut impl Write,
) -> std::result::Result<bool, Failure> {
    if args.classifier.is_built_in() {
        writeln!(out, "network    {}, which knows {} classes", shown(args.classifier.name()), classifier.classes())?;
    }
    writeln!(out, "preprocess {}", report::preprocess(classifier.preprocess()))?;
    // Errors do not wait in this buffer: what they follow must not either.
    out.flush()?;
    let (mut failed, mut softmax_told) = (false, false);
    for (path, entry) in images {
        let predictions = match classify(classifier, &path, entry, args.top) {
            Ok(predictions) => predictions,
            Err(error) => {
                tell(&error);
                failed = true;
                continue;
            }
        };
        if classifier.softmax_added() && !softmax_told {
            writeln!(out, "scores     softmax of the network's outputs, which do not add up to 1")?;
            softmax_told = true;
        }
        writeln!(out, "\n{}", shown(path.display()))?;
        for Prediction { class, label, score, .. } in predictions {
            let class = class.map_or_else(|| "-".to_owned(), |class| class.to_string());
            writeln!(
                out,
                "{}",
                format!("{:8.2} %  {class:>5}  {}", 100.0 * score, shown(label.unwrap_or_default())).trim_end()
            )?;
        }
        out.flush()?;
    }
    Ok(failed)
}

fn print_json(
    args: &Args,
    images: Vec<Entry>,
    classifier: &mut Classifier,
    out: &mut impl Write,
) -> std::result::Result<bool, Failure> {
    let mut failed = false;
    let mut answers = Vec::with_capacity(images.len());
    for (path, entry) in images {
        let file = path.display().to_string();
        answers.push(match classify(classifier, &path, entry, args.top) {
            Ok(predictions) => Answer::Predictions {
                file,
                softmax_added: classifier.softmax_added(),
                predictions: predictions.into_iter().map(Into::into).collect(),
            },
            Err(error) => {
                tell(&error);
                failed = true;
                Answer::Error { file, error: (&error).into() }
            }
        });
    }
    let model = args.classifier.name();
    report::json(out, &Output { model, preprocess: classifier.preprocess().into(), images: answers })?;
    Ok(failed)
}
