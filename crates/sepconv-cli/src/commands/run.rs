use std::path::PathBuf;

use sepconv::npy::{self, Array};
use sepconv::{ElementType, Error, Tensor};

use crate::args::CompileArgs;
use crate::failure::Failure;
use crate::inputs::Given;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Input tensors in the file's own layout: .npy, or .npz with an array for each input, named after it or by its
    /// position (0, 1, …)
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Where to write the output tensors: .npy, or .npz with an array named after each output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    compile: CompileArgs,
}

pub(crate) fn execute(args: Args) -> Result<(), Failure> {
    let model = args.compile.open(&args.model)?;
    args.compile.files_read(&args.model, &model).and([&args.input]).check_output(&args.output, &["npy", "npz"])?;
    let given = Given::numpy(&args.input, &model)?;
    let options = given.options(args.compile.options()?, &model);
    let elements: Vec<ElementType> = model.outputs().iter().map(|output| output.element).collect();
    let mut session = model.into_compiled(&options)?.session()?;
    let names: Vec<String> = session.outputs().iter().map(|output| output.name.clone()).collect();
    let tensors = given.tensors(&session)?;
    let results = session.run(&tensors.iter().collect::<Vec<_>>()).map_err(|error| given.in_file(error))?;
    let arrays = arrays(&names, results, &elements);
    let is_archive = args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    if arrays.len() > 1 && !is_archive {
        return Err(Error::argument("network has several outputs, and a .npy file holds one")
            .in_file(&args.output.display().to_string())
            .help("write a .npz file")
            .into());
    }
    let arrays: Vec<Array> = arrays.iter().map(|(name, array)| Array { name, ..*array }).collect();
    Ok(npy::write(&args.output, &arrays)?)
}

/// The outputs under their names. An output that the network lists twice is there once. Where different outputs share a
/// name, all are named by their positions: `0`, `1`, …
fn arrays<'a>(names: &[String], results: &'a [Tensor], elements: &[ElementType]) -> Vec<(String, Array<'a>)> {
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for ((name, tensor), &element) in names.iter().zip(results).zip(elements) {
        let array = Array { name: "", tensor, element };
        let same = arrays.iter().find(|(other, _)| other == name);
        match same {
            Some((_, first)) if first.tensor.bytes() == tensor.bytes() && first.tensor.shape() == tensor.shape() => {}
            Some(_) => {
                let by_position = results.iter().zip(elements).enumerate();
                return by_position
                    .map(|(i, (tensor, &element))| (i.to_string(), Array { name: "", tensor, element }))
                    .collect();
            }
            None => arrays.push((name.clone(), array)),
        }
    }
    arrays
}
