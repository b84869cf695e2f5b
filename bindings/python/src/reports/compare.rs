//! Separable convolutions beside standard ones.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sepconv::measure::compare::{Candidate, Comparison, LayerComparison, NetworkComparison};

use super::{joined, wrapped};
use crate::error::Result;

#[derive(IntoPyObject)]
struct Report<'py> {
    model: String,
    isa: &'static str,
    threads: usize,
    rounds: usize,
    pairs: Vec<Bound<'py, PyDict>>,
    unpaired: Vec<Unpaired>,
    network: ComparisonReport,
}

#[derive(IntoPyObject)]
struct PairReport {
    depthwise: String,
    pointwise: String,
    kind: &'static str,
    squeeze_excite: bool,
    kernel: [usize; 2],
    stride: [usize; 2],
    channels: [usize; 2],
    plane: [usize; 2],
}

#[derive(IntoPyObject)]
struct ComparisonReport {
    separable: CandidateReport,
    standard: CandidateReport,
    theoretical_speedup: f64,
    measured_speedup: f64,
}

#[derive(IntoPyObject)]
struct CandidateReport {
    macs: u64,
    parameters: usize,
    weight_bytes: usize,
    activation_bytes: usize,
    min_ms: f64,
    median_ms: f64,
    ms: Vec<f64>,
}

#[derive(IntoPyObject)]
struct Unpaired {
    name: String,
    reason: &'static str,
}

impl From<&LayerComparison> for PairReport {
    fn from(pair: &LayerComparison) -> Self {
        Self {
            depthwise: pair.depthwise.clone(),
            pointwise: pair.pointwise.clone(),
            kind: if pair.projection { "projection" } else { "separable" },
            squeeze_excite: pair.squeeze_excite,
            kernel: pair.kernel,
            stride: pair.stride,
            channels: pair.channels,
            plane: pair.plane,
        }
    }
}

impl From<&Comparison> for ComparisonReport {
    fn from(comparison: &Comparison) -> Self {
        Self {
            separable: (&comparison.separable).into(),
            standard: (&comparison.standard).into(),
            theoretical_speedup: comparison.theoretical_speedup(),
            measured_speedup: comparison.measured_speedup(),
        }
    }
}

impl From<&Candidate> for CandidateReport {
    fn from(candidate: &Candidate) -> Self {
        let (cost, times) = (candidate.cost(), candidate.times());
        Self {
            macs: cost.macs,
            parameters: cost.parameters,
            weight_bytes: cost.weight_bytes,
            activation_bytes: cost.activation_bytes,
            min_ms: times.min(),
            median_ms: times.median(),
            ms: times.all().to_vec(),
        }
    }
}

/// See `Model.compare`.
pub(crate) fn comparison<'py>(
    py: Python<'py>,
    model: &str,
    rounds: usize,
    comparison: &NetworkComparison,
) -> Result<Bound<'py, PyAny>> {
    let pair = |pair: &LayerComparison| joined(py, PairReport::from(pair), ComparisonReport::from(&pair.comparison));
    let unpaired = comparison.unpaired().iter().map(|(name, reason)| Unpaired { name: name.clone(), reason });
    let report = Report {
        model: model.to_owned(),
        isa: comparison.isa(),
        threads: comparison.threads(),
        rounds,
        pairs: comparison.pairs().iter().map(pair).collect::<PyResult<_>>()?,
        unpaired: unpaired.collect(),
        network: comparison.network().into(),
    };
    wrapped(py, "Comparison", report)
}
