//! The answer to an inference request: a header in JSON, perhaps followed by tensors in binary.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use sepconv::{Data, ElementType, Tensor};
use serde::{Serialize, Serializer};

use crate::datatype::{self, BYTES};
use crate::metadata::VERSION;
use crate::model::ServedModel;
use crate::problem::Problem;
use crate::request::{InferRequest, RequestedOutput};
use crate::rows;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct InferResponse {
    /// Bytes of JSON, where tensors follow them.
    pub(crate) header: Option<usize>,
    pub(crate) body: Bytes,
}

#[derive(Serialize)]
struct Header<'a> {
    model_name: &'a str,
    model_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<usize>,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Content<'a> {
    Data(Elements<'a>),
    Parameters { binary_data_size: usize },
}

/// Elements as a flat list.
enum Elements<'a> {
    Numbers(&'a Data),
    Booleans(&'a [i64]),
    Texts(&'a [String]),
}

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Numbers(Data::F32(numbers)) => serializer.collect_seq(numbers),
            Self::Numbers(Data::I64(numbers)) => serializer.collect_seq(numbers),
            Self::Numbers(Data::U8(numbers)) => serializer.collect_seq(numbers),
            Self::Numbers(Data::I8(numbers)) => serializer.collect_seq(numbers),
            Self::Booleans(numbers) => serializer.collect_seq(numbers.iter().map(|&number| number != 0)),
            Self::Texts(texts) => serializer.collect_seq(*texts),
        }
    }
}

/// An output as it is sent.
struct Sent<'a> {
    requested: RequestedOutput,
    tensor: Cow<'a, Tensor>,
    classes: Option<Classes>,
    binary: Option<Vec<u8>>,
}

/// The largest elements of each row, as `score:index:label`.
struct Classes {
    shape: Vec<usize>,
    texts: Vec<String>,
}

impl InferResponse {
    /// The answer with some rows of what a batch gave.
    pub(crate) fn write(
        model: &ServedModel,
        request: &InferRequest,
        outputs: &[Tensor],
        range: &Range<usize>,
    ) -> Result<Self, Problem> {
        let sent = request.outputs.iter().map(|&requested| {
            let (output, port) = (&outputs[requested.index], &model.outputs()[requested.index]);
            let tensor = if model.has_batch() { rows::slice(output, range)? } else { Cow::Borrowed(output) };
            let classes = requested.classification.map(|most| Classes::of(model, &tensor, most));
            let binary = requested.is_binary.then(|| match &classes {
                Some(classes) => classes.encode(),
                None => port.element.encode(&tensor).1,
            });
            Ok(Sent { requested, tensor, classes, binary })
        });
        let sent = sent.collect::<sepconv::Result<Vec<_>>>()?;
        let header = Header {
            model_name: model.name(),
            model_version: VERSION,
            id: request.id.as_deref(),
            outputs: sent.iter().map(|sent| sent.header(model)).collect(),
        };
        let mut body = serde_json::to_vec(&header).map_err(|error| Problem::bad(error.to_string()))?;
        let header = sent.iter().any(|sent| sent.binary.is_some()).then_some(body.len());
        sent.iter().filter_map(|sent| sent.binary.as_ref()).for_each(|binary| body.extend_from_slice(binary));
        Ok(Self { header, body: body.into() })
    }
}

impl Sent<'_> {
    fn header<'a>(&'a self, model: &'a ServedModel) -> Output<'a> {
        let port = &model.outputs()[self.requested.index];
        let content = match (&self.binary, &self.classes, self.tensor.data()) {
            (Some(binary), _, _) => Content::Parameters { binary_data_size: binary.len() },
            (None, Some(classes), _) => Content::Data(Elements::Texts(&classes.texts)),
            (None, None, Data::I64(numbers)) if port.element == ElementType::Bool => {
                Content::Data(Elements::Booleans(numbers))
            }
            (None, None, data) => Content::Data(Elements::Numbers(data)),
        };
        let (datatype, shape) = match &self.classes {
            Some(classes) => (BYTES, classes.shape.clone()),
            None => (datatype::name(port.element), self.tensor.shape().to_vec()),
        };
        Output { name: &port.info.name, datatype, shape, content }
    }
}

impl Classes {
    fn of(model: &ServedModel, tensor: &Tensor, most: usize) -> Self {
        let count = if model.has_batch() { tensor.shape()[0] } else { 1 };
        let scores: Vec<f32> = match tensor.data() {
            Data::F32(scores) => scores.clone(),
            Data::I64(scores) => scores.iter().map(|&score| score as f32).collect(),
            Data::U8(scores) => scores.iter().map(|&score| score.into()).collect(),
            Data::I8(scores) => scores.iter().map(|&score| score.into()).collect(),
        };
        let row = scores.len().checked_div(count).unwrap_or_default();
        let most = most.min(row);
        let names = model.labels().map(|labels| labels.names()).filter(|names| names.len() == row);
        let text = |scores: &[f32], i: usize| match names {
            Some(names) => format!("{}:{i}:{}", scores[i], names[i]),
            None => format!("{}:{i}", scores[i]),
        };
        let texts = scores.chunks_exact(row.max(1)).flat_map(|scores| {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            order.into_iter().take(most).map(|i| text(scores, i)).collect::<Vec<_>>()
        });
        let texts = texts.collect();
        Self { shape: vec![count, most], texts }
    }

    /// Each text behind its length in four bytes.
    fn encode(&self) -> Vec<u8> {
        let element = |text: &String| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
        self.texts.iter().flat_map(element).collect()
    }
}
