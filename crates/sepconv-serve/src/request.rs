//! An inference request: its header in JSON, perhaps followed by tensors in binary.

use std::fmt;
use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::datatype::{self, BYTES};
use crate::model::{ServedModel, TensorPort};
use crate::problem::Problem;

/// Tensors that a request may list.
const MAX_TENSORS: usize = 64;
/// Axes of a tensor.
const MAX_RANK: usize = 8;

/// A request whose shapes are known to be the network's. Numbers and images are still as they were sent: a worker reads
/// them.
#[derive(Debug)]
pub(crate) struct InferRequest {
    pub(crate) id: Option<String>,
    /// Images of a batch.
    pub(crate) rows: usize,
    /// One for each input of the network.
    pub(crate) inputs: Vec<Payload>,
    pub(crate) outputs: Vec<RequestedOutput>,
}

/// The elements of an input.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Little-endian.
    Binary(Bytes),
    /// A list in JSON.
    Json(Bytes),
    /// Files of images, one for each row.
    Images(Vec<Bytes>),
}

/// An output that the answer is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestedOutput {
    /// Its position among the network's.
    pub(crate) index: usize,
    pub(crate) is_binary: bool,
    /// So many of the largest elements with their labels, in place of all.
    pub(crate) classification: Option<usize>,
}

/// How a body is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// All of it is JSON.
    Json,
    /// So many bytes of JSON, then tensors.
    Binary(usize),
    /// The elements of the only input.
    Raw,
    /// The file of one image.
    Image,
}

#[derive(Deserialize)]
struct Header<'a> {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    inputs: AtMost<Input<'a>, MAX_TENSORS>,
    outputs: Option<AtMost<Output, MAX_TENSORS>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    shape: AtMost<usize, MAX_RANK>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// Those that mean something here; the protocol has others skipped.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    binary_data: Option<bool>,
    binary_data_output: bool,
    binary_data_size: Option<usize>,
    classification: Option<usize>,
}

impl InferRequest {
    /// Reads the body of a request to `model`.
    pub(crate) fn read(model: &ServedModel, body: &Bytes, framing: Framing) -> Result<Self, Problem> {
        match framing {
            Framing::Json => Self::framed(model, body, body.len()),
            Framing::Binary(header) => Self::framed(model, body, header),
            Framing::Raw => Self::raw(model, body),
            Framing::Image => {
                check_image_input(model)?;
                Ok(Self::of_only_input(model, Payload::Images(vec![body.clone()]), 1))
            }
        }
    }

    /// The elements of the only input, without a header.
    fn raw(model: &ServedModel, body: &Bytes) -> Result<Self, Problem> {
        let [port] = model.inputs() else {
            return Err(Problem::bad("a body without a header is for networks of one input"));
        };
        let row = port.info.shape.elements() * port.element.size();
        let rows = body.len().checked_div(row).unwrap_or_default();
        if rows * row != body.len() || !(1..=model.batch()).contains(&rows) {
            let got = body.len();
            return Err(Problem::bad(format!("raw body must have {row} bytes for each image, got {got}")));
        }
        Ok(Self::of_only_input(model, Payload::Binary(body.clone()), rows))
    }

    fn of_only_input(model: &ServedModel, payload: Payload, rows: usize) -> Self {
        Self { id: None, rows, inputs: vec![payload], outputs: all_outputs(model, false) }
    }

    fn framed(model: &ServedModel, body: &Bytes, header: usize) -> Result<Self, Problem> {
        if header > body.len() {
            let len = body.len();
            return Err(Problem::bad(format!("header of {header} bytes is longer than the body of {len}")));
        }
        let (text, mut binary) = (body.slice(..header), body.slice(header..));
        let parsed: Header<'_> = serde_json::from_slice(&text)
            .map_err(|error| Problem::bad(format!("request is not the protocol's JSON: {error}")))?;
        let mut rows = None;
        let mut inputs: Vec<Option<Payload>> = model.inputs().iter().map(|_| None).collect();
        for input in &parsed.inputs.0 {
            let found = model.inputs().iter().position(|port| port.info.name == input.name);
            let index = found.ok_or_else(|| unknown("input", &input.name, model.inputs()))?;
            let (payload, count) =
                input.payload(model, &text, &mut binary).map_err(|problem| problem.of_tensor(&input.name))?;
            if inputs[index].replace(payload).is_some() {
                return Err(Problem::bad("input occurs twice").of_tensor(&input.name));
            }
            if *rows.get_or_insert(count) != count {
                return Err(Problem::bad("inputs have batches of different sizes").of_tensor(&input.name));
            }
        }
        if binary.has_remaining() {
            return Err(Problem::bad(format!("{} bytes behind the last tensor", binary.remaining())));
        }
        let given = model.inputs().iter().zip(inputs);
        let inputs = given
            .map(|(port, payload)| payload.ok_or_else(|| Problem::bad("input is missing").of_tensor(&port.info.name)));
        let outputs = match &parsed.outputs {
            Some(AtMost(outputs)) if !outputs.is_empty() => {
                requested_outputs(model, outputs, parsed.parameters.binary_data_output)?
            }
            Some(_) | None => all_outputs(model, parsed.parameters.binary_data_output),
        };
        Ok(Self { inputs: inputs.collect::<Result<_, _>>()?, rows: rows.unwrap_or(1), outputs, id: parsed.id })
    }
}

