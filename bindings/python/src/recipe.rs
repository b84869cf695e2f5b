//! Where a network comes from: what is pickled in place of it.

use std::path::PathBuf;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};
use sepconv::zoo::{self, Weights};
use sepconv::{Error, Model};

use crate::error::Result;

/// All that it takes to read a network, here or in another process.
pub(crate) struct Recipe {
    source: Source,
    weights: Option<Bytes>,
    external_data: Option<PathBuf>,
    max_bytes: u64,
}

enum Source {
    File(PathBuf),
    Bytes(Py<PyBytes>),
    Named(String),
    Default,
}

/// A file, or what one holds.
enum Bytes {
    File(PathBuf),
    Held(Py<PyBytes>),
}

/// The arguments that make the same recipe again.
pub(crate) type Arguments = (Py<PyAny>, Option<Py<PyAny>>, Option<PathBuf>, u64);

/// What `__reduce__` returns: a function of `sepconv._pickle` and its arguments.
pub(crate) type Reduced<'py, A> = PyResult<(Bound<'py, PyAny>, A)>;

/// The same arguments, as they come from Python.
pub(crate) type GivenArguments<'py> = (Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>, Option<PathBuf>, u64);

impl Recipe {
    pub(crate) fn new(
        source: &Bound<'_, PyAny>,
        weights: Option<&Bound<'_, PyAny>>,
        external_data: Option<PathBuf>,
        max_bytes: Option<u64>,
    ) -> Result<Self> {
        let source = match source.cast::<PyString>() {
            Ok(text) if zoo::is_name(&text.to_cow()?) => Source::Named(text.to_string()),
            _ => match bytes(source)? {
                Bytes::File(path) => Source::File(path),
                Bytes::Held(bytes) => Source::Bytes(bytes),
            },
        };
        let (is_named, file) = match &source {
            Source::Named(name) => (true, name.clone()),
            Source::File(path) => (false, path.display().to_string()),
            Source::Bytes(_) | Source::Default => (false, "bytes".to_owned()),
        };
        if weights.is_some() && !is_named {
            return Err(Error::argument("a model file has its own weights")
                .in_file(&file)
                .help("weights are for networks that are named, see sepconv.networks()")
                .into());
        }
        let weights = weights.map(bytes).transpose()?;
        let external_data = external_data.map(absolute).transpose()?;
        Ok(Self { source, weights, external_data, max_bytes: max_bytes.unwrap_or(Model::MAX_BYTES) })
    }

    /// The recipe of these arguments.
    pub(crate) fn again((source, weights, external_data, max_bytes): &GivenArguments<'_>) -> Result<Self> {
        match source {
            None => Ok(Self::default_classifier()),
            Some(source) => Self::new(source, weights.as_ref(), external_data.clone(), Some(*max_bytes)),
        }
    }

    /// The network that comes with sepconv.
    pub(crate) fn default_classifier() -> Self {
        Self { source: Source::Default, weights: None, external_data: None, max_bytes: Model::MAX_BYTES }
    }

    /// A network whose file is in memory.
    pub(crate) fn of_bytes(py: Python<'_>, bytes: &[u8]) -> Self {
        Self { source: Source::Bytes(PyBytes::new(py, bytes).unbind()), ..Self::default_classifier() }
    }

    /// Reads the network. The caller may have other threads of Python run meanwhile.
    pub(crate) fn open(&self, py: Python<'_>) -> Result<Model> {
        let held = match &self.source {
            Source::Bytes(bytes) => bytes.as_bytes(py),
            Source::File(_) | Source::Named(_) | Source::Default => &[],
        };
        let weights = match &self.weights {
            Some(Bytes::Held(bytes)) => bytes.as_bytes(py),
            Some(Bytes::File(_)) | None => &[],
        };
        Ok(py.detach(|| self.read(held, weights))?)
    }

