//! How a network is compiled, as keyword arguments.

use std::collections::BTreeMap;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::{Limits, Options};

use crate::error::Result;

/// The keyword arguments that every method takes which compiles.
pub(crate) fn options(keywords: Option<&Bound<'_, PyDict>>) -> Result<Options> {
    let mut limits = Limits::default();
    let mut options = Options::default();
    for (key, value) in keywords.into_iter().flatten() {
        if value.is_none() {
            continue;
        }
        options = match key.extract::<String>()?.as_str() {
            "threads" => options.threads(value.extract()?),
            "batch" => options.batch(value.extract()?),
            "isa" => options.isa(value.extract::<String>()?),
            "kernels" => options.kernels(value.extract::<String>()?.parse()?),
            "shapes" => {
                let shapes: BTreeMap<String, Vec<usize>> = value.extract()?;
                shapes.into_iter().fold(options, |options, (name, shape)| options.shape(name, shape))
            }
            "max_memory" => {
                limits.max_memory = value.extract()?;
                options
            }
            "max_macs" => {
                limits.max_macs = value.extract()?;
                options
            }
            unknown => {
                return Err(PyTypeError::new_err(format!(
                    "unexpected keyword argument '{unknown}': networks are compiled with threads, batch, shapes, isa, \
                     kernels, max_memory and max_macs"
                ))
                .into());
            }
        };
    }
    Ok(options.limits(limits))
}
