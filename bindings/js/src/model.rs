//! A network and what it is asked.

use std::ops::ControlFlow;

use js_sys::{Function, Uint32Array};
use sepconv::measure::compare::NetworkComparison;
use sepconv::{Classifier, Error, Graph, Image, Labels, Model, Options, Preprocess, ProgressEvent, Session, Tensor};
use wasm_bindgen::prelude::*;

use crate::report;
use crate::tensors;
use crate::values::{IntoNumber, Result, list, object};

/// A network, and what of it has been made ready to run.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Network {
    model: Model,
    options: Options,
    preprocess: Option<Preprocess>,
    labels: Option<Labels>,
    session: Option<Session>,
    classifier: Option<Classifier>,
}

#[wasm_bindgen]
impl Network {
    /// Reads the bytes of a model file. `names` and `shapes` are of inputs whose sizes the file leaves open, `labels`
    /// has one a line.
    #[wasm_bindgen(constructor)]
    pub fn new(
        bytes: Vec<u8>,
        name: String,
        batch: usize,
        names: Vec<String>,
        shapes: Vec<Uint32Array>,
        preprocess: Option<String>,
        labels: Option<String>,
    ) -> Result<Network> {
        let model = Model::from_bytes(name, bytes)?;
        let mut options = Options::default().threads(1).batch(batch);
        for (name, shape) in names.into_iter().zip(shapes) {
            options = options.shape(name, shape.to_vec().into_iter().map(|size| size as usize).collect::<Vec<_>>());
        }
        let usual = model.usual_geometry();
        let parsed = |text: String| -> Result<Preprocess> {
            let stated: Preprocess = text.parse()?;
            Ok(if stated.own_geometry().is_some() { stated } else { stated.geometry(usual) })
        };
        let preprocess = preprocess.map(parsed).transpose()?;
        let labels = labels.map(|text| Labels::parse(&text)).transpose()?;
        Ok(Self { model, options, preprocess, labels, session: None, classifier: None })
    }

    /// What the network is, once its file has been understood.
    pub fn info(&self) -> Result<JsValue> {
        report::info(&self.model, &self.graph()?, &self.preprocess()?, self.labels.as_ref())
    }

    /// Runs the network on one typed array for each input; returns `{data, shape}` for each output.
    pub fn run(&mut self, inputs: Vec<JsValue>) -> Result<JsValue> {
        let session = self.session()?;
        let tensors = tensors::inputs(session, &inputs)?;
        let outputs = session.run(&tensors.iter().collect::<Vec<&Tensor>>())?;
        Ok(list(outputs.iter().map(tensors::object_of)))
    }

    /// Forgets the state that runs have left.
    pub fn reset(&mut self) {
        if let Some(session) = &mut self.session {
            session.reset();
        }
    }

    /// The likeliest `top` classes of an image.
    pub fn classify(&mut self, pixels: &[u8], width: usize, height: usize, top: usize) -> Result<JsValue> {
        let image = image(pixels, width, height)?;
        let predictions = self.classifier()?.classify(&image, top)?;
        Ok(list(predictions.into_iter().map(|prediction| {
            object(&[
                ("output", prediction.output.into_number()),
                ("class", prediction.class.map_or(JsValue::NULL, IntoNumber::into_number)),
                ("label", prediction.label.map_or(JsValue::NULL, JsValue::from)),
                ("score", prediction.score.into()),
            ])
        })))
    }

    /// The network's input for an image: `{data, shape}`.
    #[wasm_bindgen(js_name = imageTensor)]
    pub fn image_tensor(&self, pixels: &[u8], width: usize, height: usize) -> Result<JsValue> {
        let input = self.model.image_input(&self.graph()?)?;
        Ok(tensors::object_of(&input.tensor(&image(pixels, width, height)?, &self.preprocess()?)?))
    }

    /// The layers as they run.
    pub fn layers(&mut self) -> Result<JsValue> {
        measures()?;
        Ok(report::layers(self.session()?.plan()))
    }

    /// The milliseconds of each step in the run of the median, of several on the same inputs.
    pub fn profile(&mut self, inputs: Vec<JsValue>, runs: usize) -> Result<JsValue> {
        measures()?;
        let session = self.session()?;
        let tensors = tensors::inputs(session, &inputs)?;
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        Ok(report::profile(&session.profile(&tensors, runs, &mut ProgressEvent::ignore)?))
    }

    /// Separable convolutions beside standard ones, over `rounds`. Where `progress(done, total)` returns `false` it
    /// stops.
    pub fn compare(&self, rounds: usize, progress: &Function) -> Result<JsValue> {
        measures()?;
        let mut comparison = NetworkComparison::new(&self.model, &self.options)?;
        comparison.measure(rounds, &mut |event| match progress.call2(
            &JsValue::NULL,
            &event.done.into_number(),
            &event.total.into_number(),
        ) {
            Ok(answer) if answer != JsValue::FALSE => ControlFlow::Continue(()),
            Ok(_) | Err(_) => ControlFlow::Break(()),
        })?;
        Ok(report::comparison(&comparison))
    }
}

/// Fails where the module was built without the feature `measure`: the compiler leaves out what would follow.
#[inline(always)]
fn measures() -> Result<()> {
    if cfg!(feature = "measure") {
        return Ok(());
    }
    Err(Error::unsupported("this module describes and measures no layers")
        .help("initialize the module \"full\"")
        .into())
}

impl Network {
    fn graph(&self) -> Result<Graph> {
        Ok(self.model.import(&self.options)?)
    }

    fn preprocess(&self) -> Result<Preprocess> {
        match &self.preprocess {
            Some(preprocess) => Ok(preprocess.clone()),
            None => Ok(self.model.preprocess()?),
        }
    }

    fn session(&mut self) -> Result<&mut Session> {
        match &mut self.session {
            Some(session) => Ok(session),
            none => Ok(none.insert(self.model.compile(&self.options)?.session()?)),
        }
    }

    fn classifier(&mut self) -> Result<&mut Classifier> {
        let none = match &mut self.classifier {
            Some(classifier) => return Ok(classifier),
            none => none,
        };
        let mut classifier = Classifier::new(&self.model, &self.options)?;
        if let Some(preprocess) = &self.preprocess {
            classifier = classifier.with_preprocess(preprocess.clone());
        }
        if let Some(labels) = &self.labels {
            classifier = classifier.with_labels(labels.clone())?;
        }
        Ok(none.insert(classifier))
    }
}

/// The image of pixels of three or four bytes each.
fn image(pixels: &[u8], width: usize, height: usize) -> Result<Image> {
    let is_rgb = pixels.len() == width.saturating_mul(height).saturating_mul(3);
    let rgb = match is_rgb {
        true => pixels.to_vec(),
        false => pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect(),
    };
    Ok(Image::from_rgb(width, height, rgb)?)
}
