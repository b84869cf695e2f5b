use std::path::{Path, PathBuf};

#[cfg(not(feature = "tflite"))]
use crate::no_tflite::Tflite;
use sepconv_core::{
    DType, Error, ErrorKind, Graph, Port, Result,
    passes::{optimize, with_batch},
};
use sepconv_formats::onnx::{Metadata, Onnx};
use sepconv_formats::recognize::mistaken;
#[cfg(feature = "tflite")]
use sepconv_formats::tflite::Tflite;
use sepconv_formats::{ImportOptions, OperatorCount, TensorSpec};

use crate::vision::ModelInfo;
use crate::{
    Classifier, CompiledModel, Geometry, ImageInput, Labels, Layout, Options, Preprocess, Source, TensorInfo, file, zoo,
};

/// A network as its file holds it, or one [of a family](crate::zoo).
///
/// ```no_run
/// use sepconv::{Model, Options, Tensor};
///
/// let model = Model::open("mobilenet_v2.onnx")?;
/// let mut session = model.compile(&Options::default())?.session()?;
/// let outputs = session.run(&[&Tensor::f32([1, 3, 224, 224], vec![0.0; 3 * 224 * 224])?])?;
/// println!("{}", outputs[0].shape());
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    name: String,
    file: ModelFile,
}

#[derive(Debug)]
enum ModelFile {
    Onnx(Onnx),
    Tflite(Tflite),
    Built(Built),
}

/// A graph that no file holds.
#[derive(Debug)]
struct Built {
    graph: Graph,
    preprocess: Preprocess,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

/// Where a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.onnx`
    Onnx,
    /// `.tflite`
    Tflite,
    /// No file: a graph built in memory, laid out as ONNX would have it.
    Built,
}

