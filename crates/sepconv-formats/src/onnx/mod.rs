//! ONNX, opset 1 to 25.
//!
//! Every float becomes f32, bytes stay bytes, and every wider integer or bool becomes i64. Quantized networks are read
//! whichever way they are written: as floats between QuantizeLinear and DequantizeLinear, with QLinear operators (those
//! of onnxruntime's domain included), or with sums of integers, which are whole floats here. All become float operators
//! between quantizations; it is left to the passes to compute with integers. One node becomes a few core operators:
//! convolutions and the like are NHWC in core, so each is put between two transposes, which the passes remove. What is
//! not understood completely (an operator, an attribute, an input) is an error that names the node.

mod attributes;
mod external;
mod flatten;
mod graph;
mod metadata;
mod node;
mod ops;
mod preflight;
mod proto;
mod tensor;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use sepconv_core::{Error, Graph, Result, Tensor};

use crate::import_options::check_ports;
use crate::{ImportOptions, OperatorCount, TensorSpec, operators};
use external::External;
pub use metadata::Metadata;
pub use write::{save, write};

use proto::{Dimension, ModelProto, TensorProto, ValueInfoProto};

/// A decoded `.onnx` file: it describes itself, and becomes a graph as often as wanted.
///
/// Weights stay in the bytes that it was decoded from.
#[derive(Clone, Debug)]
pub struct Onnx {
    model: ModelProto,
    opset: i64,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    metadata: Metadata,
    directory: Option<PathBuf>,
    /// The index of the first node that belongs to a branch of an `If`.
    branches: usize,
}

/// Versions of ONNX's operator set that are read. What changed in between is handled; newer ones may mean something
/// else.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=25;

impl Onnx {
    /// Decodes a file. Operators are looked at when a [`graph`](Self::graph) is made.
    ///
    /// # Errors
    /// Malformed where the bytes are not an ONNX file or break off; unsupported for an operator set or an element type
    /// of an input or output that is not read; limit for metadata that no sensible network has.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(Error::malformed("file is empty").expected("an ONNX model", "0 bytes"));
        }
        preflight::check(&bytes)?;
        let mut model = ModelProto::decode(bytes).map_err(|error| {
            Error::malformed("file is not an ONNX model, or a damaged one")
                .expected("a protobuf ModelProto", format_args!("{error}"))
        })?;
        let branches = flatten::flatten(&mut model)?;
        let Some(graph) = &model.graph else {
            return Err(Error::malformed("file has no graph, so it is not an ONNX model or breaks off early"));
        };
        let opset = opset(&model)?;
        let weights: HashSet<&str> = graph.initializer.iter().map(|weight| weight.name.as_str()).collect();
        let inputs = graph.input.iter().filter(|value| !weights.contains(value.name.as_str()));
        let inputs = inputs.map(tensor_spec).collect::<Result<Vec<_>>>()?;
        check_ports(inputs.len())?;
        check_ports(graph.output.len())?;
        let outputs = graph.output.iter().map(tensor_spec).collect::<Result<Vec<_>>>()?;
        if outputs.is_empty() {
            return Err(Error::malformed("network has no outputs, or its file breaks off early"));
        }
        let metadata = Metadata::read(&model)?;
        Ok(Self { opset, inputs, outputs, metadata, model, directory: None, branches })
    }

    /// Whether bytes can be the beginning of a file: their first field is one that a ModelProto has.
    pub fn may_begin(mut head: &[u8]) -> bool {
        use prost::encoding::WireType::{LengthDelimited, Varint};
        matches!(
            prost::encoding::decode_key(&mut head),
            Ok((1 | 5, Varint) | (2 | 3 | 4 | 6 | 7 | 8 | 14 | 20 | 25 | 26, LengthDelimited))
        )
    }

    /// Allows tensors that are stored outside the file, as long as they are inside this directory. Without it none is
    /// read.
    pub fn external_data(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// The files in the directory of [external data](Self::external_data) that hold its tensors; none where no
    /// directory is allowed.
    pub fn external_files(&self) -> impl Iterator<Item = PathBuf> {
        let graph = self.model.graph.iter();
        let attributes = graph.clone().flat_map(|graph| &graph.node).flat_map(|node| &node.attribute);
        let tensors = attributes.filter_map(|attribute| attribute.t.as_ref());
        let tensors = tensors.chain(graph.flat_map(|graph| &graph.initializer));
        let directory = self.directory.iter();
        directory.flat_map(move |directory| tensors.clone().filter_map(|tensor| external::path(directory, tensor)))
    }

    /// Its inputs, without those that are weights.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// Its outputs. Their sizes are as the file states them, where it does; the graph's are computed.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// What it says about its use.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The operators of the file's nodes, the most frequent first.
    pub fn operators(&self) -> Vec<OperatorCount> {
        let nodes = self.model.graph.iter().flat_map(|graph| &graph.node);
        operators::count(nodes.map(graph::operator))
    }

    /// The operators of the default domain that are read, in alphabetical order.
    pub fn supported_operators() -> impl Iterator<Item = &'static str> {
        ops::OPERATORS.iter().map(|(name, _)| *name)
    }

    /// Those of the domain `com.microsoft`, in alphabetical order.
    pub fn supported_microsoft_operators() -> impl Iterator<Item = &'static str> {
        ops::MICROSOFT.iter().map(|(name, _)| *name)
    }

    /// The network as a graph, with the file's own axes at its inputs and outputs.
    ///
    /// # Errors
    /// Whatever cannot be computed exactly as the file says is an error that names the node.
    pub fn graph(&self, options: &ImportOptions) -> Result<Graph> {
        graph::import(self, options)
    }
}

/// Decodes a single tensor, as ONNX keeps test data in `.pb` files. Its elements are widened as those of a network are.
///
/// # Errors
/// Malformed where the bytes are not a tensor; unsupported for element types that are not read.
pub fn tensor(bytes: impl Into<Bytes>) -> Result<Tensor> {
    let proto = TensorProto::decode(bytes.into()).map_err(|error| {
        Error::malformed("bytes are not an ONNX tensor").expected("a protobuf TensorProto", format_args!("{error}"))
    })?;
    tensor::tensor(&proto, External { directory: None, max_bytes: 0 })
}

fn opset(model: &ModelProto) -> Result<i64> {
    let mut imports = model.opset_import.iter().filter(|import| is_default_domain(&import.domain));
    let Some(import) = imports.next() else {
        return Err(Error::malformed("file names no ONNX operator set, or breaks off early"));
    };
    if OPSETS.contains(&import.version) {
        return Ok(import.version);
    }
    Err(Error::unsupported("ONNX operator set is not supported")
        .expected(
            format_args!("opset {} to {}", OPSETS.start(), OPSETS.end()),
            format_args!("opset {}", import.version),
        )
        .help("convert the file with onnx.version_converter, or export it with another opset_version"))
}

fn is_default_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn tensor_spec(value: &ValueInfoProto) -> Result<TensorSpec> {
    let place = || format!("value {:?}", value.name);
    let Some(declared) = value.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref()) else {
        return Err(Error::unsupported("inputs and outputs other than tensors are not supported").at(place()));
    };
    let dims = declared.shape.iter().flat_map(|shape| &shape.dim).map(|dim| match dim.value {
        Some(Dimension::Value(size)) => usize::try_from(size).ok(),
        Some(Dimension::Parameter(_)) | None => None,
    });
    let element = tensor::element(declared.elem_type).map_err(|error| error.at(place()))?;
    let (name, dtype) = (value.name.clone(), element.dtype());
    Ok(TensorSpec { name, dtype, element, dims: dims.collect(), quantization: None })
}
