use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use sepconv::{Classifier, Error, Image, Labels, Prediction, Result};
use serde::Serialize;

use crate::args::ClassifierArgs;
use crate::failure::{Failure, tell};
use crate::files::images_in;
use crate::report::{self, PreprocessJson};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures (PNG, JPEG, BMP, WebP), or folders of them
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,

    #[command(flatten)]
    classifier: ClassifierArgs,

    /// The names of the classes: one a line, or `index wnid name`; 1000 or 1001 lines for ImageNet [default: those in the model
    /// file]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// How many classes to show
    #[arg(long, value_name = "N", default_value = "5", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    top: usize,

    /// Print JSON
    #[arg(long)]
    json: bool,
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
    Error { file: String, error: String },
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
    let pictures = expand(&args.pictures)?;
    let mut classifier = args.classifier.classifier()?;
    if let Some(labels) = &args.labels {
        let in_file = |error: Error| error.in_file(&labels.display().to_string());
        classifier = classifier.with_labels(Labels::open(labels)?).map_err(in_file)?;
    }
    let failed = if args.json {
        print_json(&args, &pictures, &mut classifier, out)?
    } else {
        print_text(&args, &pictures, &mut classifier, out)?
    };
    if failed { Err(Failure::Told) } else { Ok(()) }
}

/// Folders become the pictures in them.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for path in paths {
        if !path.is_dir() {
            pictures.push(path.clone());
            continue;
        }
        let found = images_in(path)?;
        if found.is_empty() {
            return Err(Error::io("directory holds no images").in_file(&path.display().to_string()));
        }
        pictures.extend(found);
    }
    Ok(pictures)
}

fn classify(classifier: &mut Classifier, picture: &Path, top: usize) -> Result<Vec<Prediction>> {
    let image = Image::open(picture)?;
    classifier.classify(&image, top).map_err(|error| error.in_file(&picture.display().to_string()))
}

fn print_text(
    args: &Args,
    pictures: &[PathBuf],
    classifier: &mut Classifier,
    out: &mut impl Write,
) -> std::result::Result<bool, Failure> {
    if args.classifier.is_built_in() {
        writeln!(out, "network    {}, which knows {} classes", args.classifier.name(), classifier.classes())?;
    }
    writeln!(out, "preprocess {}", report::preprocess(classifier.preprocess()))?;
    // Errors do not wait in this buffer: what they follow must not either.
    out.flush()?;
    let (mut failed, mut softmax_told) = (false, false);
    for picture in pictures {
        let predictions = match classify(classifier, picture, args.top) {
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
        writeln!(out, "\n{}", picture.display())?;
        for Prediction { class, label, score, .. } in predictions {
            let class = class.map_or_else(|| "-".to_owned(), |class| class.to_string());
            writeln!(
                out,
                "{}",
                format!("{:8.2} %  {class:>5}  {}", 100.0 * score, label.unwrap_or_default()).trim_end()
            )?;
        }
        out.flush()?;
    }
    Ok(failed)
}

fn print_json(
    args: &Args,
    pictures: &[PathBuf],
    classifier: &mut Classifier,
    out: &mut impl Write,
) -> std::result::Result<bool, Failure> {
    let mut failed = false;
    let mut images = Vec::with_capacity(pictures.len());
    for picture in pictures {
        let file = picture.display().to_string();
        images.push(match classify(classifier, picture, args.top) {
            Ok(predictions) => Answer::Predictions {
                file,
                softmax_added: classifier.softmax_added(),
                predictions: predictions.into_iter().map(Into::into).collect(),
            },
            Err(error) => {
                tell(&error);
                failed = true;
                Answer::Error { file, error: error.to_string() }
            }
        });
    }
    let model = args.classifier.name();
    report::json(out, &Output { model, preprocess: classifier.preprocess().into(), images })?;
    Ok(failed)
}
