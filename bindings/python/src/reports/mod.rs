//! Results as dicts, with the keys of the program's JSON.

pub(crate) mod compare;
pub(crate) mod inspect;
pub(crate) mod profile;
pub(crate) mod quantize;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::measure::machine::Peaks;
use sepconv::{Accuracy, ElementType, Geometry, Machine, Preprocess, TensorInfo};

use crate::arrays::element_name;
use crate::error::Result;

/// A dict or list as the class of `sepconv._reports` that shows it as a table.
pub(crate) fn wrapped<'py>(py: Python<'py>, class: &str, value: impl IntoPyObject<'py>) -> Result<Bound<'py, PyAny>> {
    let value = value.into_bound_py_any(py)?;
    Ok(py.import("sepconv._reports")?.getattr(class)?.call1((value,))?)
}

/// One dict with the keys of both.
pub(crate) fn joined<'py, A, B>(py: Python<'py>, a: A, b: B) -> PyResult<Bound<'py, PyDict>>
where
    A: IntoPyObject<'py, Output = Bound<'py, PyDict>, Error = PyErr>,
    B: IntoPyObject<'py, Output = Bound<'py, PyDict>, Error = PyErr>,
{
    let joined = a.into_pyobject(py)?;
    joined.update(b.into_pyobject(py)?.as_mapping())?;
    Ok(joined)
}

/// An input or output.
pub(crate) struct Port<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: Vec<Option<usize>>,
    pub(crate) element: ElementType,
    pub(crate) quantization: Option<(f32, i32)>,
}

impl<'a> Port<'a> {
    pub(crate) fn of(info: &'a TensorInfo, element: ElementType) -> Self {
        let quantization = info.quantization.as_ref().and_then(|quantization| quantization.as_per_tensor());
        Self { name: &info.name, shape: info.shape.iter().map(|&size| Some(size)).collect(), element, quantization }
    }

    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let (scale, zero_point) = self.quantization.unzip();
        let make = py.import("sepconv._types")?.getattr("tensor_info")?;
        make.call1((self.name, self.shape, element_name(self.element), scale, zero_point))
    }
}

#[derive(IntoPyObject)]
pub(crate) struct PreprocessReport {
    name: String,
    formula: String,
    geometry: &'static str,
    whole: bool,
    source: String,
}

impl From<&Preprocess> for PreprocessReport {
    fn from(preprocess: &Preprocess) -> Self {
        Self {
            name: preprocess.name().to_owned(),
            formula: preprocess.formula().to_owned(),
            geometry: preprocess.own_geometry().unwrap_or(Geometry::ResizeCrop).name(),
            whole: preprocess.own_geometry() == Some(Geometry::NoCrop),
            source: preprocess.source().to_string(),
        }
    }
}

#[derive(IntoPyObject)]
pub(crate) struct AccuracyReport {
    images: usize,
    top1: usize,
    top5: usize,
    top1_percent: f64,
    top1_interval: [f64; 2],
    failed: usize,
}

#[derive(IntoPyObject)]
struct EvaluationReport<'a> {
    model: &'a str,
    preprocess: PreprocessReport,
    images_per_second: f64,
    unlabelled: usize,
}

impl From<Accuracy> for AccuracyReport {
    fn from(accuracy: Accuracy) -> Self {
        let (top1_percent, top1_interval) = (accuracy.top1_percent(), accuracy.top1_interval());
        let Accuracy { images, top1, top5, failed, .. } = accuracy;
        Self { images, top1, top5, top1_percent, top1_interval, failed }
    }
}

impl AccuracyReport {
    pub(crate) fn evaluation<'py>(
        self,
        py: Python<'py>,
        model: &str,
        preprocess: &Preprocess,
        unlabelled: usize,
        seconds: f64,
    ) -> Result<Bound<'py, PyAny>> {
        let (preprocess, images_per_second) = (preprocess.into(), self.images as f64 / seconds);
        let report = EvaluationReport { model, preprocess, images_per_second, unlabelled };
        wrapped(py, "Evaluation", joined(py, report, self)?)
    }
}

#[derive(IntoPyObject)]
pub(crate) struct MachineReport {
    isa: String,
    threads: usize,
    single_thread: PeaksReport,
    all_threads: PeaksReport,
    join_us: f64,
}

#[derive(IntoPyObject)]
struct PeaksReport {
    floats: f64,
    bytes: f64,
    l2: f64,
    l3: f64,
    dram: f64,
}

impl From<&Machine> for MachineReport {
    fn from(machine: &Machine) -> Self {
        let Machine { isa, threads, single_thread, all_threads, join_us } = machine.clone();
        Self { isa, threads, single_thread: single_thread.into(), all_threads: all_threads.into(), join_us }
    }
}

impl From<Peaks> for PeaksReport {
    fn from(Peaks { floats, bytes, l2, l3, dram }: Peaks) -> Self {
        Self { floats, bytes, l2, l3, dram }
    }
}
