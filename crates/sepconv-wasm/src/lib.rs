//! sepconv for JavaScript: from the bytes of a model file and the pixels of an image to what it shows.
//!
//! What is allowed here: values that cross from JavaScript and back. Browsers decode images themselves, so that no
//! decoder is in the module. No `unsafe`.
#![forbid(unsafe_code)]

use sepconv::{Image, Labels, Model, Options, Preprocess};
use wasm_bindgen::prelude::*;

/// A network that names what images show.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Classifier(sepconv::Classifier);

/// What a network thinks an image shows.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Prediction(sepconv::Prediction);

#[wasm_bindgen]
impl Classifier {
    /// Reads the bytes of a model file (.onnx, .tflite) and makes the network ready to run. `preprocess` says how
    /// pixels become its numbers (`tf`, `torch`, `unit`, `raw` or `MEAN/STD`), `labels` what its classes are called,
    /// one a line; without them the file's own hold.
    ///
    /// # Errors
    /// When the file is not understood, or the network does not score the classes of an image.
    #[wasm_bindgen(constructor)]
    pub fn new(model: Vec<u8>, preprocess: Option<String>, labels: Option<String>) -> Result<Self, JsError> {
        let model = Model::from_bytes("model", model)?;
        let mut classifier = sepconv::Classifier::new(&model, &Options::default().threads(1))?;
        if let Some(text) = preprocess {
            classifier = classifier.with_preprocess(text.parse::<Preprocess>()?);
        }
        if let Some(text) = labels {
            classifier = classifier.with_labels(Labels::parse(&text)?)?;
        }
        Ok(Self(classifier))
    }

    /// The likeliest `top` classes of an image, likeliest first: `rgba` are its pixels as `ImageData` holds them.
    ///
    /// # Errors
    /// When the pixels do not fill the image or it cannot be resized.
    pub fn classify(
        &mut self,
        rgba: &[u8],
        width: usize,
        height: usize,
        top: usize,
    ) -> Result<Vec<Prediction>, JsError> {
        let rgb = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        let predictions = self.0.classify(&Image::from_rgb(width, height, rgb)?, top)?;
        Ok(predictions.into_iter().map(Prediction).collect())
    }
}

#[wasm_bindgen]
impl Prediction {
    /// The class, without the background class where there is one (`undefined` is the background).
    #[wasm_bindgen(getter)]
    pub fn class(&self) -> Option<usize> {
        self.0.class
    }

    /// Its name, where labels are known.
    #[wasm_bindgen(getter)]
    pub fn label(&self) -> Option<String> {
        self.0.label.clone()
    }

    /// From 0 to 1; those of all classes add up to 1.
    #[wasm_bindgen(getter)]
    pub fn score(&self) -> f32 {
        self.0.score
    }
}
