//! Progress of long calls, and how they are interrupted.

use std::ops::ControlFlow;

use pyo3::prelude::*;
use pyo3::types::PyBool;
use sepconv::{Accuracy, ProgressEvent};

use crate::error::{Failure, Result};
use crate::reports::AccuracyReport;

/// Listens to a long call for Python: passes progress on, and stops the call at Ctrl-C, at an exception of the
/// callback, and where the callback returns `False`.
pub(crate) struct Monitor {
    callback: Option<Py<PyAny>>,
    exception: Option<PyErr>,
}

#[derive(IntoPyObject)]
struct Event {
    stage: &'static str,
    done: usize,
    total: usize,
    accuracy: Option<AccuracyReport>,
}

impl Monitor {
    /// `progress` is a callable, `True` for a bar on standard error, `None` or `False` for silence.
    pub(crate) fn new(progress: Option<Bound<'_, PyAny>>) -> Result<Self> {
        let callback = match progress {
            Some(progress) => match progress.cast::<PyBool>() {
                Ok(flag) if flag.is_true() => {
                    let bar = progress.py().import("sepconv._progress")?.getattr("Bar")?.call0()?;
                    Some(bar.unbind())
                }
                Ok(_) => None,
                Err(_) => Some(progress.unbind()),
            },
            None => None,
        };
        Ok(Self { callback, exception: None })
    }

    pub(crate) fn hear(&mut self, event: ProgressEvent) -> ControlFlow<()> {
        let heard = Python::attach(|py| {
            py.check_signals()?;
            if let Some(failure) = &event.failure {
                warn(py, &failure.to_string())?;
            }
            match &self.callback {
                None => Ok(true),
                Some(callback) => {
                    let ProgressEvent { stage, done, total, accuracy, .. } = event;
                    let accuracy = accuracy.filter(|Accuracy { images, .. }| *images > 0).map(AccuracyReport::from);
                    let answer = callback.bind(py).call1((Event { stage: stage.name(), done, total, accuracy },))?;
                    Ok(!answer.is(PyBool::new(py, false)))
                }
            }
        });
        match heard {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(exception) => {
                self.exception = Some(exception);
                ControlFlow::Break(())
            }
        }
    }

    /// The result of the call, or the exception that stopped it.
    pub(crate) fn outcome<T>(self, result: sepconv::Result<T>) -> Result<T> {
        match self.exception {
            Some(exception) => Err(Failure::Python(exception)),
            None => Ok(result?),
        }
    }
}

/// A warning of the logger `sepconv`.
pub(crate) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("sepconv",))?;
    // Messages are no formats.
    logger.call_method1("warning", ("%s", message)).map(drop)
}
