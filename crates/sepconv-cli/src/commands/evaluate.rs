use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sepconv::{Classifier, Error, Image, ImageInput, Result, Truth};
use serde::Serialize;

use crate::args::{ClassifierArgs, pictures_in};
use crate::failure::{Failure, tell};
use crate::report::{self, PreprocessJson};

/// Pictures that wait between decoding and inference.
const WAITING: usize = 8;
/// Unreadable pictures that are told one by one.
const TOLD: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    classifier: ClassifierArgs,

    /// The folder that the pictures are in
    #[arg(long, value_name = "FOLDER")]
    images: PathBuf,

    /// The right answers: lines of `file index`, the index counted from 0 without a background class
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Output {
    model: String,
    preprocess: PreprocessJson,
    images: usize,
    top1: usize,
    top5: usize,
    images_per_second: f64,
    failed: usize,
    unlabelled: usize,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    images: usize,
    top1: usize,
    top5: usize,
    failed: usize,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> std::result::Result<(), Failure> {
    let truth = Truth::open(&args.labels)?;
    let found = pictures_in(&args.images)?;
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| truth.class(&name.to_string_lossy()).is_some());
    let unlabelled = found.iter().filter(|path| !named(path)).count();
    let mut classifier = args.classifier.classifier()?;
    check_classes(&truth, &classifier).map_err(|error| error.in_file(&args.labels.display().to_string()))?;

    let start = Instant::now();
    let tally = evaluate(&args, &truth, &mut classifier)?;
    let seconds = start.elapsed().as_secs_f64();
    if tally.images == 0 {
        return Err(Error::io("none of the labelled pictures could be evaluated")
            .in_file(&args.images.display().to_string())
            .into());
    }
    let output = Output {
        model: args.classifier.model.display().to_string(),
        preprocess: classifier.preprocess().into(),
        images: tally.images,
        top1: tally.top1,
        top5: tally.top5,
        images_per_second: tally.images as f64 / seconds,
        failed: tally.failed,
        unlabelled,
    };
    if args.json {
        report::json(out, &output)?;
    } else {
        print_text(&output, &classifier, out)?;
    }
    if tally.failed > 0 { Err(Failure::Told) } else { Ok(()) }
}

fn check_classes(truth: &Truth, classifier: &Classifier) -> Result<()> {
    let outputs = classifier.classes();
    let last = sepconv::class_of(outputs - 1, outputs);
    let mut labelled = truth.files().into_iter().map(|file| (file, truth.class(file)));
    match labelled.find(|(_, class)| *class > last) {
        None => Ok(()),
        Some((file, class)) => Err(Error::mismatch("labels name a class that the network does not have")
            .at(format!("picture {file:?}"))
            .expected(format_args!("0 to {}", last.unwrap_or_default()), class.unwrap_or_default())
            .help("classes count from 0, without a background class")),
    }
}

/// Decodes on threads of its own while this one runs the network.
fn evaluate(args: &Args, truth: &Truth, classifier: &mut Classifier) -> std::result::Result<Tally, Failure> {
    let files = truth.files();
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let decoders = cores.saturating_sub(args.classifier.threads().unwrap_or(cores)).clamp(1, 4);
    let (next, input) = (AtomicUsize::new(0), classifier.input());
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        for _ in 0..decoders {
            let (sender, files, next) = (sender.clone(), &files, &next);
            scope.spawn(move || decode(&args.images, files, next, input, &sender));
        }
        drop(sender);
        count(args, truth, classifier, receiver, files.len())
    })
}

type Decoded<'a> = (&'a str, Result<Image>);

fn decode<'a>(folder: &Path, files: &[&'a str], next: &AtomicUsize, input: ImageInput, to: &SyncSender<Decoded<'a>>) {
    while let Some(&file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
        let path = folder.join(file);
        let fitted = Image::open(&path).and_then(|image| {
            image.fit(input.width, input.height).map_err(|error| error.in_file(&path.display().to_string()))
        });
        // A closed channel means that the other side gave up.
        if to.send((file, fitted)).is_err() {
            return;
        }
    }
}

fn count(
    args: &Args,
    truth: &Truth,
    classifier: &mut Classifier,
    decoded: Receiver<Decoded>,
    total: usize,
) -> std::result::Result<Tally, Failure> {
    let mut tally = Tally::default();
    let progress = Progress::new(total, args.json);
    for (file, image) in decoded {
        match image {
            Ok(image) => {
                let best = classifier.classify_exact(&image, 5)?;
                let class = truth.class(file);
                tally.images += 1;
                tally.top1 += usize::from(best.first().is_some_and(|first| first.class == class));
                tally.top5 += usize::from(best.iter().any(|prediction| prediction.class == class));
            }
            Err(error) => {
                tally.failed += 1;
                if tally.failed <= TOLD {
                    progress.bar.suspend(|| tell(&error));
                }
            }
        }
        progress.show(&tally);
    }
    progress.bar.finish_and_clear();
    if tally.failed > TOLD {
        eprintln!("error: {} more pictures could not be read", tally.failed - TOLD);
    }
    Ok(tally)
}

/// A bar on a terminal, a line for each tenth elsewhere, nothing beside JSON.
struct Progress {
    bar: ProgressBar,
    total: usize,
    lines: bool,
}

impl Progress {
    fn new(total: usize, quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(total as u64) };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}");
        let bar = match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, total, lines: !quiet && !stderr().is_terminal() }
    }

    fn show(&self, tally: &Tally) {
        let done = tally.images + tally.failed;
        let message = format!("top-1 {}", percent(tally.top1, tally.images));
        if self.lines && done * 10 / self.total != (done - 1) * 10 / self.total {
            eprintln!("{done:>7}/{} {message}", self.total);
        }
        self.bar.set_message(message);
        self.bar.inc(1);
    }
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

fn print_text(output: &Output, classifier: &Classifier, out: &mut impl Write) -> std::result::Result<(), Failure> {
    let Output { images, top1, top5, images_per_second, failed, unlabelled, .. } = output;
    writeln!(out, "preprocess  {}", report::preprocess(classifier.preprocess()))?;
    writeln!(out, "top-1       {} ({top1} of {images})", percent(*top1, *images))?;
    writeln!(out, "top-5       {} ({top5} of {images})", percent(*top5, *images))?;
    writeln!(out, "speed       {images_per_second:.1} images/s, decoding included")?;
    if *failed > 0 {
        writeln!(out, "failed      {failed} that could not be read")?;
    }
    if *unlabelled > 0 {
        writeln!(out, "unlabelled  {unlabelled} in the folder, not counted")?;
    }
    Ok(())
}
