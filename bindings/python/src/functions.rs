//! Functions of the package.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use numpy::{PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::zoo::{self, Network, Padding, ZeroWeights};
use sepconv::{Machine, Options};

use crate::error::Result;
use crate::image::Source;
use crate::options::options;
use crate::progress::warn;
use crate::reports::{MachineReport, wrapped};

#[derive(IntoPyObject)]
struct NetworkReport<'a> {
    name: &'a str,
    family: &'a str,
    paper: &'a str,
    width: f64,
    depth: f64,
    input: [usize; 3],
    classes: usize,
    padding: &'static str,
    epsilon: f32,
    preprocess: String,
    parameters: usize,
    macs: u64,
    weights: Vec<&'a str>,
}

/// The networks that have names, and what they cost. The keys are those of `sepconv models --json`.
#[pyfunction]
pub(crate) fn networks(py: Python<'_>) -> Result<Bound<'_, PyAny>> {
    let variants = zoo::all().iter().flat_map(|table| table.variants.iter().map(move |variant| (table, variant)));
    let report = |(table, variant): (&'static std::sync::Arc<zoo::Table>, &'static zoo::Variant)| {
        let graph = Network::new(table.clone(), &variant.name)?.graph(&mut ZeroWeights)?;
        Ok(NetworkReport {
            name: &variant.name,
            family: &table.title,
            paper: &table.paper,
            width: variant.width,
            depth: variant.depth,
            input: variant.input,
            classes: variant.classes,
            padding: match variant.padding {
                Padding::Symmetric => "symmetric",
                Padding::Same => "same",
            },
            epsilon: variant.epsilon,
            preprocess: variant.preprocess.text(),
            parameters: graph.parameters(),
            macs: graph.macs(),
            weights: variant.weights.iter().map(String::as_str).collect(),
        })
    };
    let reports = py.detach(|| variants.map(report).collect::<sepconv::Result<Vec<_>>>())?;
    wrapped(py, "Networks", reports)
}

/// The peak rates of this machine, measured in about a second. The keys are those of `sepconv machine --json`, without
/// `processor`.
#[pyfunction]
#[pyo3(signature = (**keywords))]
pub(crate) fn machine<'py>(py: Python<'py>, keywords: Option<&Bound<'py, PyDict>>) -> Result<Bound<'py, PyAny>> {
    let measured = measured(py, &options(keywords)?)?;
    Ok(MachineReport::from(&measured).into_pyobject(py)?.into_any())
}

fn measured(py: Python<'_>, options: &Options) -> Result<Machine> {
    let machine = py.detach(|| Machine::measure(options))?;
    if let Some(doubt) = machine.doubt() {
        warn(py, &format!("peak rates were measured on a busy machine: {doubt}"))?;
    }
    Ok(machine)
}

/// As [`machine`], measured once in each process.
pub(crate) fn known_machine(py: Python<'_>, isa: &'static str, threads: usize) -> Result<Machine> {
    static KNOWN: Mutex<BTreeMap<(&str, usize), Machine>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(machine) = known().get(&(isa, threads)) {
        return Ok(machine.clone());
    }
    let machine = measured(py, &Options::default().isa(isa).threads(threads))?;
    known().insert((isa, threads), machine.clone());
    Ok(machine)
}

/// Decodes an image, a path or the bytes of a PNG, JPEG, BMP or WebP file, to a height x width x 3 array of uint8.
#[pyfunction]
pub(crate) fn decode_image<'py>(image: &Bound<'py, PyAny>) -> Result<Bound<'py, PyArray3<u8>>> {
    let py = image.py();
    let image = Source::new(image)?.with(py, Ok)?;
    let array = PyArray3::zeros(py, [image.height(), image.width(), 3], false);
    array.readwrite().as_slice_mut().map_err(PyErr::from)?.copy_from_slice(image.rgb());
    Ok(array)
}
