use std::path::PathBuf;

use sepconv::{Error, Limits, Result, Tensor, TensorInfo, npy};

use crate::args::{CompileArgs, check_place};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// What goes in, in the file's own layout: .npy, or .npz with an array named after each input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Where what comes out is written: .npy, or .npz with an array named after each output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    compile: CompileArgs,
}

pub(crate) fn execute(args: Args) -> std::result::Result<(), Failure> {
    check_place(&args.output)?;
    let mut runner = args.compile.open(&args.model)?.into_runner(&args.compile.options())?;
    let outputs = runner.outputs().to_vec();
    if outputs.len() > 1 && args.output.extension().is_none_or(|extension| extension != "npz") {
        return Err(Error::argument("network has several outputs, which a .npz file can hold")
            .expected("--output FILE.npz", args.output.display())
            .into());
    }
    let in_file = |error: Error| error.in_file(&args.input.display().to_string());
    let tensors = match_inputs(npy::read(&args.input, &Limits::default())?, runner.inputs()).map_err(in_file)?;
    let results = runner.run_all(&tensors.iter().collect::<Vec<_>>()).map_err(in_file)?;
    let named: Vec<_> = outputs.iter().map(|info| info.name.as_str()).zip(results).collect();
    Ok(npy::write(&args.output, &named)?)
}

/// Puts tensors in the order of the network's inputs: by name, except that a single one needs none.
pub(crate) fn match_inputs(mut tensors: Vec<(String, Tensor)>, inputs: &[TensorInfo]) -> Result<Vec<Tensor>> {
    if let (1, [_]) = (tensors.len(), inputs) {
        return Ok(tensors.into_iter().map(|(_, tensor)| tensor).collect());
    }
    let mut found = |input: &TensorInfo| {
        let place = tensors.iter().position(|(name, _)| *name == input.name).ok_or_else(|| {
            let names: Vec<_> = tensors.iter().map(|(name, _)| format!("{name:?}")).collect();
            Error::mismatch("an input is missing").expected(
                format_args!("an array named {:?}", input.name),
                if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            )
        })?;
        Ok(tensors.swap_remove(place).1)
    };
    inputs.iter().map(&mut found).collect()
}
