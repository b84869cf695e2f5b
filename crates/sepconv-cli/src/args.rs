use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use sepconv::onnx::Metadata;
use sepconv::tune::Tuned;
use sepconv::zoo::{self, Network, Weights};
use sepconv::{Classifier, CompiledModel, Error, Graph, Labels, Limits, Model, Options, Preprocess, Result, Source};

use crate::failure::warn;
use crate::files::FilesRead;

/// How many threads work.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ThreadArgs {
    /// Number of threads [default: the machine's cores, at most 4]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=Options::MAX_THREADS as u64))]
    threads: Option<usize>,
}

impl ThreadArgs {
    /// `options` with as many threads as were asked for.
    pub(crate) fn of(self, options: Options) -> Options {
        match self.threads {
            Some(threads) => options.threads(threads),
            None => options,
        }
    }
}

/// How a network is read.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    /// Weights of a network that is given by name, under the parameter names of a library that `sepconv models` lists.
    /// Default: random weights, the same every time, which `classify` and `evaluate` refuse
    #[arg(long, value_name = "FILE.safetensors", requires = "model")]
    weights: Option<PathBuf>,

    /// Shape of an input with dynamic dimensions; may be repeated
    #[arg(long, value_name = "NAME=1,3,640,640", value_parser = parse_shape)]
    shape: Vec<(String, Vec<usize>)>,

    /// Batch size: replaces the 1 of each input's first axis [default: 1]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,

    /// Folder of an ONNX file's external data. Default: external data are refused
    #[arg(long, value_name = "FOLDER", requires = "model")]
    external_data: Option<PathBuf>,

    /// Limit of the model file's size and of the memory of constants and activations, in MB
    /// [default: 700]
    #[arg(long, value_name = "MB")]
    max_memory: Option<usize>,

    /// Limit of the multiply-adds of a run, in millions [default: 1000000]
    #[arg(long, value_name = "MILLIONS")]
    max_macs: Option<u64>,
}

impl LoadArgs {
    /// The network of a file, or the one of this name.
    pub(crate) fn open(&self, model: &Path) -> Result<Model> {
        let network = network(model)?;
        if network.is_some() && self.external_data.is_some() {
            return Err(Error::argument("a network that is named has no external data")
                .in_file(&model.display().to_string())
                .help("--external-data is for ONNX files, --weights for networks that are named"));
        }
        match (network, &self.weights) {
            (Some(network), Some(weights)) => network.load(&Weights::open(weights)?),
            (Some(network), None) => network.build(),
            (None, Some(_)) => Err(Error::argument("the file of this network has its own weights")
                .in_file(&model.display().to_string())
                .help("--weights is for networks that are named, see `sepconv models`")),
            (None, None) => {
                let model = Model::open_within(model, self.max_bytes())?;
                Ok(match &self.external_data {
                    Some(folder) => model.with_external_data(folder),
                    None => model,
                })
            }
        }
    }

    /// The files that are read for `model`, which `path` or a name led to.
    pub(crate) fn files_read(&self, path: &Path, model: &Model) -> FilesRead {
        FilesRead::default().and([path]).and(self.weights.as_ref()).and(model.external_files())
    }

    /// The same, for use where the answers of random weights would mislead.
    pub(crate) fn trained(&self, model: &Path) -> Result<Model> {
        if self.weights.is_none() && network(model)?.is_some() {
            return Err(Error::argument("network has random weights, its answers mean nothing")
                .in_file(&model.display().to_string())
                .help(
                    "give trained ones with --weights FILE.safetensors, the file of a trained network, or no --model for the one inside",
                ));
        }
        self.open(model)
    }

    /// Whether the network is given by name and no weights are.
    #[cfg(feature = "serve")]
    pub(crate) fn has_random_weights(&self, model: &Path) -> Result<bool> {
        Ok(self.weights.is_none() && network(model)?.is_some())
    }

    /// The size of a batch.
    pub(crate) fn batch(&self) -> usize {
        self.batch.unwrap_or(1)
    }