impl Model {
    /// Reads a file of up to [`MAX_BYTES`](Self::MAX_BYTES). Its content decides which format it is read as, not its
    /// name.
    ///
    /// # Errors
    /// When it cannot be read, is larger, or is not a model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_within(path, Self::MAX_BYTES)
    }

    /// The largest file that [`open`](Self::open) reads, in bytes: as much as a network may take in memory by default.
    pub const MAX_BYTES: u64 = 700_000_000;

    /// As [`open`](Self::open), for a file of up to `most` bytes. The network's memory has [limits](Options::limits) of
    /// its own.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_within(path: impl AsRef<Path>, most: u64) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let bytes =
            file::read_checked(path, most, |head| ModelFile::check_head(head).map_err(|error| error.in_file(&name)));
        let bytes = bytes.map_err(|error| match error.kind() {
            ErrorKind::Limit => error.help("Model::open_within (--max-memory) reads a larger file, if it is trusted"),
            _ => error,
        })?;
        Self::from_bytes(name, bytes)
    }

    /// Reads the bytes of a file; `name` appears in errors.
    ///
    /// # Errors
    /// When they are no model.
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let name = name.into();
        let file = ModelFile::parse(bytes.into()).map_err(|error| error.in_file(&name))?;
        Ok(Self { name, file })
    }

    /// The network that comes with sepconv. It tells the ten classes of CIFAR-10 apart in images of 32 by 32 pixels:
    /// airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. `crates/sepconv/models/cifar10.md` says
    /// how well, and how it was made.
    ///
    /// # Errors
    /// Never, unless sepconv was built around another file.
    pub fn default_classifier() -> Result<Self> {
        Self::from_bytes("cifar10.onnx", include_bytes!("../models/cifar10.onnx").as_slice())
    }

    /// Allows an ONNX file to keep weights in files of their own, as long as they are in `folder`. Without it none is
    /// read.
    pub fn with_external_data(self, folder: impl AsRef<Path>) -> Self {
        let file = match self.file {
            ModelFile::Onnx(file) => ModelFile::Onnx(file.external_data(folder.as_ref())),
            file => file,
        };
        Self { file, ..self }
    }

    /// The files that hold its weights beside its own, where [external data](Self::with_external_data) is allowed.
    pub fn external_files(&self) -> Vec<PathBuf> {
        match &self.file {
            ModelFile::Onnx(file) => file.external_files().collect(),
            ModelFile::Tflite(_) | ModelFile::Built(_) => vec![],
        }
    }

    /// The network of a [family](crate::zoo) by name, such as `mobilenet_v1@160x0.5`, with seeded weights.
    ///
    /// # Errors
    /// When there is none of this name, or its sizes pass a limit.
    pub fn named(name: &str) -> Result<Self> {
        zoo::named(name)?.build()
    }

    /// A graph that was built in memory. Planes at its ports are taken to be NCHW.
    pub fn from_graph(name: impl Into<String>, graph: Graph, preprocess: Preprocess) -> Self {
        let tensor_specs = |ports: &[Port]| ports.iter().map(|port| tensor_spec(&graph, port)).collect();
        let (inputs, outputs) = (tensor_specs(graph.inputs()), tensor_specs(graph.outputs()));
        Self { name: name.into(), file: ModelFile::Built(Built { graph, preprocess, inputs, outputs }) }
    }

    /// The name of the file or network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        match self.file {
            ModelFile::Onnx(_) => Format::Onnx,
            ModelFile::Tflite(_) => Format::Tflite,
            ModelFile::Built(_) => Format::Built,
        }
    }

    /// What it takes, as the file declares it.
    pub fn inputs(&self) -> &[TensorSpec] {
        match &self.file {
            ModelFile::Onnx(file) => file.inputs(),
            ModelFile::Tflite(file) => file.inputs(),
            ModelFile::Built(built) => &built.inputs,
        }
    }

    /// What it gives, as the file declares it.
    pub fn outputs(&self) -> &[TensorSpec] {
        match &self.file {
            ModelFile::Onnx(file) => file.outputs(),
            ModelFile::Tflite(file) => file.outputs(),
            ModelFile::Built(built) => &built.outputs,
        }
    }

    /// The operators of its nodes, the most frequent first. Those of a network that is in no file are sepconv's own.
    ///
    /// # Errors
    /// When the file's list of nodes is malformed.
    pub fn operators(&self) -> Result<Vec<OperatorCount>> {
        match &self.file {
            ModelFile::Onnx(file) => Ok(file.operators()),
            ModelFile::Tflite(file) => file.operators().map_err(|error| error.in_file(&self.name)),
            ModelFile::Built(built) => Ok(OperatorCount::of_graph(&built.graph)),
        }
    }

    /// The network as its file says, with known shapes.
    ///
    /// # Errors
    /// When the file asks for what is not supported, contradicts itself, leaves sizes open that `options` do not fix,
    /// or passes a limit.
    pub fn import(&self, options: &Options) -> Result<Graph> {
        let import = options.import_options();
        let imported = match &self.file {
            ModelFile::Onnx(file) => file.graph(&import),
            ModelFile::Tflite(file) => file.graph(&import),
            ModelFile::Built(built) => built.graph(&import),
        };
        let graph = imported.map_err(|error| error.in_file(&self.name))?;
        with_batch(graph, options.batch, &options.limits).map_err(|error| with_file(error, &self.name))
    }

    /// The network imported and simplified.
    ///
    /// # Errors
    /// Those of [`import`](Self::import).
    pub fn graph(&self, options: &Options) -> Result<Graph> {
        self.import(options).and_then(optimize).map_err(|error| error.in_file(&self.name))
    }

    /// The network made ready for this machine: kernels chosen, weights packed.
    ///
    /// # Errors
    /// Those of [`import`](Self::import) and of [`CompiledModel::from_graph`].
    pub fn compile(&self, options: &Options) -> Result<CompiledModel> {
        CompiledModel::from_graph(self.import(options)?, options).map_err(|error| with_file(error, &self.name))
    }

    /// As [`compile`](Self::compile), but frees the file before its weights are packed: the process takes less memory,
    /// by the size of the file.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn into_compiled(self, options: &Options) -> Result<CompiledModel> {
        let (graph, name) = (self.import(options)?, self.name.clone());
        drop(self);
        CompiledModel::from_graph(graph, options).map_err(|error| with_file(error, &name))
    }

    /// As [`Classifier::new`], but frees the file like [`into_compiled`](Self::into_compiled).
    ///
    /// # Errors
    /// Those of [`Classifier::new`].
    pub fn into_classifier(self, options: &Options) -> Result<Classifier> {
        let (graph, origin) = (self.import(options)?, ModelInfo::of(&self)?);
        drop(self);
        Classifier::from_graph(graph, origin, options)
    }

    /// How images become the network's numbers, where the file says so. A network that takes bytes takes pixels as
    /// they are.
    ///
    /// # Errors
    /// When what it says is not usable.
    pub fn embedded_preprocess(&self) -> Result<Option<Preprocess>> {
        if let Some(TensorSpec { dtype: dtype @ (DType::U8 | DType::I8), .. }) = self.inputs().first() {
            let raw = Preprocess::raw().into_type(*dtype).geometry_or(self.usual_geometry());
            return Ok(Some(raw.with_source(Source::File)));
        }
        let stated = match &self.file {
            ModelFile::Onnx(file) => file.metadata().preprocess.as_deref().map(|text| {
                let unknown = |error: Error| {
                    Error::malformed("file states a pre-processing that is not usable").help(error.to_string())
                };
                text.parse().map_err(unknown)
            }),
            ModelFile::Tflite(file) => file
                .metadata()
                .and_then(|metadata| metadata.normalization)
                .map(|stated| Preprocess::custom(&stated.mean, &stated.std)),
            ModelFile::Built(built) => {
                return Ok(Some(
                    built.preprocess.clone().geometry_or(self.usual_geometry()).with_source(Source::Network),
                ));
            }
        };
        let stated: Option<Preprocess> = stated.transpose().map_err(|error| error.in_file(&self.name))?;
        Ok(stated.map(|found| found.geometry_or(self.usual_geometry()).with_source(Source::File)))
    }

    /// How images become the network's numbers: what the file [states](Self::embedded_preprocess), else what is usual
    /// for its format, [`torch`](Preprocess::torch) for ONNX and [`tf`](Preprocess::tf) for TensorFlow Lite.
    ///
    /// # Errors
    /// When what the file says is not usable.
    pub fn preprocess(&self) -> Result<Preprocess> {
        let usual = match self.format() {
            Format::Onnx | Format::Built => Preprocess::torch(),
            Format::Tflite => Preprocess::tf(),
        };
        Ok(self.embedded_preprocess()?.unwrap_or(usual.with_source(Source::Default)))
    }

    /// The names of the classes, where they are in the file.
    pub fn labels(&self) -> Option<Labels> {
        let names = match &self.file {
            ModelFile::Onnx(file) => file.metadata().labels.clone(),
            ModelFile::Tflite(file) => file.metadata()?.labels,
            ModelFile::Built(_) => return None,
        };
        Some(Labels::new(names)).filter(|labels| !labels.is_empty())
    }

    /// What it is, where the file says so.
    pub fn description(&self) -> Option<&str> {
        match &self.file {
            ModelFile::Onnx(file) => Some(file.metadata().description.as_str()).filter(|text| !text.is_empty()),
            ModelFile::Tflite(_) | ModelFile::Built(_) => None,
        }
    }

    /// All that the file states about its use, for the file of a network that is made from this one.
    ///
    /// # Errors
    /// Those of [`embedded_preprocess`](Self::embedded_preprocess).
    pub fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata {
            description: self.description().unwrap_or_default().to_owned(),
            preprocess: self.embedded_preprocess()?.map(|preprocess| preprocess.text()),
            labels: self.labels().map_or(vec![], |labels| labels.names().to_vec()),
        })
    }

    /// The image that the network takes, `graph` being its own.
    ///
    /// # Errors
    /// When it does not take exactly one.
    pub fn image_input(&self, graph: &Graph) -> Result<ImageInput> {
        let [port] = graph.inputs() else {
            return Err(Error::unsupported("network has more than one input").in_file(&self.name));
        };
        let info = TensorInfo::new(graph, port)?;
        ImageInput::new(&info.shape, self.usual_layout()).map_err(|error| error.in_file(&self.name))
    }

    /// The geometry that is usual for this format, where nothing else is known.
    pub fn usual_geometry(&self) -> Geometry {
        match self.format() {
            Format::Onnx | Format::Built => Geometry::ResizeCrop,
            Format::Tflite => Geometry::CropResize,
        }
    }

    /// The layout that image inputs of this format usually have.
    pub(crate) fn usual_layout(&self) -> Layout {
        match self.format() {
            Format::Onnx | Format::Built => Layout::Nchw,
            Format::Tflite => Layout::Nhwc,
        }
    }
}

