//! What `train` and `finetune` do.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use sepconv::zoo::{self, ParamId, Parameters, Weights};
use sepconv::{Error, LabeledImages, Model, Options, Preprocess, Result, Shape, Tensor, file, onnx, safetensors};
use sepconv_train::{Epoch, Images, Initial, Program, Recipe, Trainer};

use crate::args::warn_of_assumed;
use crate::commands::train::TrainingArgs;
use crate::commands::{finetune, train};
use crate::failure::Failure;
use crate::files::FilesRead;
use crate::progress::Progress;
use crate::report::{bytes, shown};

pub(crate) fn train(args: train::Args, out: &mut impl Write) -> std::result::Result<(), Failure> {
    let recipe = recipe(&args.training, Recipe::default())?;
    files_read(&args.training).check_output(&args.output, &["safetensors"])?;
    let labeled = LabeledImages::open(&args.training.data, None, &[])?;
    let found = labeled.labeled().map(|(_, class)| class + 1).max().unwrap_or_default();
    let network = zoo::named(&args.network)?.classes(args.classes.unwrap_or(found)).mirrored(false);
    let program = Program::new(network.graph(&mut Initial { seed: recipe.seed })?)?;
    let preprocess = network.preprocess().clone();
    let trained = run(&args.training, recipe, program, &labeled, &preprocess, &args.output, out)?;
    let mut tensors = Trained::new(&trained)?;
    let written = safetensors::write(&network.state_dict(&mut tensors)?)?;
    file::write(&args.output, &written)?;
    told(&args.training, &args.output, written.len(), out)
}

pub(crate) fn finetune(args: finetune::Args, out: &mut impl Write) -> std::result::Result<(), Failure> {
    let recipe = recipe(&args.training, Recipe::fine_tuning())?;
    let model = args.load.trained(&args.model)?;
    let read = files_read(&args.training).and(args.load.files_read(&args.model, &model).paths());
    read.and(args.metadata.class_names.as_ref()).check_output(&args.output, &["onnx"])?;
    let graph = model.import(&args.load.options()?)?;
    let (metadata, preprocess) = (args.metadata.of(&model, &graph)?, args.metadata.preprocess.of(&model)?);
    let program = Program::new(graph).map_err(|error| error.in_file(&args.model.display().to_string()))?;
    warn_of_assumed(&preprocess);
    let labeled = LabeledImages::open(&args.training.data, None, &metadata.labels)?;
    let trained = run(&args.training, recipe, program, &labeled, &preprocess, &args.output, out)?;
    let written = onnx::write(&trained.to_graph()?, &metadata)?;
    file::write(&args.output, &written)?;
    told(&args.training, &args.output, written.len(), out)
}

/// The recipe, with what the arguments say instead.
fn recipe(args: &TrainingArgs, usual: Recipe) -> Result<Recipe> {
    let recipe = args.recipe.as_ref().map_or_else(|| Ok(usual.clone()), |file| usual.with_file(file))?;
    let (epochs, held_back) = (args.epochs.unwrap_or(recipe.epochs), args.held_back.unwrap_or(recipe.held_back));
    Ok(Recipe { epochs, held_back, seed: args.seed.unwrap_or(recipe.seed), ..recipe })
}

fn files_read(args: &TrainingArgs) -> FilesRead {
    FilesRead::default().and(args.recipe.as_ref()).and(args.teacher.as_ref()).and(args.teacher_weights.as_ref())
}

