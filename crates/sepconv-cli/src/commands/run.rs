use std::path::PathBuf;

use sepconv::npy::{self, Array};
use sepconv::{ElementType, Error, Tensor};

use crate::args::{CompileArgs, TunedArgs, warn_of_unused_tuning};
use crate::failure::Failure;
use crate::inputs::Given;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Input tensors in the file's own layout: .npy, or .npz with an array for each input, named after it or by its
    /// position (0, 1, …). Given several times, they are steps: a network that keeps state goes on from one to the next
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,

    /// Where to write the output tensors: .npy, or .npz with an array named after each output; of several steps, .npz
    /// with out<STEP>_<OUTPUT>, both from 0
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    tuned: TunedArgs,
}

pub(crate) fn execute(args: Args) -> Result<(), Failure> {
    let model = args.compile.open(&args.model)?;
    let read = args.compile.files_read(&args.model, &model).and(&args.input).and(args.tuned.file());
    read.check_output(&args.output, &["npy", "npz"])?;
    let steps = args.input.iter().map(|path| Given::numpy(path, &model)).collect::<Result<Vec<_>, _>>()?;
    let options = args.tuned.of(args.compile.options()?)?;
    let options = steps.iter().fold(options, |options, given| given.options(options, &model));
    let elements: Vec<ElementType> = model.outputs().iter().map(|output| output.element).collect();
    let mut session = model.into_compiled(&options)?.session()?;
    warn_of_unused_tuning(session.model());
    let names: Vec<String> = session.outputs().iter().map(|output| output.name.clone()).collect();
    let Some((last, earlier)) = steps.split_last() else { return Ok(()) };
    let mut kept: Vec<Tensor> = Vec::new();
    for given in earlier {
        let tensors = given.tensors(&session)?;
        let outputs = session.run(&tensors.iter().collect::<Vec<_>>()).map_err(|error| given.in_file(error))?;
        kept.extend_from_slice(outputs);
    }
    let tensors = last.tensors(&session)?;
    let outputs = session.run(&tensors.iter().collect::<Vec<_>>()).map_err(|error| last.in_file(error))?;
    let results: Vec<&Tensor> = kept.iter().chain(outputs).collect();
    let arrays = match steps.len() {
        1 => arrays(&names, &results, &elements),
        _ => of_steps(&results, &elements),
    };
    let is_archive = args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    if arrays.len() > 1 && !is_archive {
        let what = if steps.len() > 1 { "run has several steps" } else { "network has several outputs" };
        return Err(Error::argument(format!("{what}, and a .npy file holds one"))
            .in_file(&args.output.display().to_string())
            .help("write a .npz file")
            .into());
    }
    let arrays: Vec<Array> = arrays.iter().map(|(name, array)| Array { name, ..*array }).collect();
    Ok(npy::write(&args.output, &arrays)?)
}

/// The outputs of several steps: `out0_0`, `out0_1`, …, `out1_0`, …
fn of_steps<'a>(results: &[&'a Tensor], elements: &[ElementType]) -> Vec<(String, Array<'a>)> {
    let arrays = results.iter().zip(elements.iter().cycle()).enumerate().map(|(i, (&tensor, &element))| {
        let name = format!("out{}_{}", i / elements.len(), i % elements.len());
        (name, Array { name: "", tensor, element })
    });
    arrays.collect()
}

/// The outputs under their names. An output that the network lists twice is there once. Where different outputs share a
/// name, all are named by their positions: `0`, `1`, …
fn arrays<'a>(names: &[String], results: &[&'a Tensor], elements: &[ElementType]) -> Vec<(String, Array<'a>)> {
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for ((name, &tensor), &element) in names.iter().zip(results).zip(elements) {
        let array = Array { name: "", tensor, element };
        let same = arrays.iter().find(|(other, _)| other == name);
        match same {
            Some((_, first)) if first.tensor.bytes() == tensor.bytes() && first.tensor.shape() == tensor.shape() => {}
            Some(_) => {
                let by_position = results.iter().zip(elements).enumerate();
                return by_position
                    .map(|(i, (&tensor, &element))| (i.to_string(), Array { name: "", tensor, element }))
                    .collect();
            }
            None => arrays.push((name.clone(), array)),
        }
    }
    arrays
}
