//! `sepconv.Model`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::measure::compare::NetworkComparison;
use sepconv::{Error, Format, ImageInput, Labels, Options, Preprocess, TensorSpec, file, onnx};

use crate::classifier::Classifier;
use crate::compiled::CompiledModel;
use crate::error::Result;
use crate::image;
use crate::options::options;
use crate::progress::Monitor;
use crate::recipe::{Arguments, GivenArguments, Recipe, Reduced};
use crate::reports::{self, Port, quantize::Quantization};

/// A network: a model file (.onnx, .tflite), its bytes, or the name of a network (see `sepconv.networks()`).
///
/// `weights` are those of a network that is named: a .safetensors file or its bytes. `external_data` is the folder in
/// which an ONNX file may keep weights, `max_bytes` the largest model file that is read (700 MB).
///
/// It can be pickled: with the path or name, not with what was read.
#[pyclass(frozen, module = "sepconv")]
pub(crate) struct Model {
    recipe: Arc<Recipe>,
    opened: Mutex<Option<Arc<sepconv::Model>>>,
    /// The image that it takes with default options, once that is known.
    image_input: OnceLock<ImageInput>,
}

impl Model {
    /// A model that is read when it is first used.
    pub(crate) fn lazy(recipe: Recipe) -> Self {
        Self { recipe: Arc::new(recipe), opened: Mutex::default(), image_input: OnceLock::new() }
    }

