use std::io::Write;
use std::path::PathBuf;

use crate::args::{LoadArgs, MetadataArgs};
use crate::commands::train::TrainingArgs;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "train"), allow(dead_code, reason = "only told that it cannot"))]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite), or a name with --weights
    pub(crate) model: PathBuf,

    /// Output file (.onnx); beside it a log (.jsonl) and a checkpoint (.checkpoint.safetensors)
    #[arg(short, long, value_name = "FILE.onnx")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) load: LoadArgs,

    #[command(flatten)]
    pub(crate) metadata: MetadataArgs,

    #[command(flatten)]
    pub(crate) training: TrainingArgs,
}

#[cfg(feature = "train")]
pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    crate::training::finetune(args, out)
}

#[cfg(not(feature = "train"))]
pub(crate) fn execute(_: Args, _: &mut impl Write) -> Result<(), Failure> {
    Err(crate::commands::train::without_training())
}
