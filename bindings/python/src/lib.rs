//! sepconv for Python: the native half of the package `sepconv`.
//!
//! What is allowed here: values that cross from Python and back, threads of Python, its exceptions and signals.
//! No `unsafe`.

mod arrays;
mod classifier;
mod compiled;
mod error;
mod functions;
mod image;
mod model;
mod options;
mod progress;
mod recipe;
mod reports;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::classifier::Classifier;
    #[pymodule_export]
    use super::compiled::{CompiledModel, Session};
    #[pymodule_export]
    use super::functions::{decode_image, machine, networks};
    #[pymodule_export]
    use super::model::Model;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "a name of Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