/// Trains until the recipe's epochs are done. After each there is a line in the log, and a checkpoint.
fn run(
    args: &TrainingArgs,
    recipe: Recipe,
    program: Program,
    labeled: &LabeledImages,
    preprocess: &Preprocess,
    output: &Path,
    out: &mut impl Write,
) -> std::result::Result<Program, Failure> {
    let (checkpoint, log) = (output.with_extension("checkpoint.safetensors"), output.with_extension("jsonl"));
    let images = Images::open(labeled, program.input(), preprocess)?;
    let (epochs, threads) = (recipe.epochs, args.threads.of(Options::default()).thread_count());
    let mut trainer = Trainer::new(program, recipe, &images, threads)?;
    if let Some((teacher, preprocess)) = teacher(args)? {
        trainer = trainer.with_teacher(teacher, &preprocess)?;
    }
    if args.resume {
        trainer.resume(&checkpoint)?;
    }
    while !trainer.is_done() {
        let name = format!("epoch {}/{epochs} ", trainer.epochs() + 1);
        let mut bar: Option<Progress> = None;
        let epoch = trainer.epoch(&mut |so_far| {
            let bar = bar.get_or_insert_with(|| Progress::new(name.clone(), so_far.total, args.json));
            bar.show(so_far.done, &format!("loss {:.3}, {:.1} %", so_far.loss, 100.0 * so_far.accuracy));
        })?;
        drop(bar);
        append(&log, &epoch)?;
        trainer.save(&checkpoint)?;
        tell(&epoch, epochs, args.json, out)?;
    }
    Ok(trainer.result())
}

/// The teacher, and how its images are normalized.
fn teacher(args: &TrainingArgs) -> Result<Option<(Program, Preprocess)>> {
    let Some(path) = &args.teacher else { return Ok(None) };
    let name = path.to_str().filter(|text| zoo::is_name(text));
    let model = match (name, &args.teacher_weights) {
        (Some(name), Some(weights)) => zoo::named(name)?.mirrored(false).load(&Weights::open(weights)?)?,
        (Some(name), None) => {
            return Err(Error::argument("a teacher without weights knows nothing")
                .in_file(name)
                .help("give its weights with --teacher-weights FILE.safetensors"));
        }
        (None, Some(_)) => {
            return Err(
                Error::argument("the file of this teacher has its own weights").in_file(&path.display().to_string())
            );
        }
        (None, None) => Model::open(path)?,
    };
    let program = Program::new(model.import(&Options::default())?);
    let program = program.map_err(|error| error.in_file(&path.display().to_string()))?;
    Ok(Some((program, model.preprocess()?)))
}

/// Adds a line to the log.
fn append(log: &Path, epoch: &Epoch) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::io(format!("log cannot be written: {error}")).in_file(&log.display().to_string())
    };
    let line = serde_json::to_string(epoch).map_err(|error| failed(error.into()))?;
    let mut file = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
    writeln!(file, "{line}").map_err(failed)
}

fn tell(epoch: &Epoch, epochs: usize, json: bool, out: &mut impl Write) -> std::result::Result<(), Failure> {
    if json {
        writeln!(out, "{}", serde_json::to_string(epoch)?)?;
        out.flush()?;
        return Ok(());
    }
    let held_back =
        epoch.held_back_accuracy.map_or(String::new(), |share| format!(", held back {:.1} %", 100.0 * share));
    writeln!(
        out,
        "epoch {}/{epochs}  loss {:.3}, {:.1} % right{held_back}, {:.0} images/s",
        epoch.epoch,
        epoch.loss,
        100.0 * epoch.accuracy,
        epoch.images_per_second
    )?;
    out.flush()?;
    Ok(())
}

fn told(args: &TrainingArgs, output: &Path, written: usize, out: &mut impl Write) -> std::result::Result<(), Failure> {
    if !args.json {
        writeln!(out, "written  {}, {}", shown(output.display()), bytes(written))?;
    }
    Ok(())
}

/// Parameters by the names of constants, which are those of [`ParamId`].
struct Trained(BTreeMap<String, Tensor>);

impl Trained {
    fn new(program: &Program) -> Result<Self> {
        let tensors =
            program.tensors().map(|(name, shape, values)| Ok((name.to_owned(), Tensor::f32(shape.to_vec(), values)?)));
        tensors.collect::<Result<_>>().map(Self)
    }
}

impl Parameters for Trained {
    fn tensor(&mut self, id: &ParamId, _: &Shape) -> Result<Tensor> {
        let missing = || Error::mismatch("parameter was not trained").at(id.to_string());
        self.0.get(&id.to_string()).cloned().ok_or_else(missing)
    }
}
