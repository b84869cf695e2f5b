//! Recurrent layers.

use sepconv_core::op::{Cell, Recurrent};
use sepconv_core::{Error, Node, Result, ValueId};

use crate::onnx::write::attribute::{flag, int, text};
use crate::onnx::write::tensor;
use crate::onnx::write::writer::{Held, Writer};

/// Weights and states have a leading axis of directions there, and so has each step of the result.
pub(super) fn recurrent(writer: &mut Writer<'_>, node: &Node, layer: &Recurrent) -> Result<Held> {
    let x = writer.materialize(node.inputs[0])?;
    let with_direction = |writer: &mut Writer<'_>, id: ValueId| {
        let rank = writer.shape(id).len() + 1;
        writer.operand(id, &tensor::file_order(rank))
    };
    let rest = node.inputs[1..].iter().map(|&id| with_direction(writer, id)).collect::<Result<Vec<String>>>()?;
    // Between the bias and the states would be the lengths of sequences.
    let mut inputs: Vec<&str> = [&x].into_iter().chain(&rest).map(String::as_str).collect();
    inputs.insert(4, "");
    let result = writer.shape(node.output).clone();
    let direction = if layer.reverse { "reverse" } else { "forward" };
    let mut attributes = vec![int("hidden_size", result.last()), text("direction", direction)];
    let steps = [writer.shape(node.inputs[0])[0], result[1], result[2]];
    let name = match layer.cell {
        Cell::Lstm { clip } if clip < f32::INFINITY => {
            return Err(Error::unsupported("ONNX does not clip the cell states of an LSTM"));
        }
        Cell::Lstm { .. } => {
            let states = writer.emit("LSTM", &inputs, attributes);
            writer.another_output("");
            let cell = writer.another_output("cell");
            let states = writer.reshape(&states, &steps)?;
            writer.emit("Concat", &[&states, &cell], vec![int("axis", 0)])
        }
        Cell::Gru { reset_after } => {
            attributes.push(flag("linear_before_reset", reset_after));
            let states = writer.emit("GRU", &inputs, attributes);
            writer.reshape(&states, &steps)?
        }
    };
    Ok(Held { name, order: tensor::file_order(result.len()) })
}
