//! Matrix products, batch and layer normalization.

use sepconv_core::{Node, Result};
use sepconv_kernels::Activation;

use super::elementwise::activation;
use super::window::bias;
use crate::onnx::write::attribute::{float, int};
use crate::onnx::write::tensor;
use crate::onnx::write::writer::{Held, Writer};

fn materialized(writer: &Writer<'_>, node: &Node, name: String) -> Held {
    Held { name, order: tensor::file_order(writer.shape(node.output).len()) }
}

/// `Gemm` is for matrices; whatever has other axes becomes a product and a sum.
pub(super) fn dense(writer: &mut Writer<'_>, node: &Node, then: Activation) -> Result<Held> {
    let x = writer.materialize(node.inputs[0])?;
    let bias = bias(writer, node.inputs[2])?;
    let sum = if writer.shape(node.inputs[0]).len() == 2 {
        let weights = writer.materialize(node.inputs[1])?;
        writer.emit("Gemm", &[&x, &weights, &bias], vec![int("transB", 1)])
    } else {
        let weights = writer.operand(node.inputs[1], &[1, 0])?;
        let product = writer.emit("MatMul", &[&x, &weights], vec![]);
        if bias.is_empty() { product } else { writer.emit("Add", &[&product, &bias], vec![]) }
    };
    let name = activation(writer, sum, then)?;
    Ok(materialized(writer, node, name))
}

pub(super) fn matmul(writer: &mut Writer<'_>, node: &Node) -> Result<Held> {
    let (a, b) = (writer.materialize(node.inputs[0])?, writer.materialize(node.inputs[1])?);
    let name = writer.emit("MatMul", &[&a, &b], vec![]);
    Ok(materialized(writer, node, name))
}

/// Channels are the second axis there, so that there are at least two.
pub(super) fn batch_norm(writer: &mut Writer<'_>, node: &Node, epsilon: f32) -> Result<Held> {
    let shape = writer.shape(node.output);
    let rank = shape.len().max(2);
    let order: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let x = writer.operand(node.inputs[0], &order)?;
    let parameters = node.inputs[1..].iter().map(|&id| writer.materialize(id)).collect::<Result<Vec<String>>>()?;
    let inputs: Vec<&str> = [&x].into_iter().chain(&parameters).map(String::as_str).collect();
    let name = writer.emit("BatchNormalization", &inputs, vec![float("epsilon", epsilon)]);
    if shape.len() < rank {
        let name = writer.reshape(&name, shape)?;
        return Ok(materialized(writer, node, name));
    }
    Ok(Held { name, order })
}

pub(super) fn layer_norm(writer: &mut Writer<'_>, node: &Node, axes: usize, epsilon: f32) -> Result<Held> {
    let inputs = node.inputs.iter().map(|&id| writer.materialize(id)).collect::<Result<Vec<String>>>()?;
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let first = writer.shape(node.output).len() - axes;
    let attributes = vec![int("axis", first), float("epsilon", epsilon)];
    let name = writer.emit("LayerNormalization", &inputs, attributes);
    Ok(materialized(writer, node, name))
}
