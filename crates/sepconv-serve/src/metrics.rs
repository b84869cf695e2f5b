use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::ServedModel;

/// Bounds of the histograms of time, in seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Bounds of the histogram of batches, in images.
const BATCHES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// What the server counts, in Prometheus's text format.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    body_size: Gauge,
    models: Vec<ModelMetrics>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("models", &self.models).finish_non_exhaustive()
    }
}

/// What is counted of one network.
#[derive(Clone, Debug)]
pub(crate) struct ModelMetrics {
    pub(crate) queue_length: Gauge,
    pub(crate) batch_size: Histogram,
    pub(crate) queue_time: Histogram,
    pub(crate) compute_time: Histogram,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    model: String,
    code: u16,
}

impl Metrics {
    pub(crate) fn new(models: &[ServedModel]) -> Self {
        type Histograms = Family<ModelLabels, Histogram, fn() -> Histogram>;
        let times = || Histograms::new_with_constructor(|| Histogram::new(SECONDS));
        let (queue_time, compute_time) = (times(), times());
        let batch_size = Histograms::new_with_constructor(|| Histogram::new(BATCHES));
        let queue_length = Family::<ModelLabels, Gauge>::default();
        let (requests, body_size) = (Family::default(), Gauge::default());
        let mut registry = Registry::with_prefix("sepconv");
        registry.register("requests", "Inference requests by status of the answer", requests.clone());
        registry.register("queue_length", "Requests that wait for a worker", queue_length.clone());
        registry.register("batch_size", "Images that are computed at a time", batch_size.clone());
        registry.register_with_unit("body_size", "Bodies of requests in memory", Unit::Bytes, body_size.clone());
        let [queue_help, compute_help] =
            ["Time from a request's arrival to a worker's taking it", "Time of decoding, running and encoding a batch"];
        registry.register_with_unit("queue_time", queue_help, Unit::Seconds, queue_time.clone());
        registry.register_with_unit("compute_time", compute_help, Unit::Seconds, compute_time.clone());
        let models = models.iter().map(|model| {
            let labels = ModelLabels { model: model.name().to_owned() };
            ModelMetrics {
                queue_length: queue_length.get_or_create_owned(&labels),
                batch_size: batch_size.get_or_create_owned(&labels),
                queue_time: queue_time.get_or_create_owned(&labels),
                compute_time: compute_time.get_or_create_owned(&labels),
            }
        });
        Self { models: models.collect(), registry, requests, body_size }
    }

    /// What is counted of the network at this position.
    pub(crate) fn of(&self, model: usize) -> &ModelMetrics {
        &self.models[model]
    }

    /// Counts an inference request by its answer. `model` is empty where no network has the request's name.
    pub(crate) fn count(&self, model: &str, status: StatusCode) {
        let labels = RequestLabels { model: model.to_owned(), code: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
    }

    /// All of it, where the bodies of requests take so many bytes.
    pub(crate) fn text(&self, bodies: usize) -> Result<String, fmt::Error> {
        self.body_size.set(bodies as i64);
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

impl ModelMetrics {
    /// Counts a batch of `rows` images that took so long.
    pub(crate) fn observe_batch(&self, rows: usize, time: Duration) {
        self.batch_size.observe(rows as f64);
        self.compute_time.observe(time.as_secs_f64());
    }
}
