//! Recurrent layers: each direction becomes a layer of its own.

use sepconv_core::op::{Cell, Concat, Recurrent};
use sepconv_core::{Error, Result, ValueId};

use super::index::cut;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

pub(super) fn lstm(node: &mut Node<'_>) -> Result<ValueId> {
    if node.attributes.flag("input_forget", false)? {
        return Err(unsupported_value("input_forget", 1, "0"));
    }
    recurrent(node, Cell::Lstm { clip: f32::INFINITY }, &["Sigmoid", "Tanh", "Tanh"])
}

pub(super) fn gru(node: &mut Node<'_>) -> Result<ValueId> {
    let reset_after = node.attributes.flag("linear_before_reset", false)?;
    recurrent(node, Cell::Gru { reset_after }, &["Sigmoid", "Tanh"])
}

/// Results are the hidden states of all steps, `[t,d,n,h]`, the last of each direction, `[d,n,h]`, and those of cells.
fn recurrent(node: &mut Node<'_>, cell: Cell, activations: &[&str]) -> Result<ValueId> {
    let directions = directions(node)?;
    check_activations(node, activations, directions.len())?;
    let batch_first = node.attributes.flag("layout", false)?;
    let x = node.input(0)?;
    let x = if batch_first { node.transpose(x, &[1, 0, 2])? } else { x };
    let shape = node.shape(x);
    let &[steps, batch, _] = &*shape else {
        return Err(Error::mismatch("operand has the wrong rank").expected("3 axes", shape));
    };
    check_lengths(node, steps, batch)?;
    let hidden = node.shape(node.input(2)?).last();
    node.attributes.ignore(&["hidden_size"]);
    let (mut all, mut last, mut cells) = (vec![], vec![], vec![]);
    for (direction, &reverse) in directions.iter().enumerate() {
        let size = [directions.len(), direction];
        let (weights, recurrent) =
            (of_direction(node, node.input(1)?, size)?, of_direction(node, node.input(2)?, size)?);
        let bias = match node.optional(3) {
            Some(bias) => of_direction(node, bias, size)?,
            None => node.filled(0.0, &[2 * cell.gates() * hidden])?,
        };
        let mut operands = vec![x, weights, recurrent, bias];
        let states = if cell.has_cell_state() { 5..=6 } else { 5..=5 };
        for i in states {
            operands.push(match node.optional(i) {
                Some(state) if batch_first => {
                    let state = node.transpose(state, &[1, 0, 2])?;
                    of_direction(node, state, size)?
                }
                Some(state) => of_direction(node, state, size)?,
                None => node.filled(0.0, &[batch, hidden])?,
            });
        }
        let result = node.emit(Recurrent { cell, reverse }, &operands)?;
        let states = cut(node, result, &[(0, 0, steps)])?;
        all.push(node.reshape(states, [steps, 1, batch, hidden])?);
        last.push(cut(node, result, &[(0, if reverse { 0 } else { steps - 1 }, 1)])?);
        if cell.has_cell_state() {
            cells.push(cut(node, result, &[(0, steps, 1)])?);
        }
    }
    let all = joined(node, all, 1)?;
    let order: &[usize] = if batch_first { &[2, 0, 1, 3] } else { &[0, 1, 2, 3] };
    let all = node.transpose(all, order)?;
    for states in [last, cells].into_iter().filter(|states| !states.is_empty()) {
        let states = joined(node, states, 0)?;
        let states = if batch_first { node.transpose(states, &[1, 0, 2])? } else { states };
        node.add_output(states);
    }
    Ok(all)
}

/// Whether each direction goes from the last step to the first.
fn directions(node: &Node<'_>) -> Result<&'static [bool]> {
    match node.attributes.string_or("direction", "forward")? {
        "forward" => Ok(&[false]),
        "reverse" => Ok(&[true]),
        "bidirectional" => Ok(&[false, true]),
        other => Err(unsupported_value("direction", other, "forward, reverse or bidirectional")),
    }
}

fn check_activations(node: &Node<'_>, usual: &[&str], directions: usize) -> Result<()> {
    let given = node.attributes.strings("activations")?;
    let mut pairs = given.iter().zip(usual.iter().cycle());
    let is_usual = given.is_empty() || given.len() == usual.len() * directions;
    if is_usual && pairs.all(|(given, usual)| given.eq_ignore_ascii_case(usual)) {
        return Ok(());
    }
    Err(unsupported_value("activations", given, &usual.join(", ")))
}

/// All sequences must be of full length.
fn check_lengths(node: &Node<'_>, steps: usize, batch: usize) -> Result<()> {
    let lengths = node.known_ints(4, "lengths of sequences")?;
    if lengths.is_some_and(|lengths| lengths.len() != batch || lengths.iter().any(|&length| length != steps as i64)) {
        return Err(Error::unsupported("sequences are shorter than the operand"));
    }
    Ok(())
}

/// The part of an operand that belongs to one of `count` directions, which are its first axis.
fn of_direction(node: &mut Node<'_>, x: ValueId, [count, direction]: [usize; 2]) -> Result<ValueId> {
    let dims = node.shape(x);
    if dims.first() != Some(&count) {
        return Err(Error::mismatch("operand has the wrong number of directions").expected(count, dims));
    }
    let part = if count == 1 { x } else { cut(node, x, &[(0, direction, 1)])? };
    node.reshape(part, &dims[1..])
}

fn joined(node: &mut Node<'_>, parts: Vec<ValueId>, axis: usize) -> Result<ValueId> {
    match parts[..] {
        [part] => Ok(part),
        _ => node.emit(Concat { axis }, &parts),
    }
}
