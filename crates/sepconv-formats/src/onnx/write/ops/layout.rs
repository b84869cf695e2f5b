//! The same elements in another shape or order.

use sepconv_core::op::PadMode;
use sepconv_core::{DType, Data, Node, Result, Shape, Tensor};

use crate::onnx::write::attribute::{flag, int, text};
use crate::onnx::write::tensor;
use crate::onnx::write::writer::{Held, Writer};

impl Writer<'_> {
    /// Writes a tensor in another shape.
    pub(in crate::onnx::write) fn reshape(&mut self, x: &str, dims: &[usize]) -> Result<String> {
        let shape = self.sizes("shape", dims)?;
        // Otherwise a size of 0 would mean that of the operand.
        let attributes = if dims.contains(&0) { vec![flag("allowzero", true)] } else { vec![] };
        Ok(self.emit("Reshape", &[x, &shape], attributes))
    }
}

pub(super) fn reshape(writer: &mut Writer<'_>, node: &Node, shape: &Shape) -> Result<Held> {
    let x = writer.in_sequence(node.inputs[0])?;
    let name = writer.reshape(&x, shape)?;
    Ok(Held { name, order: tensor::file_order(shape.len()) })
}

/// Nothing is written: the order of the result's axes says it.
pub(super) fn transpose(writer: &mut Writer<'_>, node: &Node, order: &[usize]) -> Result<Held> {
    let rank = writer.shape(node.inputs[0]).len();
    let held = writer.common_order(&node.inputs, rank);
    let name = writer.operand(node.inputs[0], &held)?;
    Ok(Held { name, order: order.iter().map(|&axis| held[axis]).collect() })
}

pub(super) fn concat(writer: &mut Writer<'_>, node: &Node, axis: usize) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let parts = node.inputs.iter().map(|&id| writer.operand(id, &order)).collect::<Result<Vec<String>>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let name = writer.emit("Concat", &parts, vec![int("axis", order[axis])]);
    Ok(Held { name, order })
}

/// Only the axes that are cut are named.
pub(super) fn slice(
    writer: &mut Writer<'_>,
    node: &Node,
    starts: &[usize],
    steps: &[isize],
    sizes: &[usize],
) -> Result<Held> {
    let shape = writer.shape(node.inputs[0]);
    let order = writer.common_order(&node.inputs, shape.len());
    let x = writer.operand(node.inputs[0], &order)?;
    let whole = |axis: usize| (starts[axis], steps[axis], sizes[axis]) == (0, 1, shape[axis]);
    let cut: Vec<usize> = (0..shape.len()).filter(|&axis| !whole(axis)).collect();
    if cut.is_empty() {
        return Ok(Held { name: x, order });
    }
    let end = |axis: usize| {
        let end = starts[axis] as i64 + steps[axis] as i64 * sizes[axis] as i64;
        // What ends before the first element ends below every index that counts from the end.
        if end < 0 { -1 - shape[axis] as i64 } else { end }
    };
    let list = |of: &dyn Fn(usize) -> i64| cut.iter().map(|&axis| of(axis)).collect::<Vec<i64>>();
    let operands = [
        writer.ints("starts", &list(&|axis| starts[axis] as i64))?,
        writer.ints("ends", &list(&end))?,
        writer.ints("axes", &list(&|axis| order[axis] as i64))?,
        writer.ints("steps", &list(&|axis| steps[axis] as i64))?,
    ];
    let inputs: Vec<&str> = [&x].into_iter().chain(&operands).map(String::as_str).collect();
    let name = writer.emit("Slice", &inputs, vec![]);
    Ok(Held { name, order })
}

pub(super) fn pad(
    writer: &mut Writer<'_>,
    node: &Node,
    before: &[usize],
    after: &[usize],
    fill: PadMode,
) -> Result<Held> {
    let order = writer.common_order(&node.inputs, before.len());
    let x = writer.operand(node.inputs[0], &order)?;
    let pads = [tensor::turned_dims(before, &order), tensor::turned_dims(after, &order)].concat();
    let pads = writer.sizes("pads", &pads)?;
    let mode = match fill {
        PadMode::Constant(value) => {
            let value = match writer.graph.value(node.inputs[0]).dtype {
                DType::F32 => Data::F32(vec![value]),
                DType::I64 => Data::I64(vec![value as i64]),
                DType::U8 => Data::U8(vec![value as u8]),
                DType::I8 => Data::I8(vec![value as i8]),
            };
            let value = writer.parameter("value", &Tensor::new(Shape::new([])?, value)?);
            let name = writer.emit("Pad", &[&x, &pads, &value], vec![]);
            return Ok(Held { name, order });
        }
        PadMode::Edge => "edge",
        PadMode::Reflect => "reflect",
        PadMode::Wrap => "wrap",
    };
    let name = writer.emit("Pad", &[&x, &pads], vec![text("mode", mode)]);
    Ok(Held { name, order })
}

pub(super) fn gather(writer: &mut Writer<'_>, node: &Node, axis: usize) -> Result<Held> {
    let (x, indices) = (writer.materialize(node.inputs[0])?, writer.materialize(node.inputs[1])?);
    let name = writer.emit("Gather", &[&x, &indices], vec![int("axis", axis)]);
    Ok(Held { name, order: tensor::file_order(writer.shape(node.output).len()) })
}

pub(super) fn broadcast(writer: &mut Writer<'_>, node: &Node, shape: &Shape) -> Result<Held> {
    let x = writer.materialize(node.inputs[0])?;
    let dims = writer.sizes("shape", shape)?;
    let name = writer.emit("Expand", &[&x, &dims], vec![]);
    Ok(Held { name, order: tensor::file_order(shape.len()) })
}