    fn read(&self, held: &[u8], weights: &[u8]) -> sepconv::Result<Model> {
        let weights = match &self.weights {
            None => None,
            Some(Bytes::File(path)) => Some(Weights::open(path)?),
            Some(Bytes::Held(_)) => Some(Weights::from_bytes("weights", weights)?),
        };
        let model = match (&self.source, weights) {
            (Source::Named(name), Some(weights)) => zoo::named(name)?.load(&weights)?,
            (Source::Named(name), None) => Model::named(name)?,
            (Source::File(path), _) => Model::open_within(path, self.max_bytes)?,
            (Source::Bytes(_), _) => Model::from_bytes("bytes", held)?,
            (Source::Default, _) => Model::default_classifier()?,
        };
        Ok(match &self.external_data {
            Some(folder) => model.with_external_data(folder),
            None => model,
        })
    }

    /// Whether its answers mean nothing, for its weights are random.
    pub(crate) fn has_random_weights(&self) -> bool {
        matches!(self.source, Source::Named(_)) && self.weights.is_none()
    }

    /// The files that it reads.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let file = match &self.source {
            Source::File(path) => Some(path),
            Source::Bytes(_) | Source::Named(_) | Source::Default => None,
        };
        let weights = match &self.weights {
            Some(Bytes::File(path)) => Some(path),
            Some(Bytes::Held(_)) | None => None,
        };
        file.into_iter().chain(weights)
    }

    /// What `repr` shows of it.
    pub(crate) fn shown(&self, py: Python<'_>) -> String {
        match &self.source {
            Source::File(path) => format!("{:?}", path.display().to_string()),
            Source::Named(name) => format!("{name:?}"),
            Source::Bytes(bytes) => format!("<{} bytes>", bytes.as_bytes(py).len()),
            Source::Default => "<the network that comes with sepconv>".to_owned(),
        }
    }

    /// `None` for the network that comes with sepconv.
    pub(crate) fn arguments(&self, py: Python<'_>) -> PyResult<Arguments> {
        let source = match &self.source {
            Source::File(path) => path.into_pyobject(py)?.into_any().unbind(),
            Source::Bytes(bytes) => bytes.clone_ref(py).into_any(),
            Source::Named(name) => name.into_pyobject(py)?.into_any().unbind(),
            Source::Default => py.None(),
        };
        let weights = match &self.weights {
            None => None,
            Some(Bytes::File(path)) => Some(path.into_pyobject(py)?.into_any().unbind()),
            Some(Bytes::Held(bytes)) => Some(bytes.clone_ref(py).into_any()),
        };
        Ok((source, weights, self.external_data.clone(), self.max_bytes))
    }
}

/// A path, or bytes and what can be read like them.
fn bytes(value: &Bound<'_, PyAny>) -> Result<Bytes> {
    if let Some(bytes) = held(value)? {
        return Ok(Bytes::Held(bytes));
    }
    match value.extract::<PathBuf>() {
        Ok(path) => Ok(Bytes::File(absolute(path)?)),
        Err(_) => {
            Err(PyTypeError::new_err(format!("expected a path or bytes, got {}", value.get_type().qualname()?)).into())
        }
    }
}

/// The bytes of an object that consists of them.
pub(crate) fn held(value: &Bound<'_, PyAny>) -> Result<Option<Py<PyBytes>>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(bytes.clone().unbind()));
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(Some(PyBytes::new(value.py(), &bytes.to_vec()).unbind()));
    }
    if value.is_instance_of::<PyMemoryView>() {
        return Ok(Some(value.call_method0("tobytes")?.cast_into::<PyBytes>().map_err(PyErr::from)?.unbind()));
    }
    Ok(None)
}

/// Another process may work in another directory.
fn absolute(path: PathBuf) -> Result<PathBuf> {
    Ok(std::path::absolute(&path).map_err(|error| Error::io(error.to_string()).in_file(&path.display().to_string()))?)
}
