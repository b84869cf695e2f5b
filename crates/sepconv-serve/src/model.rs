use sepconv::{
    CompiledModel, ElementType, Error, ErrorKind, Format, ImageInput, Labels, Layout, Model, Options, Preprocess,
    Result, TensorInfo, TensorSpec,
};

/// A network that is served under a name, compiled for batches of several sizes.
#[derive(Debug)]
pub struct ServedModel {
    name: String,
    platform: &'static str,
    /// By size of batch, the largest first. The last is that of the file.
    plans: Vec<(usize, CompiledModel)>,
    inputs: Vec<TensorPort>,
    outputs: Vec<TensorPort>,
    image: Option<ImagePort>,
    labels: Option<Labels>,
    without_batch: Option<Error>,
}

/// An input or an output, as the compiled network and the file know it.
#[derive(Debug)]
pub(crate) struct TensorPort {
    pub(crate) info: TensorInfo,
    /// The type of its elements in requests and answers.
    pub(crate) element: ElementType,
}

/// How an image becomes the only input.
#[derive(Debug)]
pub(crate) struct ImagePort {
    pub(crate) input: ImageInput,
    pub(crate) preprocess: Preprocess,
}

impl ServedModel {
    /// The longest name.
    const MAX_NAME: usize = 128;

    /// Compiles a network for batches of 1, 2, 4, … and `batch` images. Each has packed weights of its own; requests
    /// that wait are computed together in the largest that they fill. A network that forbids other batches than its own
    /// is served one request at a time: see [`without_batch`](Self::without_batch).
    ///
    /// # Errors
    /// Those of [`Model::compile`], and if `name` cannot be part of a path: letters, digits, `.`, `_`, `-`.
    pub fn new(name: impl Into<String>, model: Model, options: &Options, batch: usize) -> Result<Self> {
        let name = name.into();
        if !Self::is_name(&name) {
            return Err(Error::argument("name of a network cannot be part of a path")
                .expected(format_args!("up to {} of a-z, A-Z, 0-9, '.', '_', '-'", Self::MAX_NAME), format!("{name:?}"))
                .help("give it another one: NAME=FILE"));
        }
        if batch == 0 {
            return Err(Error::argument("batch is empty").expected("at least 1", batch));
        }
        let one = model.compile(&options.clone().batch(1))?;
        let (larger, without_batch) = match larger_plans(&model, options, &one, batch) {
            Ok(plans) => (plans, None),
            Err(error) if error.kind() == ErrorKind::Unsupported => (vec![], Some(error)),
            Err(error) => return Err(error),
        };
        let image = match one.inputs() {
            [input] => match ImageInput::new(&input.shape, usual_layout(model.format())) {
                Ok(input) => Some(ImagePort { input, preprocess: model.preprocess()? }),
                Err(_) => None,
            },
            _ => None,
        };
        let classes = one.outputs().first().map_or(0, |output| output.shape.elements());
        Ok(Self {
            name,
            platform: platform(model.format()),
            inputs: ports(one.inputs(), model.inputs()),
            outputs: ports(one.outputs(), model.outputs()),
            image,
            labels: model.labels().and_then(|labels| labels.for_outputs(classes).ok()),
            plans: larger.into_iter().chain([(1, one)]).collect(),
            without_batch,
        })
    }

    /// Whether a network can be served under this name.
    pub fn is_name(name: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (1..=Self::MAX_NAME).contains(&name.len())
            && name.bytes().all(is_allowed)
            && !name.bytes().all(|byte| byte == b'.')
    }

    /// The same with other pre-processing of images.
    pub fn with_preprocess(mut self, preprocess: Preprocess) -> Self {
        self.image = self.image.map(|image| ImagePort { preprocess, ..image });
        self
    }

    /// The name that requests use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How images become the network's input; `None` for a network that does not take one image.
    pub fn preprocess(&self) -> Option<&Preprocess> {
        self.image.as_ref().map(|image| &image.preprocess)
    }

    /// The most images that are computed at a time.
    pub fn batch(&self) -> usize {
        self.plans[0].0
    }

    /// Why the network is served one request at a time, where a larger batch was asked for.
    pub fn without_batch(&self) -> Option<&Error> {
        self.without_batch.as_ref()
    }

    /// Whether requests have a batch axis.
    pub(crate) fn has_batch(&self) -> bool {
        self.batch() > 1
    }

    pub(crate) fn plans(&self) -> &[(usize, CompiledModel)] {
        &self.plans
    }

    pub(crate) fn platform(&self) -> &'static str {
        self.platform
    }

    pub(crate) fn inputs(&self) -> &[TensorPort] {
        &self.inputs
    }

    pub(crate) fn outputs(&self) -> &[TensorPort] {
        &self.outputs
    }

    pub(crate) fn image(&self) -> Option<&ImagePort> {
        self.image.as_ref()
    }

    pub(crate) fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }
}

/// The network for 2, 4, … and `batch` images, the largest first.
fn larger_plans(
    model: &Model,
    options: &Options,
    one: &CompiledModel,
    batch: usize,
) -> Result<Vec<(usize, CompiledModel)>> {
    if batch > 1 && one.plan().outputs().iter().any(|output| output.is_open()) {
        return Err(Error::unsupported("network has an output that is as long as the data says"));
    }
    let doubled = std::iter::successors(Some(2), |size: &usize| size.checked_mul(2)).take_while(|&size| size < batch);
    let sizes = doubled.chain((batch > 1).then_some(batch));
    let compile = |size: usize| {
        let many = model.compile(&options.clone().batch(size))?;
        let grows = |one: &[TensorInfo], many: &[TensorInfo]| {
            one.iter().zip(many).all(|(one, many)| {
                one.shape.first() == Some(&1) && many.shape[0] == size && one.shape[1..] == many.shape[1..]
            })
        };
        match grows(one.inputs(), many.inputs()) && grows(one.outputs(), many.outputs()) {
            true => Ok((size, many)),
            false => Err(Error::unsupported("network has an output whose first axis is not the batch")),
        }
    };
    let mut plans = sizes.map(compile).collect::<Result<Vec<_>>>()?;
    plans.reverse();
    Ok(plans)
}

fn ports(infos: &[TensorInfo], specs: &[TensorSpec]) -> Vec<TensorPort> {
    let port = |(i, info): (usize, &TensorInfo)| {
        let in_file = specs.get(i).map(|spec| spec.element).filter(|element| element.dtype() == info.dtype);
        TensorPort { info: info.clone(), element: in_file.unwrap_or(info.dtype.into()) }
    };
    infos.iter().enumerate().map(port).collect()
}

fn platform(format: Format) -> &'static str {
    match format {
        Format::Onnx => "sepconv_onnx",
        Format::Tflite => "sepconv_tflite",
        Format::Built => "sepconv_graph",
    }
}

fn usual_layout(format: Format) -> Layout {
    match format {
        Format::Onnx | Format::Built => Layout::Nchw,
        Format::Tflite => Layout::Nhwc,
    }
}