    /// The largest model file that is read: as large as the network may be in memory, beside what small files say of
    /// it.
    fn max_bytes(&self) -> u64 {
        self.max_memory.map_or(Model::MAX_BYTES, |mb| (mb as u64).saturating_add(1).saturating_mul(1_000_000))
    }

    /// # Errors
    /// When an input is given two shapes.
    pub(crate) fn options(&self) -> Result<Options> {
        self.options_within(self.max_macs)
    }

    /// As [`options`](Self::options), with another limit of multiply-adds, in millions.
    fn options_within(&self, max_millions: Option<u64>) -> Result<Options> {
        let mut names = HashSet::new();
        if let Some((name, _)) = self.shape.iter().find(|(name, _)| !names.insert(name)) {
            return Err(Error::argument("--shape is given twice for one input").at(format!("input {name:?}")));
        }
        let Limits { max_memory, max_macs, max_nodes } = Limits::default();
        let limits = Limits {
            max_memory: self.max_memory.map_or(max_memory, |mb| mb.saturating_mul(1_000_000)),
            max_macs: max_millions.map_or(max_macs, |millions| millions.saturating_mul(1_000_000)),
            max_nodes,
        };
        let options = Options::default().limits(limits).batch(self.batch());
        Ok(self.shape.iter().fold(options, |options, (name, dims)| options.shape(name, dims.as_slice())))
    }
}

/// The network that a name or the path of a table describes; `None` for the file of a model.
fn network(model: &Path) -> Result<Option<Network>> {
    model.to_str().filter(|text| zoo::is_name(text)).map(zoo::named).transpose()
}

/// How a network is compiled.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompileArgs {
    #[command(flatten)]
    threads: ThreadArgs,

    #[command(flatten)]
    load: LoadArgs,
}

impl CompileArgs {
    /// See [`LoadArgs::open`].
    pub(crate) fn open(&self, model: &Path) -> Result<Model> {
        self.load.open(model)
    }

    /// See [`LoadArgs::trained`].
    pub(crate) fn trained(&self, model: &Path) -> Result<Model> {
        self.load.trained(model)
    }

    /// See [`LoadArgs::files_read`].
    pub(crate) fn files_read(&self, path: &Path, model: &Model) -> FilesRead {
        self.load.files_read(path, model)
    }

    pub(crate) fn options(&self) -> Result<Options> {
        Ok(self.threads.of(self.load.options()?))
    }

    /// The same where `--max-macs` is about the network that is written: what is read may cost more.
    pub(crate) fn options_for_larger(&self) -> Result<Options> {
        Ok(self.threads.of(self.load.options_within(None)?))
    }

    /// Multiply-adds of a run, at most.
    pub(crate) fn max_macs(&self) -> Option<u64> {
        self.load.max_macs.map(|millions| millions.saturating_mul(1_000_000))
    }
}

/// Kernels that were measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct TunedArgs {
    /// Kernels as `sepconv tune` measured them; not used, with a warning, where that was on another machine or for
    /// another network
    #[arg(long, value_name = "FILE.json")]
    tuned: Option<PathBuf>,
}

impl TunedArgs {
    /// The file.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.tuned.as_ref()
    }

    /// `options` with the kernels that were measured.
    pub(crate) fn of(&self, options: Options) -> Result<Options> {
        match &self.tuned {
            Some(path) => Ok(options.tuned(Tuned::open(path)?)),
            None => Ok(options),
        }
    }
}

/// Warns of measured kernels that were asked for and are not used.
pub(crate) fn warn_of_unused_tuning(compiled: &CompiledModel) {
    if let Some(reason) = compiled.unused_tuning() {
        warn(format_args!("--tuned is not used: {reason}; `sepconv tune` measures anew"));
    }
}

/// A whole number from 1.
pub(crate) fn positive(text: &str) -> std::result::Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "expected a whole number from 1".to_owned())
}

