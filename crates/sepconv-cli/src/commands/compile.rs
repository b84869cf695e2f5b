use std::io::Write;
use std::path::PathBuf;

use sepconv_build::{Compilation, Target};

use crate::args::LoadArgs;
use crate::failure::Failure;
use crate::report::shown;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Processor: cortex-m4, cortex-m7, cortex-m0plus, riscv32 or generic
    #[arg(long, value_name = "PROCESSOR", default_value_t = Target::Generic, value_parser = parse_target)]
    target: Target,

    /// Folder for the module
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,

    /// Name of the module [default: that of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// RAM that the network may take, such as 64k: a network that needs more is an error
    #[arg(long, value_name = "BYTES")]
    ram: Option<String>,

    /// Flash that the network may take, such as 512k: a network that needs more is an error
    #[arg(long, value_name = "BYTES")]
    flash: Option<String>,

    /// Write a header, too, and functions that C can call
    #[arg(long)]
    c: bool,

    #[command(flatten)]
    load: LoadArgs,
}

fn parse_target(name: &str) -> Result<Target, String> {
    name.parse().map_err(|error: sepconv::Error| error.to_string())
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let model = args.load.open(&args.model)?;
    let stem = args.model.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut compilation =
        Compilation::new(&model, &args.name.unwrap_or(stem), &args.load.options()?)?.target(args.target);
    if let Some(ram) = args.ram {
        compilation = compilation.ram(ram);
    }
    if let Some(flash) = args.flash {
        compilation = compilation.flash(flash);
    }
    let path = args.output.join(format!("{}.rs", compilation.name()));
    let read = args.load.files_read(&args.model, &model);
    read.check_output(&path, &["rs"])?;
    if args.c {
        read.check_output(&path.with_extension("h"), &["h"])?;
        compilation = compilation.with_c();
    }
    write!(out, "{}", compilation.report()?)?;
    compilation.write(&args.output)?;
    writeln!(out, "written {}, for {}", shown(path.display()), args.target.triple())?;
    Ok(())
}
