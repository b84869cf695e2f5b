//! Trains a network by name on a folder of images:
//! `train NETWORK FOLDER OUT.safetensors RECIPE.toml [--resume]`. docs/training.md describes all of it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use sepconv::zoo::{self, ParamId, Parameters};
use sepconv::{Error, LabeledImages, Options, Result, Shape, Tensor, file, safetensors};
use sepconv_train::{Epoch, Images, Initial, Program, Recipe, Trainer};

/// Parameters by the names of constants, which are those of [`ParamId`].
struct Trained(BTreeMap<String, Tensor>);

impl Parameters for Trained {
    fn tensor(&mut self, id: &ParamId, _: &Shape) -> Result<Tensor> {
        let missing = || Error::mismatch("parameter was not trained").at(id.to_string());
        self.0.get(&id.to_string()).cloned().ok_or_else(missing)
    }
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let resume = arguments.pop_if(|last| last == "--resume").is_some();
    let [name, folder, out, recipe] = &arguments[..] else {
        return Err(Error::argument("expected NETWORK FOLDER OUT.safetensors RECIPE.toml [--resume]"));
    };
    let out = Path::new(out);
    if out.extension().is_none_or(|extension| extension != "safetensors") {
        return Err(Error::argument("output must end in .safetensors").in_file(&out.display().to_string()));
    }
    let (checkpoint, log) = (out.with_extension("checkpoint.safetensors"), out.with_extension("jsonl"));
    let recipe = Recipe::open(recipe)?;
    let labeled = LabeledImages::open(folder, None, &[])?;
    let classes = labeled.labeled().map(|(_, class)| class + 1).max().unwrap_or_default();
    let network = zoo::named(name)?.classes(classes).mirrored(false);
    let program = Program::new(network.graph(&mut Initial { seed: recipe.seed })?)?;
    let images = Images::open(&labeled, program.input(), network.preprocess())?;
    let mut trainer = Trainer::new(program, recipe, &images, Options::default().thread_count())?;
    if resume {
        trainer.resume(&checkpoint)?;
    }
    while !trainer.is_done() {
        let epoch = trainer.epoch(&mut |_| ())?;
        append(&log, &epoch)?;
        trainer.save(&checkpoint)?;
    }
    let trained = trainer.result();
    let tensors =
        trained.tensors().map(|(name, shape, values)| Ok((name.to_owned(), Tensor::f32(shape.to_vec(), values)?)));
    let mut trained = Trained(tensors.collect::<Result<_>>()?);
    file::write(out, &safetensors::write(&network.state_dict(&mut trained)?)?)
}

/// Prints a line, and adds it to the log.
fn append(log: &Path, epoch: &Epoch) -> Result<()> {
    let line = serde_json::to_string(epoch).map_err(|error| Error::io(error.to_string()))?;
    println!("{line}");
    let written = OpenOptions::new().create(true).append(true).open(log).and_then(|mut file| writeln!(file, "{line}"));
    written.map_err(|error| Error::io(format!("log cannot be written: {error}")).in_file(&log.display().to_string()))
}
