//! TensorFlow Lite (`.tflite`, schema version 3): f32 networks, with weights of f32, f16 or int8, and quantized ones,
//! whose activations are int8 or int16 too.
//!
//! A tensor of bytes is dequantized where an operator computes with it, and the operator's result is quantized as its
//! own tensor says; operators that only move elements, and max-pooling, act on the bytes where both are quantized
//! alike. So every operator that is read for floats is read for bytes, and it is left to the passes to compute with
//! integers. 16-bit activations are f32 here, rounded to what 16 bits hold; only inputs and outputs are integers.

mod constant;
mod flatbuffer;
mod flexbuffer;
mod graph;
mod metadata;
mod node;
mod ops;
mod quantization;
mod schema;
mod sparse;

use bytes::Bytes;
use sepconv_core::{Graph, Result};

use crate::{ImportOptions, OperatorCount, TensorSpec};
use graph::{Importer, operators, tensor_specs};
pub use metadata::{Metadata, Normalization};
use schema::Model;

/// A TensorFlow Lite file: its inputs and outputs known, its network read on demand.
#[derive(Clone, Debug)]
pub struct Tflite {
    bytes: Bytes,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

impl Tflite {
    /// Reads the outline of a file.
    ///
    /// # Errors
    /// When the bytes are no TensorFlow Lite file of schema version 3, or its inputs and outputs contradict the file.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        let graph = Model::read(&bytes)?.main()?;
        let inputs = tensor_specs(&graph, graph.inputs()?.iter())?;
        let outputs = tensor_specs(&graph, graph.outputs()?.iter())?;
        Ok(Self { bytes, inputs, outputs })
    }

    /// The inputs that the file declares.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// The outputs that the file declares.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// The operators of the file's nodes, the most frequent first.
    ///
    /// # Errors
    /// When the file's lists of nodes and operators are malformed.
    pub fn operators(&self) -> Result<Vec<OperatorCount>> {
        let model = Model::read(&self.bytes)?;
        operators(&model, &model.main()?)
    }

    /// The built-in operators that are read, in alphabetical order.
    pub fn supported_operators() -> impl Iterator<Item = &'static str> {
        ops::OPERATORS.iter().map(|(name, _)| *name)
    }

    /// Those that are not built in, in alphabetical order.
    pub fn supported_custom_operators() -> impl Iterator<Item = &'static str> {
        ops::CUSTOM.iter().map(|(name, _)| *name)
    }

    /// The network as a graph: the first subgraph, and those that its nodes are spelled out by. Others serve control
    /// flow, which is not supported.
    ///
    /// # Errors
    /// When the file is malformed, needs what sepconv does not do, or passes a limit of
    /// `options`; the error names the node by its first result, and its operator.
    pub fn graph(&self, options: &ImportOptions) -> Result<Graph> {
        Importer::import(Model::read(&self.bytes)?, &self.inputs, options)
    }

    /// What the file says about its use, if it says anything that can be read.
    pub fn metadata(&self) -> Option<Metadata> {
        Metadata::read(&self.bytes).ok().flatten()
    }
}