impl Input<'_> {
    /// The elements, and how many images they are. Binary ones are taken off the front of `binary`.
    fn payload(&self, model: &ServedModel, text: &Bytes, binary: &mut Bytes) -> Result<(Payload, usize), Problem> {
        let port = model.inputs().iter().find(|port| port.info.name == self.name);
        let port = port.ok_or_else(|| Problem::bad("input is missing"))?;
        let taken = match (self.parameters.binary_data_size, self.data) {
            (Some(size), None) if size <= binary.len() => Ok(binary.split_to(size)),
            (Some(size), None) => {
                return Err(Problem::bad(format!("{size} bytes are announced, {} are there", binary.len())));
            }
            (None, Some(data)) => Err(text.slice_ref(data.get().as_bytes())),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::bad("either data or binary_data_size must be given"));
            }
        };
        if self.datatype == BYTES {
            check_image_input(model)?;
            let bytes = taken.map_err(|_| {
                Problem::bad("images are sent in binary: as BYTES with binary_data_size, or as a body of type image/…")
            })?;
            return self.images(model, bytes);
        }
        if self.datatype != datatype::name(port.element) {
            let images = if model.image().is_some() { " or BYTES" } else { "" };
            return Err(Problem::bad(format!(
                "datatype must be {}{images}, got {:?}",
                datatype::name(port.element),
                self.datatype
            )));
        }
        let rows = self.rows(model, port)?;
        let size = rows * port.info.shape.elements() * port.element.size();
        match taken {
            Ok(bytes) if bytes.len() == size => Ok((Payload::Binary(bytes), rows)),
            Ok(bytes) => Err(Problem::bad(format!("binary_data_size must be {size}, got {}", bytes.len()))),
            Err(text) => Ok((Payload::Json(text), rows)),
        }
    }

    /// The batch of a shape that is otherwise the network's.
    fn rows(&self, model: &ServedModel, port: &TensorPort) -> Result<usize, Problem> {
        let (given, own) = (&self.shape.0, &port.info.shape);
        let is_own = given[..] == own[..];
        let is_batch = model.has_batch() && given.len() == own.len() && given.get(1..) == own.get(1..);
        match given.first() {
            Some(&rows) if is_batch && (1..=model.batch()).contains(&rows) => Ok(rows),
            _ if is_own => Ok(1),
            _ => {
                let batch =
                    if model.has_batch() { format!(" with up to {} first", model.batch()) } else { String::new() };
                Err(Problem::bad(format!("shape must be {own}{batch}, got {given:?}")))
            }
        }
    }

    /// Files, each behind its length in four bytes.
    fn images(&self, model: &ServedModel, mut bytes: Bytes) -> Result<(Payload, usize), Problem> {
        let announced = self.shape.0.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let count = announced.filter(|count| (1..=model.batch()).contains(count));
        let count = count.ok_or_else(|| {
            Problem::bad(format!("shape must be that of 1 to {} images, got {:?}", model.batch(), self.shape.0))
        })?;
        let mut images = Vec::with_capacity(count);
        while bytes.has_remaining() {
            let len = bytes.try_get_u32_le().map(|len| len as usize);
            match len {
                Ok(len) if len <= bytes.len() && images.len() < count => images.push(bytes.split_to(len)),
                _ => return Err(Problem::bad("elements do not fill binary_data_size")),
            }
        }
        match images.len() == count {
            true => Ok((Payload::Images(images), count)),
            false => Err(Problem::bad(format!("{count} elements are announced, {} are there", images.len()))),
        }
    }
}

impl Output {
    fn requested(&self, model: &ServedModel, usual: bool) -> Result<RequestedOutput, Problem> {
        let found = model.outputs().iter().position(|port| port.info.name == self.name);
        let index = found.ok_or_else(|| unknown("output", &self.name, model.outputs()))?;
        let classification = self.parameters.classification;
        if classification == Some(0) {
            return Err(Problem::bad("classification must be at least 1").of_tensor(&self.name));
        }
        Ok(RequestedOutput { index, is_binary: self.parameters.binary_data.unwrap_or(usual), classification })
    }
}

/// Each output once: repeating a large one would multiply what the answer takes.
fn requested_outputs(model: &ServedModel, list: &[Output], usual: bool) -> Result<Vec<RequestedOutput>, Problem> {
    let mut requested: Vec<RequestedOutput> = Vec::with_capacity(list.len());
    for output in list {
        let next = output.requested(model, usual)?;
        if requested.iter().any(|earlier| earlier.index == next.index) {
            return Err(Problem::bad("output occurs twice").of_tensor(&output.name));
        }
        requested.push(next);
    }
    Ok(requested)
}

fn all_outputs(model: &ServedModel, is_binary: bool) -> Vec<RequestedOutput> {
    (0..model.outputs().len()).map(|index| RequestedOutput { index, is_binary, classification: None }).collect()
}

fn check_image_input(model: &ServedModel) -> Result<(), Problem> {
    match model.image() {
        Some(_) => Ok(()),
        None => Err(Problem::bad("network does not take one image: send its tensors")),
    }
}

fn unknown(what: &str, name: &str, ports: &[TensorPort]) -> Problem {
    let names: Vec<_> = ports.iter().map(|port| format!("{:?}", port.info.name)).collect();
    Problem::bad(format!("network has no {what} {name:?}: expected {}", names.join(" or ")))
}

/// A list of at most so many elements.
struct AtMost<T, const N: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const N: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for List<T, N> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    if elements.len() == N {
                        return Err(serde::de::Error::invalid_length(N + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(elements)
            }
        }

        deserializer.deserialize_seq(List::<T, N>(PhantomData)).map(AtMost)
    }
}
