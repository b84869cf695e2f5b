use std::io::Write;
use std::path::PathBuf;

use crate::args::{ThreadArgs, positive};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "train"), allow(dead_code, reason = "only told that it cannot"))]
pub(crate) struct Args {
    /// The network: a name or a table (`sepconv models`)
    pub(crate) network: String,

    /// Output file (.safetensors); beside it a log (.jsonl) and a checkpoint (.checkpoint.safetensors)
    #[arg(short, long, value_name = "FILE.safetensors")]
    pub(crate) output: PathBuf,

    /// Classes that the network tells apart [default: those in the folder]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) classes: Option<usize>,

    #[command(flatten)]
    pub(crate) training: TrainingArgs,
}

/// What training and fine-tuning have in common.
#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "train"), allow(dead_code, reason = "only told that it cannot"))]
pub(crate) struct TrainingArgs {
    /// Folder of images: a subfolder for each class, named `3`, `3_cat` or after the class
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,

    /// How to train: a TOML file; docs/training.md lists what it may say
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) recipe: Option<PathBuf>,

    /// A network to learn from beside the labels: a file (.onnx, .tflite), or a name with --teacher-weights
    #[arg(long, value_name = "MODEL")]
    pub(crate) teacher: Option<PathBuf>,

    /// Weights of a teacher that is given by name
    #[arg(long, value_name = "FILE.safetensors", requires = "teacher")]
    pub(crate) teacher_weights: Option<PathBuf>,

    /// Passes over the images [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) epochs: Option<usize>,

    /// Images that are held back to measure accuracy [default: the recipe's]
    #[arg(long, value_name = "N")]
    pub(crate) held_back: Option<usize>,

    /// Decides the weights at first and everything random [default: the recipe's]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Go on from the checkpoint beside the output
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) threads: ThreadArgs,

    /// Print JSON: a line for each epoch
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "train")]
pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    crate::training::train(args, out)
}

#[cfg(not(feature = "train"))]
pub(crate) fn execute(_: Args, _: &mut impl Write) -> Result<(), Failure> {
    Err(without_training())
}

/// What a program that was built without training says of it.
#[cfg(not(feature = "train"))]
pub(crate) fn without_training() -> Failure {
    sepconv::Error::unsupported("this program was built without training")
        .help("install it with: cargo install --path crates/sepconv-cli --features train")
        .into()
}
