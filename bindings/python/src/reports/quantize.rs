//! From f32 to int8.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use sepconv::vision::{folders_in, images_in};
use sepconv::{
    CompiledModel, Error, Graph, LayerReport, Model, Options, Preprocess, Quantizer, Range, Report, Tensor, onnx,
};

use super::{PreprocessReport, wrapped};
use crate::arrays::Input;
use crate::compiled::inputs;
use crate::error::Result;
use crate::progress::Monitor;

/// What is quantized, and how.
pub(crate) struct Quantization<'a> {
    pub(crate) model: &'a Model,
    pub(crate) options: Options,
    pub(crate) preprocess: Preprocess,
    pub(crate) quantizer: Quantizer,
    /// How many images of a folder are used.
    pub(crate) images: usize,
}

#[derive(IntoPyObject)]
struct QuantizationReport<'a> {
    model: &'a str,
    preprocess: PreprocessReport,
    file_bytes: usize,
    samples: usize,
    layers: Vec<LayerEntry>,
    equalized: Vec<[String; 2]>,
    sqnr_db: Option<f64>,
    float_weight_bytes: usize,
    quantized_weight_bytes: usize,
}

#[derive(IntoPyObject)]
struct LayerEntry {
    name: String,
    kind: String,
    dtype: &'static str,
    sqnr_db: Option<f64>,
    alone_db: Option<f64>,
}

impl From<LayerReport> for LayerEntry {
    fn from(layer: LayerReport) -> Self {
        let LayerReport { name, kind, integer, sqnr, alone } = layer;
        Self {
            name,
            kind,
            dtype: if integer { "u8" } else { "f32" },
            sqnr_db: finite(sqnr),
            alone_db: alone.and_then(finite),
        }
    }
}

/// Nothing where nothing is lost.
fn finite(decibels: f64) -> Option<f64> {
    Some(decibels).filter(|decibels| decibels.is_finite())
}

/// How activation ranges are derived, by its name: `mse`, `minmax` or `percentile:99.99`.
pub(crate) fn quantizer(range: &str) -> Result<Quantizer> {
    let percent = || range.strip_prefix("percentile:")?.parse().ok().filter(|percent| (50.0..=100.0).contains(percent));
    let range = match range {
        "mse" => Range::Mse,
        "minmax" => Range::MinMax,
        _ => Range::Percentile(percent().ok_or_else(|| {
            Error::argument("unknown range of activations")
                .expected("mse, minmax or percentile:99.99", format_args!("{range:?}"))
        })?),
    };
    Ok(Quantizer::default().range(range))
}

impl Quantization<'_> {
    /// The quantized network as an ONNX file, and the report.
    pub(crate) fn run<'py>(
        self,
        calibration: &Bound<'py, PyAny>,
        mut monitor: Monitor,
    ) -> Result<(Vec<u8>, Bound<'py, PyAny>)> {
        let py = calibration.py();
        let graph = py.detach(|| self.model.graph(&self.options))?;
        self.quantizer.check(&graph).map_err(|error| error.in_file(self.model.name()))?;
        let given = match calibration.extract::<PathBuf>() {
            Ok(folder) => Samples::Folder(folder),
            Err(_) => Samples::Tensors(self.tensors(calibration)?),
        };
        let quantized = py.detach(|| {
            let samples = match given {
                Samples::Folder(folder) => self.images(&graph, &folder, &mut monitor)?,
                Samples::Tensors(tensors) => tensors,
            };
            let quantized = self.quantizer.run(&graph, &samples, &self.options, &mut |event| monitor.hear(event))?;
            let mut metadata = self.model.metadata()?;
            metadata.preprocess = metadata.preprocess.or_else(|| Some(self.preprocess.text()));
            let bytes = onnx::write(&quantized.graph, &metadata)?;
            Ok((bytes, samples.len(), quantized.report))
        });
        let (bytes, samples, Report { layers, equalized, sqnr, float_bytes, bytes: quantized_bytes }) =
            monitor.outcome(quantized)?;
        let report = QuantizationReport {
            model: self.model.name(),
            preprocess: (&self.preprocess).into(),
            file_bytes: bytes.len(),
            samples,
            layers: layers.into_iter().map(LayerEntry::from).collect(),
            equalized,
            sqnr_db: finite(sqnr),
            float_weight_bytes: float_bytes,
            quantized_weight_bytes: quantized_bytes,
        };
        let report = wrapped(py, "Quantization", report)?;
        Ok((bytes, report))
    }

    /// What `run` takes, for each sample.
    fn tensors(&self, calibration: &Bound<'_, PyAny>) -> Result<Vec<Vec<Tensor>>> {
        let compiled: CompiledModel = calibration.py().detach(|| self.model.compile(&self.options))?;
        let elements: Vec<_> = self.model.inputs().iter().map(|input| input.element).collect();
        let sample = |given: PyResult<Bound<'_, PyAny>>| {
            inputs(&compiled, &elements, &given?)?.iter().map(Input::tensor).collect()
        };
        calibration.try_iter()?.map(sample).collect()
    }

    /// The inputs for images of a folder or of its subfolders, spread evenly over their names.
    fn images(&self, graph: &Graph, folder: &Path, monitor: &mut Monitor) -> sepconv::Result<Vec<Vec<Tensor>>> {
        let mut found = images_in(folder)?;
        if found.is_empty() {
            found = folders_in(folder)?.iter().map(images_in).collect::<sepconv::Result<Vec<_>>>()?.concat();
        }
        if found.is_empty() {
            return Err(Error::io("directory holds no images").in_file(&folder.display().to_string()));
        }
        let count = found.len().min(self.images.max(1));
        let spread: Vec<_> = (0..count).map(|i| found[i * found.len() / count].clone()).collect();
        let input = self.model.image_input(graph)?;
        let tensors = input.tensors(&spread, &self.preprocess, &mut |event| monitor.hear(event))?;
        Ok(tensors.into_iter().map(|tensor| vec![tensor]).collect())
    }
}

enum Samples {
    Folder(PathBuf),
    Tensors(Vec<Vec<Tensor>>),
}
