//! Small models of one thing each, on inputs whose outputs the format's own runtime found: on every instruction set,
//! and over several steps where a model keeps state.
//!
//! The files are not part of the project: they are looked for in the folder `zoo/cases` beside the data (`SEPCONV_DATA`
//! or `../shared/data`).

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sepconv::{Data, Isa, Limits, Model, Options, Result, Tensor, npy};

/// Cases that are refused or wrong, and why. A case that passes must leave the list.
const REFUSED: &[(&str, &str)] = &[];

/// Cases of integers whose outputs may be so many steps from the runtime's, which rounds sums twice, and the scales of
/// int16x8 layers to 16 bits.
const STEPS: &[(&str, i64)] =
    &[("seanet_conv10_i16.tflite", 1), ("tf60125_dw_int4w.tflite", 1), ("tflm2141_i16x8_dw.tflite", 1)];

/// Cases of floats whose outputs may be farther from the runtime's than rounding, as a part of the largest: it rounds
/// activations to bytes where weights are integers.
const PARTS: &[(&str, f32)] = &[("conv_int4w_hybrid.tflite", 0.01)];

#[test]
fn cases_give_the_expected_values() {
    let Some(folder) = folder() else { return };
    let (mut passed, mut wrong, mut seen) = (0, vec![], BTreeSet::new());
    for path in models(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(steps) = steps(&path) else { continue };
        let refused = REFUSED.iter().find(|(case, _)| *case == name);
        let result = run(&path, &steps);
        match (result, refused) {
            (Ok(()), None) => passed += 1,
            (Err(error), None) => wrong.push(format!("{name}: {error}")),
            (Ok(()), Some(_)) => wrong.push(format!("{name} passes: take it off the list")),
            (Err(_), Some(_)) => {}
        }
        seen.insert(name);
    }
    wrong.extend(REFUSED.iter().filter(|(case, _)| !seen.contains(*case)).map(|(case, _)| format!("{case}: no case")));
    println!("{passed} cases pass, {} are refused", REFUSED.len());
    assert!(wrong.is_empty(), "{} cases differ from the list:\n{}", wrong.len(), wrong.join("\n"));
}

/// The folder of the cases, or a printed reason why there is none.
fn folder() -> Option<PathBuf> {
    let folder = common::data()?.join("../zoo/cases");
    if !folder.is_dir() {
        println!("skipped: no cases in {}", folder.display());
    }
    folder.is_dir().then_some(folder)
}

/// The model files, in the order of their names.
fn models(folder: &Path) -> BTreeSet<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "onnx" || kind == "tflite")).collect()
}

/// The arrays of a run.
struct Step {
    /// By name, or in the file's order.
    inputs: Inputs,
    outputs: Vec<Tensor>,
}

enum Inputs {
    Named(BTreeMap<String, Tensor>),
    InOrder(Vec<Tensor>),
}

/// The runs of a case, one after the other; `None` where the format's own runtime refuses the file.
fn steps(model: &Path) -> Option<Vec<Step>> {
    let arrays = |kind: &str| {
        let path = model.with_extension(kind);
        path.exists().then(|| BTreeMap::from_iter(npy::read(&path, &Limits::default()).unwrap()))
    };
    let in_order = |arrays: &BTreeMap<String, Tensor>, prefix: &str| -> Vec<Tensor> {
        (0..).map_while(|i| arrays.get(&format!("{prefix}{i}")).cloned()).collect()
    };
    if model.extension().is_some_and(|kind| kind == "onnx") {
        let (inputs, outputs) = (arrays("in.npz")?, arrays("out.npz")?);
        return Some(vec![Step { inputs: Inputs::Named(inputs), outputs: in_order(&outputs, "o") }]);
    }
    let arrays = arrays("expected.npz")?;
    let step = |i: usize| Step {
        inputs: Inputs::InOrder(in_order(&arrays, &format!("in{i}_"))),
        outputs: in_order(&arrays, &format!("out{i}_")),
    };
    Some((0..).map(step).take_while(|step| !step.outputs.is_empty()).collect())
}

/// All steps with each instruction set.
fn run(path: &Path, steps: &[Step]) -> Result<(), String> {
    let text = |error: sepconv::Error| error.to_string();
    let model = Model::open(path).map_err(text)?;
    let mut options = Options::default().threads(1);
    if let Inputs::InOrder(inputs) = &steps[0].inputs {
        for (spec, tensor) in model.inputs().iter().zip(inputs).filter(|(spec, _)| spec.dims.contains(&None)) {
            options = options.shape(&spec.name, tensor.shape().to_vec());
        }
    }
    for isa in Isa::available() {
        let compiled = model.compile(&options.clone().isa(isa.name())).map_err(text)?;
        let mut session = compiled.session().map_err(text)?;
        for (i, step) in steps.iter().enumerate() {
            let inputs: Vec<&Tensor> = match &step.inputs {
                Inputs::Named(inputs) => compiled.inputs().iter().filter_map(|info| inputs.get(&info.name)).collect(),
                Inputs::InOrder(inputs) => inputs.iter().collect(),
            };
            let outputs = session.run(&inputs).map_err(text)?;
            let name = path.file_name().unwrap().to_string_lossy();
            check(&name, outputs, &step.outputs).map_err(|error| format!("step {i}, {isa}, {error}"))?;
        }
    }
    Ok(())
}

/// Floats within rounding, bytes within the case's steps, and all else equal.
fn check(case: &str, got: &[Tensor], expected: &[Tensor]) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} outputs for {}", got.len(), expected.len()));
    }
    let steps = STEPS.iter().find(|(name, _)| *name == case).map_or(0, |(_, steps)| *steps);
    let part = PARTS.iter().find(|(name, _)| *name == case).map_or(0.0, |(_, part)| *part);
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        if got.shape() != expected.shape() || got.dtype() != expected.dtype() {
            let text = |tensor: &Tensor| format!("{} {}", tensor.dtype(), tensor.shape());
            return Err(format!("output {i}: {} for {}", text(got), text(expected)));
        }
        let same = match (got.data(), expected.data()) {
            (Data::F32(got), Data::F32(expected)) => {
                let within = part * expected.iter().fold(0f32, |most, x| most.max(x.abs()));
                got.iter().zip(expected).all(|(&got, &want)| got == want || (got - want).abs() <= close(want) + within)
            }
            _ => integers(got).zip(integers(expected)).all(|(got, expected)| (got - expected).abs() <= steps),
        };
        if !same {
            let text = |tensor: &Tensor| format!("{:.200}", format!("{:?}", tensor.data()));
            return Err(format!("output {i}: {} for {}", text(got), text(expected)));
        }
    }
    Ok(())
}

/// What rounding explains.
fn close(expected: f32) -> f32 {
    1e-5 * expected.abs().max(1.0)
}

fn integers(tensor: &Tensor) -> Box<dyn Iterator<Item = i64> + '_> {
    match tensor.data() {
        Data::F32(_) => Box::new(std::iter::empty()),
        Data::I64(values) => Box::new(values.iter().copied()),
        Data::U8(values) => Box::new(values.iter().map(|&x| x.into())),
        Data::I8(values) => Box::new(values.iter().map(|&x| x.into())),
    }
}
