//! Errors as the exceptions of Python.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use sepconv::Error;

/// What ends a call: an error of sepconv, which becomes `sepconv.Error`, or an exception.
pub(crate) enum Failure {
    Sepconv(Error),
    Python(PyErr),
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Sepconv(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl<'a, 'py> From<pyo3::CastError<'a, 'py>> for Failure {
    fn from(error: pyo3::CastError<'a, 'py>) -> Self {
        Self::Python(error.into())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sepconv(error) => Python::attach(|py| exception(py, &error).unwrap_or_else(|error| error)),
            Failure::Python(error) => error,
        }
    }
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let (expected, got) = error.expected_got().unzip();
    let class = CLASS.import(py, "sepconv._errors", "Error")?;
    let fields = (error.kind().name(), error.message(), error.file(), error.place(), error.node(), expected, got);
    Ok(PyErr::from_value(class.call1((error.to_string(), fields, error.advice()))?))
}
