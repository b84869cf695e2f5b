//! Matrix products.

use sepconv_core::op::{BinaryFunction, Broadcast, Dense, MatMul};
use sepconv_core::{Result, ValueId};
use sepconv_kernels::Activation;

use crate::onnx::node::Node;

pub(super) fn gemm(node: &mut Node<'_>) -> Result<ValueId> {
    let (a, b, c) = (node.input(0)?, node.input(1)?, node.optional(2));
    product_and_sum(node, a, b, c)
}

/// `alpha · A · B + beta · C`: a fully connected layer where `C` has one entry per column.
pub(super) fn product_and_sum(node: &mut Node<'_>, mut a: ValueId, b: ValueId, c: Option<ValueId>) -> Result<ValueId> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    let beta = node.attributes.float_or("beta", 1.0)?;
    if node.attributes.flag("transA", false)? {
        a = node.transpose(a, &[1, 0])?;
    }
    let transposed = node.attributes.flag("transB", false)?;
    if node.opset < 7 {
        node.attributes.flag("broadcast", false)?;
    }
    let weights = if transposed { b } else { node.transpose(b, &[1, 0])? };
    let weights = scale(node, weights, alpha)?;
    let columns = node.shape(weights).first().copied().unwrap_or(1);
    let c = c.map(|c| scale(node, c, beta)).transpose()?;
    match c {
        Some(c) if node.shape(c).iter().rev().skip(1).all(|&size| size == 1) => {
            let last = node.shape(c).last();
            let row = node.reshape(c, [last])?;
            let bias = if last == columns { row } else { broadcast(node, row, columns)? };
            dense(node, a, weights, bias)
        }
        Some(c) => {
            let zero = node.filled(0.0, &[columns])?;
            let product = dense(node, a, weights, zero)?;
            node.binary(BinaryFunction::Add, product, c)
        }
        None => {
            let zero = node.filled(0.0, &[columns])?;
            dense(node, a, weights, zero)
        }
    }
}

pub(super) fn matmul(node: &mut Node<'_>) -> Result<ValueId> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    product(node, a, b)
}

/// As in NumPy: a vector on the left is a row, on the right a column, and that axis is dropped again. With known
/// weights on the right it is a fully connected layer.
pub(super) fn product(node: &mut Node<'_>, a: ValueId, b: ValueId) -> Result<ValueId> {
    let (shape_a, shape_b) = (node.shape(a), node.shape(b));
    if node.is_known(b) && shape_b.len() == 2 && !shape_a.is_empty() {
        let weights = node.transpose(b, &[1, 0])?;
        let zero = node.filled(0.0, &[shape_b[1]])?;
        return dense(node, a, weights, zero);
    }
    let row = if shape_a.len() == 1 { node.reshape(a, [1, shape_a[0]])? } else { a };
    let column = if shape_b.len() == 1 { node.reshape(b, [shape_b[0], 1])? } else { b };
    let product = node.emit(MatMul, &[row, column])?;
    let mut dims = node.shape(product).to_vec();
    if shape_b.len() == 1 {
        dims.pop();
    }
    if shape_a.len() == 1 {
        let row_axis = dims.len() - if shape_b.len() == 1 { 1 } else { 2 };
        dims.remove(row_axis);
    }
    node.reshape(product, dims)
}

fn dense(node: &mut Node<'_>, x: ValueId, weights: ValueId, bias: ValueId) -> Result<ValueId> {
    node.emit(Dense { activation: Activation::Identity }, &[x, weights, bias])
}

/// A value times a factor; nothing where it is 1.
pub(super) fn scale(node: &mut Node<'_>, x: ValueId, factor: f32) -> Result<ValueId> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = node.scalar(factor)?;
    node.binary(BinaryFunction::Mul, x, factor)
}

fn broadcast(node: &mut Node<'_>, x: ValueId, size: usize) -> Result<ValueId> {
    node.emit(Broadcast { shape: sepconv_core::Shape::new([size])? }, &[x])
}