impl Built {
    /// The graph, within the limits of `options`.
    fn graph(&self, options: &ImportOptions) -> Result<Graph> {
        options.check(&self.inputs)?;
        let (macs, most) = (self.graph.macs(), options.limits.max_macs);
        if macs > most {
            return Err(Error::limit("network costs too much arithmetic")
                .expected(format_args!("at most {most} multiply-accumulates"), macs)
                .help("raise Limits::max_macs (--max-macs)"));
        }
        Ok(self.graph.clone())
    }
}

/// The error with the file's name, unless the caller or the machine is at fault.
pub(crate) fn with_file(error: Error, name: &str) -> Error {
    match error.kind() {
        ErrorKind::Argument | ErrorKind::Io | ErrorKind::Cancelled => error,
        _ => error.in_file(name),
    }
}

/// What a port of a graph takes or gives.
fn tensor_spec(graph: &Graph, port: &Port) -> TensorSpec {
    let value = graph.value(port.value);
    let mut dims = vec![None; value.shape.len()];
    port.order.iter().zip(value.shape.iter()).for_each(|(&axis, &size)| dims[axis] = Some(size));
    let (name, dtype) = (port.name.clone(), value.dtype);
    TensorSpec { name, dtype, element: dtype.into(), dims, quantization: None }
}

const READ_FROM: &str = "networks are read from .onnx and .tflite files";

fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

impl ModelFile {
    /// TensorFlow Lite files carry a mark; everything else has to be ONNX, which carries none.
    fn parse(bytes: Vec<u8>) -> Result<Self> {
        if is_tflite(&bytes) {
            return Ok(Self::Tflite(Tflite::parse(bytes)?));
        }
        Self::check_head(&bytes)?;
        let parsed = Onnx::parse(bytes).map_err(|error| match error.kind() {
            ErrorKind::Malformed => error.help(READ_FROM),
            _ => error,
        });
        Ok(Self::Onnx(parsed?))
    }

    /// Fails for what begins as no model does.
    fn check_head(head: &[u8]) -> Result<()> {
        match mistaken(head, "a model (.onnx, .tflite)") {
            Some(error) => Err(error),
            None if is_tflite(head) || Onnx::may_begin(head) => Ok(()),
            None if head.is_empty() => Err(Error::malformed("file is empty")),
            None => Err(Error::malformed("not a model").help(READ_FROM)),
        }
    }
}
