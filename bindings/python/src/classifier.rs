//! `sepconv.Classifier`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::{LabeledImages, Labels, Prediction, Source};

use crate::error::Result;
use crate::image;
use crate::model::parsed;
use crate::options::options;
use crate::progress::{Monitor, warn};
use crate::recipe::{Arguments, GivenArguments, Recipe, Reduced};
use crate::reports::{self, AccuracyReport};

/// A network that names what images show, made by `Model.classifier`.
///
/// Any number of threads may use it at once: they share the weights. It can be pickled, with the path or name and the
/// options.
#[pyclass(frozen, module = "sepconv")]
pub(crate) struct Classifier {
    recipe: Arc<Recipe>,
    preprocess: Option<String>,
    labels: Option<Vec<String>>,
    keywords: Py<PyDict>,
    /// What others are copied from; it classifies nothing itself.
    made: Mutex<Option<Arc<sepconv::Classifier>>>,
    /// Those that no call uses at present, and the process that they belong to.
    idle: Mutex<Vec<(sepconv::Classifier, u32)>>,
}

/// The recipe, the pre-processing, the labels and the options.
type ClassifierArguments = (Arguments, Option<String>, Option<Vec<String>>, Py<PyDict>);

#[derive(IntoPyObject)]
struct PredictionReport {
    class: Option<usize>,
    output: usize,
    label: Option<String>,
    score: f32,
}

impl From<Prediction> for PredictionReport {
    fn from(prediction: Prediction) -> Self {
        let Prediction { output, class, label, score } = prediction;
        Self { class, output, label, score }
    }
}

impl Classifier {
    /// A classifier that is made when it is first used.
    pub(crate) fn lazy(
        recipe: Arc<Recipe>,
        preprocess: Option<String>,
        labels: Option<&Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Result<Self> {
        options(keywords)?;
        let labels = match labels {
            None => None,
            Some(labels) => Some(match labels.extract::<PathBuf>() {
                Ok(path) => Labels::open(path)?.names().to_vec(),
                Err(_) => labels.extract()?,
            }),
        };
        let keywords = match keywords {
            Some(keywords) => keywords.copy()?.unbind(),
            None => Python::attach(|py| PyDict::new(py).unbind()),
        };
        Ok(Self { recipe, preprocess, labels, keywords, made: Mutex::default(), idle: Mutex::default() })
    }

    pub(crate) fn make_with(&self, py: Python<'_>, model: &sepconv::Model) -> Result<()> {
        let options = options(Some(self.keywords.bind(py)))?;
        let preprocess = parsed(self.preprocess.clone(), model)?;
        if preprocess.source() == Source::Default {
            let how = preprocess.text();
            warn(
                py,
                &format!(
                    "assuming preprocess=\"{how}\": the model file does not say how images are normalized, and a \
                     wrong guess costs accuracy"
                ),
            )?;
        }
        let made = py.detach(|| {
            let classifier = sepconv::Classifier::new(model, &options)?.with_preprocess(preprocess);
            match &self.labels {
                Some(labels) => classifier.with_labels(Labels::new(labels.clone())),
                None => Ok(classifier),
            }
        });
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(made?));
        Ok(())
    }

    /// The classifier, which is made where it has not been: see `Model::opened`.
    fn made(&self, py: Python<'_>) -> Result<Arc<sepconv::Classifier>> {
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(classifier) = made() {
            return Ok(classifier);
        }
        self.make_with(py, &self.recipe.open(py)?)?;
        self.made(py)
    }

    fn with<T>(&self, py: Python<'_>, work: impl FnOnce(&mut sepconv::Classifier) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let free = idle().pop();
        let mut classifier = match free {
            Some((classifier, process)) if process == std::process::id() => classifier,
            Some(_) | None => {
                let made = self.made(py)?;
                py.detach(|| made.try_clone())?
            }
        };
        let result = work(&mut classifier);
        idle().push((classifier, std::process::id()));
        result
    }
}

#[pymethods]
impl Classifier {
    #[staticmethod]
    fn _lazy(
        recipe: GivenArguments<'_>,
        preprocess: Option<String>,
        labels: Option<&Bound<'_, PyAny>>,
        keywords: &Bound<'_, PyDict>,
    ) -> Result<Self> {
        let recipe = Arc::new(Recipe::again(&recipe)?);
        Self::lazy(recipe, preprocess, labels, Some(keywords))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, ClassifierArguments> {
        let make = py.import("sepconv._pickle")?.getattr("classifier")?;
        let (preprocess, labels) = (self.preprocess.clone(), self.labels.clone());
        Ok((make, (self.recipe.arguments(py)?, preprocess, labels, self.keywords.clone_ref(py))))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("sepconv.Classifier({}, {})", self.recipe.shown(py), self.keywords.bind(py).repr()?))
    }

    /// The names of the classes in the order of the outputs, or an empty list.
    #[getter]
    fn labels(&self, py: Python<'_>) -> Result<Vec<String>> {
        Ok(self.made(py)?.labels().map_or(vec![], |labels| labels.names().to_vec()))
    }

    /// How pixels become the network's numbers.
    #[getter]
    fn preprocess(&self, py: Python<'_>) -> Result<String> {
        Ok(self.made(py)?.preprocess().text())
    }

    /// The number of outputs, with a background class where there is one.
    #[getter]
    fn classes(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.made(py)?.classes())
    }

    /// The likeliest `top` classes of an image, likeliest first, each a dict of `class`, `output`, `label` and `score`.
    /// The image is a path, the bytes of a PNG, JPEG, BMP or WebP file, or a height x width x 3 array of uint8.
    #[pyo3(signature = (image, *, top=5))]
    fn classify<'py>(&self, image: &Bound<'py, PyAny>, top: usize) -> Result<Bound<'py, PyAny>> {
        let (py, source) = (image.py(), image::Source::new(image)?);
        let predictions =
            self.with(py, |classifier| source.with(py, |image| classifier.classify(&image, top.max(1))))?;
        let predictions: Vec<_> = predictions.into_iter().map(PredictionReport::from).collect();
        reports::wrapped(py, "Predictions", predictions)
    }

    /// Top-1 and top-5 accuracy on the images of a folder. `labels` is a file with lines of `file index`; without it
    /// the folder has a subfolder for each class. The keys are those of `sepconv evaluate --json`.
    #[pyo3(signature = (images, *, labels=None, progress=None))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        images: PathBuf,
        labels: Option<PathBuf>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let mut monitor = Monitor::new(progress)?;
        let names = self.labels(py)?;
        let (evaluated, unlabelled, seconds) = self.with(py, |classifier| {
            let (evaluated, unlabelled, start) = py.detach(|| {
                let labels: Option<&Path> = labels.as_deref();
                let images = LabeledImages::open(&images, labels, &names)?;
                let (unlabelled, start) = (images.unlabeled()?, Instant::now());
                let evaluated = classifier.evaluate(&images, &mut |event| monitor.hear(event));
                Ok::<_, sepconv::Error>((evaluated, unlabelled, start))
            })?;
            Ok((monitor.outcome(evaluated)?, unlabelled, start.elapsed().as_secs_f64()))
        })?;
        let made = self.made(py)?;
        AccuracyReport::from(evaluated).evaluation(py, &self.recipe.shown(py), made.preprocess(), unlabelled, seconds)
    }
}
