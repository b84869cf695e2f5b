//! ONNX out: a graph as a file that other programs read.
//!
//! Core keeps planes NHWC, ONNX wants them NCHW. So each tensor of the file carries a note of how its axes are ordered;
//! operators that treat all axes alike keep the order of their operand, and a transpose is written only where an
//! operator or a port needs another.

mod attribute;
mod ops;
mod tensor;
mod writer;

use std::path::Path;

use prost::Message;
use sepconv_core::op::{Pad, PadMode, Pool};
use sepconv_core::{Error, Graph, Node, Op, Port, Result, Value, probe_memory};
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::resize::Coordinates;

use super::Metadata;
use super::proto::{
    Dimension, DimensionProto, ModelProto, OperatorSetIdProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use crate::file;
use writer::{Writer, inputs, outputs};

/// The graph as an ONNX file: operator set 17, or 19 where an operator is younger. Inputs and outputs have the names
/// and the order of axes of its ports, weights are inside, and integers behind [`Op::Dequantize`] stay integers (QDQ).
/// ONNX has no state: each becomes a further input and output, which the caller passes on from run to run.
///
/// # Errors
/// Unsupported for the integer operators that lowering makes; io where there is not memory enough; limit above the 2
/// GiB that a protobuf message holds, and for metadata that would not be read again.
pub fn write(graph: &Graph, metadata: &Metadata) -> Result<Vec<u8>> {
    let version = opset(graph);
    let mut writer = Writer::new(graph, version);
    for node in graph.nodes() {
        writer.node(node).map_err(|error| error.at_node(&node.name, node.op.name()))?;
    }
    let names = outputs(graph).map(|port| writer.output(port)).collect::<Result<Vec<String>>>()?;
    let described = |port: &Port, name| described(port, graph.value(port.value), name);
    let mut proto = writer.finish();
    proto.name = "sepconv".into();
    proto.input = inputs(graph).map(|port| described(port, port.name.clone())).collect();
    proto.output = outputs(graph).zip(names).map(|(port, name)| described(port, name)).collect();
    let model = ModelProto {
        // The format's version that came with the operator set.
        ir_version: if version > 17 { 9 } else { 8 },
        producer_name: "sepconv".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: metadata.description.clone(),
        metadata_props: metadata.entries()?,
        functions: vec![],
        graph: Some(proto),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version }],
    };
    let most = i32::MAX as usize;
    if model.encoded_len() > most {
        return Err(Error::limit("network is larger than an ONNX file can be")
            .expected(format_args!("at most {most} bytes"), model.encoded_len()));
    }
    probe_memory(model.encoded_len())?;
    Ok(model.encode_to_vec())
}

/// Writes the graph to a file, which is replaced whole or not at all.
///
/// # Errors
/// Those of [`write()`], and when the operating system refuses.
pub fn save(graph: &Graph, metadata: &Metadata, path: &Path) -> Result<()> {
    file::write(path, &write(graph, metadata)?)
}

/// 17 has every operator but three, which 18 and 19 brought.
fn opset(graph: &Graph) -> i64 {
    let younger = |node: &Node| match &node.op {
        Op::Pool(Pool { kind: PoolKind::Average { .. }, window, .. }) => window.dilation != [1; 2],
        Op::Resize(resize) => resize.maps.iter().any(|map| map.coordinates == Coordinates::HalfPixelSymmetric),
        Op::Pad(Pad { mode, .. }) => *mode == PadMode::Wrap,
        _ => false,
    };
    if graph.nodes().iter().any(younger) { 19 } else { 17 }
}

/// A port with its type and sizes.
fn described(port: &Port, value: &Value, name: String) -> ValueInfoProto {
    let dim = tensor::turned_dims(&value.shape, &port.order)
        .into_iter()
        .map(|size| DimensionProto { value: Some(Dimension::Value(size as i64)) })
        .collect();
    let tensor_type =
        TensorTypeProto { elem_type: tensor::data_type(value.dtype), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name, r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}
