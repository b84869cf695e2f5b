//! What a network keeps from run to run: variables. A handle is the number of its variable.

use sepconv_core::{Error, Result, Tensor, ValueId};

use crate::tflite::node::Node;

/// The handle of the variable that the options name.
pub(super) fn var_handle(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(0..=0)?;
    let name = |field| node.options.map(|options| options.string(field)).transpose();
    let (container, name) = (name(0)?.unwrap_or_default(), name(1)?.unwrap_or_default());
    let number = node.importer.variable(&container, &name);
    node.constant(Tensor::i64([], [number as i64])?)
}

/// What a variable is at this place of the network.
pub(super) fn read_variable(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(1..=1)?;
    let number = number(node)?;
    let variable = &node.importer.variables[number];
    variable.value.ok_or_else(|| {
        Error::malformed("variable is read before it is assigned").at(format!("variable {:?}", variable.name))
    })
}

/// Changes what a variable is from here on.
pub(super) fn assign_variable(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(2..=2)?;
    let number = number(node)?;
    // Wider integers are f32 inside, their constants too.
    let value = if node.wide(1)?.is_some() { node.operand(1)? } else { node.stored(1)? };
    node.importer.variables[number].value = Some(value);
    Ok(vec![])
}

/// Runs another subgraph before the first run of this one: it makes variables what they are at first.
pub(super) fn call_once(node: &mut Node) -> Result<Vec<ValueId>> {
    let index = node.option_size(0, 0)?;
    node.importer.initialize(index)?;
    Ok(vec![])
}

/// The number of the variable that the first operand is a handle of.
fn number(node: &mut Node) -> Result<usize> {
    let number = usize::try_from(node.integer(0)?).ok();
    let number = number.filter(|&number| number < node.importer.variables.len());
    number.ok_or_else(|| Error::malformed("operand is not the handle of a variable"))
}
