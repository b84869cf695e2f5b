use sepconv_core::op::QuantParams;
use sepconv_core::{DType, Data, Error, Graph, Result, Tensor};

use super::pixels::{Elements, Tables};
use crate::compiled::quantization;
use crate::model::with_file;
use crate::quantize::with_quantized_input;
use crate::{
    CompiledModel, Geometry, Image, ImageInput, Labels, Layout, Model, Options, Preprocess, Session, class_of,
};

/// What a network thinks an image shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The position among the network's outputs.
    pub output: usize,
    /// The class: the output without the background class, where there is one (`None` is the background).
    pub class: Option<usize>,
    /// Its name, where labels are known.
    pub label: Option<String>,
    /// From 0 to 1; those of all classes add up to 1.
    pub score: f32,
}

/// A network that names what images show: a [`Session`] with pre-processing before it and labels after it.
///
/// ```no_run
/// use sepconv::{Classifier, Image, Model, Options};
///
/// let model = Model::open("mobilenet_v2.onnx")?;
/// let mut classifier = Classifier::new(&model, &Options::default())?;
/// for prediction in classifier.classify(&Image::open("photo.jpg")?, 5)? {
///     println!("{:?} {:.3}", prediction.class, prediction.score);
/// }
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Debug)]
pub struct Classifier {
    session: Session,
    input: ImageInput,
    elements: Elements,
    tensor: Tensor,
    preprocess: Preprocess,
    /// What pre-processing without a geometry means for this network.
    usual_geometry: Geometry,
    tables: Tables,
    labels: Option<Labels>,
    /// How bytes of the output stand for scores.
    quantization: Option<QuantParams>,
    scores: Vec<f32>,
    softmax_added: bool,
}

/// What a classifier needs of its model beside the graph.
pub(crate) struct ModelInfo {
    name: String,
    layout: Layout,
    preprocess: Preprocess,
    usual_geometry: Geometry,
    labels: Option<Labels>,
}

impl ModelInfo {
    pub(crate) fn of(model: &Model) -> Result<Self> {
        Ok(Self {
            name: model.name().to_owned(),
            layout: model.usual_layout(),
            preprocess: model.preprocess()?,
            usual_geometry: model.usual_geometry(),
            labels: model.labels(),
        })
    }
}

impl Classifier {
    /// Compiles a network of one image input whose first output is a score for each class. Pre-processing is the
    /// file's or the [default](Model::preprocess); labels are the file's, where there is one for each class.
    ///
    /// # Errors
    /// Those of [`Model::compile`], and when the network is not of this kind.
    pub fn new(model: &Model, options: &Options) -> Result<Self> {
        Self::from_graph(model.import(options)?, ModelInfo::of(model)?, options)
    }

    pub(crate) fn from_graph(graph: Graph, origin: ModelInfo, options: &Options) -> Result<Self> {
        let name = origin.name.clone();
        Self::of_network(graph, origin, options).map_err(|error| with_file(error, &name))
    }

    fn of_network(graph: Graph, origin: ModelInfo, options: &Options) -> Result<Self> {
        let unsuitable = |what: &str| Error::unsupported(what).help("`run` takes networks of any kind");
        let quantization = graph.outputs().first().and_then(|port| quantization(&graph, port.value)).cloned();
        let (graph, quantized) = match with_quantized_input(&graph, options.limits)? {
            Some((graph, quantization)) => (graph, Some(quantization)),
            None => (graph, None),
        };
        let session = CompiledModel::from_graph(graph, options)?.session()?;
        let [input] = session.inputs() else { return Err(unsuitable("network has more than one input")) };
        let tensor = Tensor::zeros(input.shape.clone(), input.dtype);
        let input_quantization = input.quantization.clone();
        let elements = match (input.dtype, quantized) {
            (_, Some(quantization)) => Elements::Quantized(quantization),
            (DType::F32, _) => Elements::Reals,
            (dtype, _) => Elements::Bytes(dtype, input_quantization.clone()),
        };
        let input = ImageInput::new(&input.shape, origin.layout)?;
        let output = session.outputs().first().ok_or_else(|| unsuitable("network has no output"))?;
        let classes = output.shape.iter().copied().max().unwrap_or(0);
        if classes < 2 || classes != output.shape.elements() || output.dtype == DType::I64 {
            return Err(unsuitable("network does not score classes").expected(
                "a first output [1,classes] of floats or bytes",
                format_args!("{} {}", output.dtype, output.shape),
            ));
        }
        let several = |dtype: DType, quantization: &Option<QuantParams>| {
            dtype.is_int8() && quantization.as_ref().is_some_and(|quantization| quantization.as_per_tensor().is_none())
        };
        if several(tensor.dtype(), &input_quantization) || several(output.dtype, &quantization) {
            return Err(unsuitable("bytes of pixels or classes have several scales"));
        }
        let ModelInfo { preprocess, usual_geometry, labels, .. } = origin;
        let labels = labels.and_then(|labels| labels.for_outputs(classes).ok());
        Ok(Self {
            tables: Tables::new(&preprocess, &elements),
            scores: Vec::with_capacity(classes),
            softmax_added: false,
            session,
            input,
            elements,
            tensor,
            preprocess,
            usual_geometry,
            labels,
            quantization,
        })
    }

    /// The same with other pre-processing. Where the network takes bytes, what it makes of a pixel is quantized as they
    /// are, but for [`raw`](Preprocess::raw): it gives the bytes themselves.
    pub fn with_preprocess(mut self, preprocess: Preprocess) -> Self {
        let preprocess = preprocess.geometry_or(self.usual_geometry);
        self.tables = Tables::new(&preprocess, &self.elements);
        self.preprocess = match self.elements {
            Elements::Bytes(dtype, _) => preprocess.into_type(dtype),
            _ => preprocess,
        };
        self
    }