/// A number within bounds.
pub(crate) fn number(text: &str, bounds: RangeInclusive<f64>) -> std::result::Result<f64, String> {
    let found = text.parse().ok().filter(|number| bounds.contains(number));
    found.ok_or_else(|| format!("expected a number from {} to {}", bounds.start(), bounds.end()))
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

/// What images become.
#[derive(Clone, Debug, Args)]
pub(crate) struct PreprocessArgs {
    /// Pre-processing: tf, torch, unit, raw or MEAN/STD such as 128/127, optionally followed by the crop: :resize-crop
    /// (torchvision's order), :crop-resize (TensorFlow's) or :no-crop [default: what the
    /// file states, else torch for ONNX and tf for TensorFlow Lite]
    #[arg(long, value_name = "HOW", value_parser = |text: &str| text.parse::<Preprocess>().map_err(|error| error.to_string()))]
    preprocess: Option<Preprocess>,
}

impl PreprocessArgs {
    /// The one asked for, else the model's.
    pub(crate) fn of(&self, model: &Model) -> Result<Preprocess> {
        match &self.preprocess {
            Some(preprocess) if preprocess.own_geometry().is_none() => {
                Ok(preprocess.clone().geometry(model.usual_geometry()))
            }
            Some(preprocess) => Ok(preprocess.clone()),
            None => model.preprocess(),
        }
    }
}

/// Warns of pre-processing that is only usual for the model's format, before the first image: a wrong one costs
/// accuracy, silently.
pub(crate) fn warn_of_assumed(preprocess: &Preprocess) {
    if preprocess.source() == Source::Default {
        warn(format_args!(
            "assuming --preprocess {}: the model file does not say how images are normalized, and a wrong guess costs accuracy",
            preprocess.text()
        ));
    }
}

/// Metadata of the file that a command writes.
#[derive(Clone, Debug, Args)]
pub(crate) struct MetadataArgs {
    #[command(flatten)]
    pub(crate) preprocess: PreprocessArgs,

    /// Class names to embed in the output: one a line, or `index wnid name` [default: those
    /// in the model file]
    #[arg(long, value_name = "FILE")]
    pub(crate) class_names: Option<PathBuf>,
}

impl MetadataArgs {
    /// What was asked for, else what the model states.
    pub(crate) fn of(&self, model: &Model, graph: &Graph) -> Result<Metadata> {
        let mut metadata = model.metadata()?;
        if let Some(preprocess) = &self.preprocess.preprocess {
            metadata.preprocess = Some(preprocess.text());
        }
        if let Some(path) = &self.class_names {
            let classes = graph.outputs().first().map_or(0, |port| graph.value(port.value).shape.elements());
            let labels = Labels::open(path)?.for_outputs(classes);
            metadata.labels = labels.map_err(|error| error.in_file(&path.display().to_string()))?.names().to_vec();
        }
        Ok(metadata)
    }
}

/// A network that names what images show.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClassifierArgs {
    /// The network: a file (.onnx, .tflite), or a name or table with --weights [default: the one that comes with
    /// sepconv, for the ten classes of CIFAR-10]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    #[command(flatten)]
    preprocess: PreprocessArgs,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    tuned: TunedArgs,
}

impl ClassifierArgs {
    pub(crate) fn classifier(&self) -> Result<Classifier> {
        let model = match &self.model {
            Some(path) => self.compile.trained(path)?,
            None => Model::default_classifier()?,
        };
        let preprocess = self.preprocess.of(&model)?;
        let classifier = model.into_classifier(&self.tuned.of(self.compile.options()?)?)?;
        warn_of_unused_tuning(classifier.model());
        Ok(classifier.with_preprocess(preprocess))
    }

    /// Whether it is the network that comes with sepconv.
    pub(crate) fn is_built_in(&self) -> bool {
        self.model.is_none()
    }

    /// What the network is called, for people.
    pub(crate) fn name(&self) -> String {
        self.model.as_ref().map_or_else(|| "cifar10 (built in)".to_owned(), |path| path.display().to_string())
    }
}