    /// The model, which is read where it has not been.
    pub(crate) fn opened(&self, py: Python<'_>) -> Result<Arc<sepconv::Model>> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = &*opened() {
            return Ok(model.clone());
        }
        // Not under the lock, whose other side may wait for Python. Then both read, and one of them in vain.
        let model = Arc::new(self.recipe.open(py)?);
        *opened() = Some(model.clone());
        Ok(model)
    }

    fn image_input(
        &self,
        py: Python<'_>,
        model: &sepconv::Model,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Result<ImageInput> {
        let of = |options: Options| py.detach(|| model.image_input(&model.graph(&options)?));
        match (keywords, self.image_input.get()) {
            (Some(_), _) => Ok(of(options(keywords)?)?),
            (None, Some(input)) => Ok(*input),
            (None, None) => {
                let input = of(options(None)?)?;
                Ok(*self.image_input.get_or_init(|| input))
            }
        }
    }

    fn refuse_random_weights(&self, py: Python<'_>) -> Result<()> {
        if !self.recipe.has_random_weights() {
            return Ok(());
        }
        Err(Error::argument("network has random weights, its answers mean nothing")
            .in_file(&self.recipe.shown(py))
            .help("give trained ones: Model(name, weights=\"FILE.safetensors\")")
            .into())
    }
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (source, *, weights=None, external_data=None, max_bytes=None))]
    fn new(
        source: &Bound<'_, PyAny>,
        weights: Option<&Bound<'_, PyAny>>,
        external_data: Option<PathBuf>,
        max_bytes: Option<u64>,
    ) -> Result<Self> {
        let model = Self::lazy(Recipe::new(source, weights, external_data, max_bytes)?);
        model.opened(source.py())?;
        Ok(model)
    }

    /// The network that comes with sepconv, for the ten classes of CIFAR-10.
    #[staticmethod]
    fn default_classifier() -> Self {
        Self::lazy(Recipe::default_classifier())
    }

    #[staticmethod]
    fn _lazy(recipe: GivenArguments<'_>) -> Result<Self> {
        Ok(Self::lazy(Recipe::again(&recipe)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (Arguments,)> {
        Ok((py.import("sepconv._pickle")?.getattr("model")?, (self.recipe.arguments(py)?,)))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("sepconv.Model({})", self.recipe.shown(py))
    }

    /// The name of the file or network.
    #[getter]
    fn name(&self, py: Python<'_>) -> Result<String> {
        Ok(self.opened(py)?.name().to_owned())
    }

    /// The format of the file: `onnx`, `tflite` or `family` (a network by name).
    #[getter]
    fn format(&self, py: Python<'_>) -> Result<&'static str> {
        Ok(match self.opened(py)?.format() {
            Format::Onnx => "onnx",
            Format::Tflite => "tflite",
            Format::Built => "family",
        })
    }

    /// What the file says of itself, or None.
    #[getter]
    fn description(&self, py: Python<'_>) -> Result<Option<String>> {
        Ok(self.opened(py)?.description().map(str::to_owned))
    }

    /// The names of the classes, where they are in the file; else an empty list.
    #[getter]
    fn labels(&self, py: Python<'_>) -> Result<Vec<String>> {
        Ok(self.opened(py)?.labels().map_or(vec![], |labels| labels.names().to_vec()))
    }

    /// How pixels become numbers: what the file states, else what is usual for its format.
    #[getter]
    fn preprocess(&self, py: Python<'_>) -> Result<String> {
        Ok(self.opened(py)?.preprocess()?.text())
    }

    /// The inputs as the file declares them; sizes that it leaves open are None.
    fn get_inputs<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        self.opened(py)?.inputs().iter().map(|spec| port(py, spec)).collect()
    }

    /// The outputs as the file declares them; sizes that it leaves open are None.
    fn get_outputs<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        self.opened(py)?.outputs().iter().map(|spec| port(py, spec)).collect()
    }

    /// Makes the network ready to run on this machine.
    ///
    /// Options: `threads` (default: the cores, at most 4), `batch` (default: 1), `shapes` of inputs that leave sizes
    /// open, `isa`, `kernels`, and the limits `max_memory` (bytes) and `max_macs`.
    #[pyo3(signature = (**keywords))]
    fn compile(&self, py: Python<'_>, keywords: Option<&Bound<'_, PyDict>>) -> Result<CompiledModel> {
        let compiled = CompiledModel::lazy(self.recipe.clone(), keywords)?;
        compiled.compile_with(py, &*self.opened(py)?)?;
        Ok(compiled)
    }

    /// A classifier of images: the network with pre-processing before it and labels after it. `labels` is a list of
    /// names or a file of them, `preprocess` as in `sepconv classify --preprocess`.
    #[pyo3(signature = (*, preprocess=None, labels=None, **keywords))]
    fn classifier(
        &self,
        py: Python<'_>,
        preprocess: Option<String>,
        labels: Option<&Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Result<Classifier> {
        self.refuse_random_weights(py)?;
        let classifier = Classifier::lazy(self.recipe.clone(), preprocess, labels, keywords)?;
        classifier.make_with(py, &*self.opened(py)?)?;
        Ok(classifier)
    }

    /// The network's input for an image (a path, the bytes of a PNG, JPEG, BMP or WebP file, or a height x width x 3
    /// array of uint8): float32, resized, cropped and normalized.
    #[pyo3(signature = (image, *, preprocess=None, **keywords))]
    fn image_tensor<'py>(
        &self,
        image: &Bound<'py, PyAny>,
        preprocess: Option<String>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> Result<Bound<'py, PyAny>> {
        let py = image.py();
        let (model, source) = (self.opened(py)?, image::Source::new(image)?);
        let (input, preprocess) = (self.image_input(py, &model, keywords)?, parsed(preprocess, &model)?);
        let tensor = source.with(py, |image| input.tensor(&image, &preprocess))?;
        Ok(crate::arrays::Output::of(py, &tensor)?.into_array(tensor.dtype().into())?)
    }

    /// What the network is: inputs, outputs, layers, parameters, multiply-accumulates and memory; with `plan` also the
    /// kernel of each layer and the reason for it. The keys are those of `sepconv inspect --json`.
    #[pyo3(signature = (*, plan=false, **keywords))]
    fn inspect<'py>(
        &self,
        py: Python<'py>,
        plan: bool,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> Result<Bound<'py, PyAny>> {
        reports::inspect::inspect(py, &*self.opened(py)?, &options(keywords)?, plan)
    }

    /// Times each depthwise separable convolution beside the standard one that it replaces, and the whole network. The
    /// keys are those of `sepconv compare --json`.
    #[pyo3(signature = (*, rounds=20, progress=None, **keywords))]
    fn compare<'py>(
        &self,
        py: Python<'py>,
        rounds: usize,
        progress: Option<Bound<'py, PyAny>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (model, options, mut monitor) = (self.opened(py)?, options(keywords)?, Monitor::new(progress)?);
        let measured = py.detach(|| {
            let mut comparison = NetworkComparison::new(&model, &options)?;
            comparison.measure(rounds.max(1), &mut |event| monitor.hear(event))?;
            Ok(comparison)
        });
        reports::compare::comparison(py, model.name(), rounds.max(1), &monitor.outcome(measured)?)
    }

    /// Quantizes an f32 network to int8 and returns `(model, report)`.
    ///
    /// `calibration` is a folder of representative images, of which `images` are used, or a sequence of inputs (what
    /// `run` takes). The other arguments are those of `sepconv quantize`.
    #[pyo3(signature = (
        calibration, *, images=64, preprocess=None, range="mse", per_tensor=false, equalize=false,
        bias_correction=true, optimize=false, keep_float=vec![], min_sqnr=None, progress=None, **keywords
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn quantize<'py>(
        &self,
        calibration: &Bound<'py, PyAny>,
        images: usize,
        preprocess: Option<String>,
        range: &str,
        per_tensor: bool,
        equalize: bool,
        bias_correction: bool,
        optimize: bool,
        keep_float: Vec<String>,
        min_sqnr: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> Result<(Self, Bound<'py, PyAny>)> {
        let py = calibration.py();
        let model = self.opened(py)?;
        let quantizer = reports::quantize::quantizer(range)?
            .weights(if per_tensor { sepconv::Granularity::PerTensor } else { sepconv::Granularity::PerChannel })
            .equalize(equalize)
            .correct_biases(bias_correction)
            .optimize(optimize);
        let quantizer = keep_float.into_iter().fold(quantizer, sepconv::Quantizer::keep_float);
        let quantizer = match min_sqnr {
            Some(decibels) => quantizer.min_sqnr(decibels),
            None => quantizer,
        };
        let job = Quantization {
            options: options(keywords)?,
            preprocess: parsed(preprocess, &model)?,
            model: &model,
            quantizer,
            images,
        };
        let (bytes, report) = job.run(calibration, Monitor::new(progress)?)?;
        Ok((Self::lazy(Recipe::of_bytes(py, &bytes)), report))
    }

    /// The network as the bytes of an ONNX file, as its own file says: nothing is fused. `preprocess` and `labels`
    /// become part of it.
    #[pyo3(signature = (*, preprocess=None, labels=None, **keywords))]
    fn to_onnx(
        &self,
        py: Python<'_>,
        preprocess: Option<String>,
        labels: Option<Vec<String>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Result<std::borrow::Cow<'static, [u8]>> {
        let (model, options) = (self.opened(py)?, options(keywords)?);
        let mut metadata = model.metadata()?;
        if let Some(preprocess) = preprocess {
            metadata.preprocess = Some(preprocess.parse::<Preprocess>()?.text());
        }
        let written = py.detach(|| {
            let graph = model.import(&options)?;
            if let Some(labels) = labels {
                let classes = graph.outputs().first().map_or(0, |port| graph.value(port.value).shape.elements());
                metadata.labels = Labels::new(labels).for_outputs(classes)?.names().to_vec();
            }
            onnx::write(&graph, &metadata)
        });
        Ok(written?.into())
    }

    /// Writes the network as an ONNX file, which appears whole or not at all. See `to_onnx`.
    #[pyo3(signature = (path, *, preprocess=None, labels=None, **keywords))]
    fn export(
        &self,
        py: Python<'_>,
        path: PathBuf,
        preprocess: Option<String>,
        labels: Option<Vec<String>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Result<()> {
        let shown = path.display().to_string();
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
            return Err(Error::argument("output must end in .onnx").in_file(&shown).into());
        }
        let external = self.opened(py)?.external_files();
        let target = file::resolve(&path).ok();
        let is_target = |read: &&PathBuf| target.is_some() && file::resolve(read).ok() == target;
        if let Some(read) = self.recipe.files().chain(&external).find(is_target) {
            return Err(Error::argument("output would replace a file that the network is read from")
                .in_file(&shown)
                .help(format!("{} is the same file; choose another output", read.display()))
                .into());
        }
        let bytes = self.to_onnx(py, preprocess, labels, keywords)?;
        Ok(py.detach(|| file::write(&path, &bytes))?)
    }
}

/// The pre-processing of a text, else the model's.
pub(crate) fn parsed(preprocess: Option<String>, model: &sepconv::Model) -> Result<Preprocess> {
    Ok(match preprocess {
        None => model.preprocess()?,
        Some(text) => match text.parse::<Preprocess>()? {
            own if own.own_geometry().is_some() => own,
            own => own.geometry(model.usual_geometry()),
        },
    })
}

fn port<'py>(py: Python<'py>, spec: &TensorSpec) -> Result<Bound<'py, PyAny>> {
    let quantization = spec.quantization.as_ref().and_then(|quantization| quantization.as_per_tensor());
    Ok(Port { name: &spec.name, shape: spec.dims.clone(), element: spec.element, quantization }.into_python(py)?)
}