    /// The same with other labels.
    ///
    /// # Errors
    /// When there is not one for each class; see [`Labels::for_outputs`].
    pub fn with_labels(mut self, labels: Labels) -> Result<Self> {
        self.labels = Some(labels.for_outputs(self.classes())?);
        Ok(self)
    }

    /// Another one for another thread: the weights are shared, memory and threads are its own.
    ///
    /// # Errors
    /// Those of [`CompiledModel::session`].
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            session: self.session.model().session()?,
            input: self.input,
            elements: self.elements.clone(),
            tensor: self.tensor.clone(),
            preprocess: self.preprocess.clone(),
            usual_geometry: self.usual_geometry,
            tables: self.tables.clone(),
            labels: self.labels.clone(),
            quantization: self.quantization.clone(),
            scores: Vec::with_capacity(self.scores.capacity()),
            softmax_added: false,
        })
    }

    /// The network that it runs.
    pub fn model(&self) -> &CompiledModel {
        self.session.model()
    }

    /// What the classes are called, where that is known.
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// How images become the network's numbers.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// What the network takes.
    pub fn input(&self) -> ImageInput {
        self.input
    }

    /// The number of outputs, with a background class where there is one.
    pub fn classes(&self) -> usize {
        self.session.outputs()[0].shape.elements()
    }

    /// How many threads share the work.
    #[cfg(feature = "decode")]
    pub(crate) fn threads(&self) -> usize {
        self.session.plan().threads()
    }

    /// Whether the scores of the last image are a softmax of what the network gave, which did not add up to 1.
    pub fn softmax_added(&self) -> bool {
        self.softmax_added
    }

    /// The likeliest `top` classes of an image, likeliest first. The image is [fitted](Preprocess::fit) to the
    /// network first.
    ///
    /// # Errors
    /// When the image cannot be resized or the network gives something that is not a number.
    pub fn classify(&mut self, image: &Image, top: usize) -> Result<Vec<Prediction>> {
        let fitted = self.preprocess.fit(image, self.input.width, self.input.height)?;
        self.classify_exact(&fitted, top)
    }

    /// The same for an image that has the network's size: no pixel is changed.
    ///
    /// # Errors
    /// When the image has another size or the network gives something that is not a number.
    pub fn classify_exact(&mut self, image: &Image, top: usize) -> Result<Vec<Prediction>> {
        self.score(image)?;
        let outputs = self.scores.len();
        let mut order: Vec<usize> = (0..outputs).collect();
        // Of equal scores the first output wins, as with NumPy's argmax.
        order.sort_by(|&a, &b| self.scores[b].total_cmp(&self.scores[a]).then(a.cmp(&b)));
        order.truncate(top);
        let prediction = |output: usize| Prediction {
            output,
            class: class_of(output, outputs),
            label: self.labels.as_ref().map(|labels| labels.names()[output].clone()),
            score: self.scores[output],
        };
        Ok(order.into_iter().map(prediction).collect())
    }

    fn score(&mut self, image: &Image) -> Result<()> {
        let ImageInput { width, height, .. } = self.input;
        if (image.width(), image.height()) != (width, height) {
            return Err(Error::argument("image does not have the network's size")
                .expected(format_args!("{width}x{height}"), format_args!("{}x{}", image.width(), image.height())));
        }
        self.tables.fill(image, &self.input, &mut self.tensor);
        let output = &self.session.run(&[&self.tensor])?[0];
        let (scale, zero_point) = self.quantization.as_ref().and_then(QuantParams::as_per_tensor).unwrap_or((1.0, 0));
        let dequantized = |q: i32| (q - zero_point) as f32 * scale;
        self.scores.clear();
        match output.data() {
            Data::F32(scores) => self.scores.extend_from_slice(scores),
            Data::U8(bytes) => self.scores.extend(bytes.iter().map(|&q| dequantized(q.into()))),
            Data::I8(bytes) => self.scores.extend(bytes.iter().map(|&q| dequantized(q.into()))),
            Data::I64(_) => unreachable!("scores are not integers"),
        }
        if !self.scores.iter().all(|score| score.is_finite()) {
            return Err(
                Error::mismatch("network's output is not finite").help("is the pre-processing the network's own?")
            );
        }
        self.softmax_added =
            !self.quantization.as_ref().is_some_and(is_of_probabilities) && !is_distribution(&self.scores);
        if self.softmax_added {
            softmax(&mut self.scores);
        }
        Ok(())
    }
}

/// What softmax is quantized to: 256 steps from 0 to 1. Of many classes the rounded scores do not add up to 1.
fn is_of_probabilities(quantization: &QuantParams) -> bool {
    quantization.as_per_tensor() == Some((1.0 / 256.0, quantization.range().0))
}

fn is_distribution(scores: &[f32]) -> bool {
    let sum: f32 = scores.iter().sum();
    scores.iter().all(|&score| score >= -1e-6) && (sum - 1.0).abs() < 1e-3
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_a_distribution_and_distributions_stay() {
        let mut logits = vec![1000.0, 1001.0, -1000.0];
        assert!(!is_distribution(&logits));
        softmax(&mut logits);
        assert!(is_distribution(&logits), "{logits:?}");
        assert!((logits[1] - 0.731_058_6).abs() < 1e-6, "{logits:?}");
    }
}
