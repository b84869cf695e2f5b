//! What is known of a network and was measured, as plain objects.

use sepconv::measure::compare::{Candidate, Comparison, NetworkComparison};
use sepconv::measure::profile::Profile;
use sepconv::{Format, Graph, ImageInput, Labels, Layer, Model, Plan, Port, Preprocess, TensorInfo, TensorSpec};
use wasm_bindgen::JsValue;

use crate::values::{IntoNumber, Result, list, numbers, object};

/// What a network is. `graph` is the file's own, of known shapes.
pub(crate) fn info(model: &Model, graph: &Graph, preprocess: &Preprocess, labels: Option<&Labels>) -> Result<JsValue> {
    let image = model.image_input(graph).ok();
    let preprocess = || {
        object(&[
            ("text", preprocess.text().into()),
            ("formula", preprocess.formula().into()),
            ("source", preprocess.source().to_string().into()),
        ])
    };
    let size = |image: ImageInput| {
        let [width, height, channels] = [image.width, image.height, image.channels].map(IntoNumber::into_number);
        object(&[("width", width), ("height", height), ("channels", channels)])
    };
    let format = match model.format() {
        Format::Onnx => "onnx",
        Format::Tflite => "tflite",
        Format::Built => "family",
    };
    let own = model.labels();
    let labels = labels.or(own.as_ref()).map_or(&[][..], Labels::names);
    Ok(object(&[
        ("name", model.name().into()),
        ("format", format.into()),
        ("description", model.description().map_or(JsValue::NULL, JsValue::from)),
        ("inputs", ports(graph, graph.inputs(), model.inputs())?),
        ("outputs", ports(graph, graph.outputs(), model.outputs())?),
        ("image", image.map_or(JsValue::NULL, size)),
        ("preprocess", image.map_or(JsValue::NULL, |_| preprocess())),
        ("labels", list(labels.iter().map(JsValue::from))),
        ("parameters", graph.parameters().into_number()),
        ("macs", graph.macs().into_number()),
    ]))
}

/// The inputs or outputs, with the types that the file gives them.
fn ports(graph: &Graph, ports: &[Port], specs: &[TensorSpec]) -> Result<JsValue> {
    let one = |port: &Port| -> Result<JsValue> {
        let info = TensorInfo::new(graph, port)?;
        let element = specs.iter().find(|spec| spec.name == info.name).map_or(info.dtype.into(), |spec| spec.element);
        let quantization = info.quantization.as_ref().and_then(|quantization| quantization.as_per_tensor());
        let (scale, zero_point) = quantization.unzip();
        Ok(object(&[
            ("name", info.name.into()),
            ("shape", numbers(&info.shape)),
            ("type", format!("{element:?}").to_lowercase().into()),
            ("scale", scale.into()),
            ("zeroPoint", zero_point.into()),
        ]))
    };
    Ok(list(ports.iter().map(one).collect::<Result<Vec<_>>>()?))
}

/// The layers of a plan, in order.
pub(crate) fn layers(plan: &Plan) -> JsValue {
    list(plan.layers().iter().map(|layer: &Layer| {
        let block = layer.block.map_or(JsValue::NULL, |block| {
            let kind = plan.blocks()[block].kind.to_string();
            object(&[("number", block.into_number()), ("kind", kind.into())])
        });
        object(&[
            ("name", (&layer.name).into()),
            ("op", (&layer.op).into()),
            ("kernel", (&layer.kernel).into()),
            ("reason", (&layer.reason).into()),
            ("step", layer.step.into_number()),
            ("block", block),
            ("inputs", list(layer.inputs.iter().map(|shape| numbers(shape)))),
            ("output", numbers(&layer.output)),
            ("type", layer.output_dtype.to_string().into()),
            ("parameters", layer.parameters.into_number()),
            ("macs", layer.macs.into_number()),
        ])
    }))
}

/// The times of whole runs, and when each stage of the run of the median ended: inputs, steps, outputs.
pub(crate) fn profile(profile: &Profile) -> JsValue {
    let milliseconds = |values: &[f64]| list(values.iter().map(|&ms| ms.into()));
    object(&[("runs", milliseconds(profile.totals().all())), ("ends", milliseconds(profile.typical_run()))])
}

/// Pairs and the whole network, beside standard convolutions.
pub(crate) fn comparison(comparison: &NetworkComparison) -> JsValue {
    let candidate = |candidate: &Candidate| {
        let cost = candidate.cost();
        object(&[
            ("macs", cost.macs.into_number()),
            ("parameters", cost.parameters.into_number()),
            ("minMs", candidate.times().min().into()),
            ("medianMs", candidate.times().median().into()),
        ])
    };
    let both = |comparison: &Comparison| {
        [
            ("separable", candidate(&comparison.separable)),
            ("standard", candidate(&comparison.standard)),
            ("theoreticalSpeedup", comparison.theoretical_speedup().into()),
            ("measuredSpeedup", comparison.measured_speedup().into()),
        ]
    };
    let pairs = comparison.pairs().iter().map(|pair| {
        let [separable, standard, theoretical, measured] = both(&pair.comparison);
        object(&[
            ("depthwise", (&pair.depthwise).into()),
            ("pointwise", (&pair.pointwise).into()),
            ("kind", if pair.projection { "projection" } else { "separable" }.into()),
            ("squeezeExcite", pair.squeeze_excite.into()),
            ("kernel", numbers(&pair.kernel)),
            ("stride", numbers(&pair.stride)),
            ("channels", numbers(&pair.channels)),
            ("plane", numbers(&pair.plane)),
            separable,
            standard,
            theoretical,
            measured,
        ])
    });
    object(&[("pairs", list(pairs)), ("network", object(&both(comparison.network())))])
}
