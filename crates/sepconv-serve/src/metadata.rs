//! What the server and its networks are.

use serde_json::{Value, json};

use crate::datatype;
use crate::model::{ServedModel, TensorPort};

/// The only version that a network has.
pub(crate) const VERSION: &str = "1";

pub(crate) fn server() -> Value {
    json!({
        "name": "sepconv",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data", "classification", "model_repository"],
    })
}

pub(crate) fn model(model: &ServedModel) -> Value {
    let ports = |ports: &[TensorPort]| ports.iter().map(|port| tensor(model, port)).collect::<Vec<_>>();
    let mut metadata = json!({
        "name": model.name(),
        "versions": [VERSION],
        "platform": model.platform(),
        "inputs": ports(model.inputs()),
        "outputs": ports(model.outputs()),
        "parameters": { "max_batch_size": model.batch() },
    });
    if let Some(preprocess) = model.preprocess() {
        metadata["parameters"]["image_preprocess"] = preprocess.text().into();
    }
    metadata
}

/// The first axis of a network with a batch has no size of its own.
fn tensor(model: &ServedModel, port: &TensorPort) -> Value {
    let mut shape: Vec<i64> = port.info.shape.iter().map(|&size| size as i64).collect();
    if let (true, Some(first)) = (model.has_batch(), shape.first_mut()) {
        *first = -1;
    }
    json!({ "name": port.info.name, "datatype": datatype::name(port.element), "shape": shape })
}

/// The networks, all of which are ready.
pub(crate) fn index(models: &[ServedModel]) -> Value {
    let entry =
        |model: &ServedModel| json!({ "name": model.name(), "version": VERSION, "state": "READY", "reason": "" });
    models.iter().map(entry).collect()
}
