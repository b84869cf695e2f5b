use std::io::Write;
use std::path::PathBuf;

use sepconv::{file, onnx};

use crate::args::{LoadArgs, MetadataArgs, check_output};
use crate::failure::Failure;
use crate::report::bytes;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Where it is written (.onnx)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    metadata: MetadataArgs,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    check_output(&args.model, &args.output, "onnx")?;
    let model = args.load.open(&args.model)?;
    // As its file says: simplified for this machine it would not be portable.
    let graph = model.import(&args.load.options())?;
    let written = onnx::write(&graph, &args.metadata.of(&model, &graph)?)?;
    file::write(&args.output, &written)?;
    writeln!(out, "written  {}, {}, {} nodes", args.output.display(), bytes(written.len()), graph.nodes().len())?;
    Ok(())
}
