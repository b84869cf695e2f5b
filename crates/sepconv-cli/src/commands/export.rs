use std::io::Write;
use std::path::PathBuf;

use sepconv::{file, onnx};

use crate::args::{LoadArgs, MetadataArgs};
use crate::failure::Failure;
use crate::report::{bytes, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Output file (.onnx)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    metadata: MetadataArgs,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let model = args.load.open(&args.model)?;
    let read = args.load.files_read(&args.model, &model).and(args.metadata.class_names.as_ref());
    read.check_output(&args.output, &["onnx"])?;
    // As its file says: simplified for this machine it would not be portable.
    let graph = model.import(&args.load.options()?)?;
    let written = onnx::write(&graph, &args.metadata.of(&model, &graph)?)?;
    file::write(&args.output, &written)?;
    writeln!(
        out,
        "written  {}, {}, {} nodes",
        shown(args.output.display()),
        bytes(written.len()),
        graph.nodes().len()
    )?;
    Ok(())
}
