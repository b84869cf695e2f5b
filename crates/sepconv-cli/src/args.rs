use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use sepconv::{Classifier, Error, Model, Options, Preprocess, Result, models};

/// What is decoded; other files of a folder are not looked at.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "webp", "jfif"];

/// How a network is compiled.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompileArgs {
    /// Threads that share the work [default: the machine's cores, at most 4]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=Options::MAX_THREADS as u64))]
    threads: Option<usize>,

    /// The shape of an input whose sizes the file leaves open; once for each such input
    #[arg(long, value_name = "NAME=1,3,640,640", value_parser = parse_shape)]
    shape: Vec<(String, Vec<usize>)>,

    /// The folder that an ONNX file may keep weights in as files of their own; without it none is read
    #[arg(long, value_name = "FOLDER")]
    external_data: Option<PathBuf>,
}

impl CompileArgs {
    /// The network of a file or of a name.
    pub(crate) fn open(&self, model: &Path) -> Result<Model> {
        let name = model.to_str().filter(|text| models::is_name(text));
        let model = name.map_or_else(|| Model::open(model), Model::named)?;
        Ok(match &self.external_data {
            Some(folder) => model.with_external_data(folder),
            None => model,
        })
    }

    pub(crate) fn threads(&self) -> Option<usize> {
        self.threads
    }

    pub(crate) fn options(&self) -> Options {
        let options = self.threads.map_or_else(Options::default, |threads| Options::default().threads(threads));
        self.shape.iter().fold(options, |options, (name, dims)| options.shape(name, dims.as_slice()))
    }
}

fn parse_shape(text: &str) -> std::result::Result<(String, Vec<usize>), String> {
    let parsed = text.rsplit_once('=').and_then(|(name, dims)| {
        let dims: Option<Vec<usize>> = dims.split(',').map(|size| size.trim().parse().ok()).collect();
        Some((name.to_owned(), dims?))
    });
    parsed
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "expected an input and its sizes: NAME=1,3,640,640".to_owned())
}

/// What pictures become.
#[derive(Clone, Debug, Args)]
pub(crate) struct PreprocessArgs {
    /// How pixels become numbers: tf, torch, unit, raw or MEAN/STD such as 128/127 [default: what the file states, else torch
    /// for ONNX and tf for TensorFlow Lite]
    #[arg(long, value_name = "HOW", value_parser = |text: &str| text.parse::<Preprocess>().map_err(|error| error.to_string()))]
    preprocess: Option<Preprocess>,
}

impl PreprocessArgs {
    /// What was asked for, else what is the model's.
    pub(crate) fn of(&self, model: &Model) -> Result<Preprocess> {
        self.preprocess.clone().map_or_else(|| model.preprocess(), Ok)
    }
}

/// A network that names what pictures show.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClassifierArgs {
    /// The network (.onnx or .tflite)
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,

    #[command(flatten)]
    preprocess: PreprocessArgs,

    #[command(flatten)]
    compile: CompileArgs,
}

impl ClassifierArgs {
    pub(crate) fn classifier(&self) -> Result<Classifier> {
        let model = self.compile.open(&self.model)?;
        Ok(Classifier::new(&model, &self.compile.options())?.with_preprocess(self.preprocess.of(&model)?))
    }

    pub(crate) fn threads(&self) -> Option<usize> {
        self.compile.threads()
    }
}

/// The pictures in a folder, by name; not those in folders inside it.
pub(crate) fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(|error| Error::io(format!("folder cannot be read: {error}")).in_file(&folder.display().to_string()))?;
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| PICTURES.contains(&extension.as_str()))
    };
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut pictures: Vec<_> = paths.filter(|path| is_picture(path) && !path.is_dir()).collect();
    pictures.sort();
    Ok(pictures)
}
