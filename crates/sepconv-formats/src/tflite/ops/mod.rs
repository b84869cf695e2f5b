//! What each operator of TensorFlow Lite is in a graph: one file a family, each with a table from names to functions.

mod conv;
mod elementwise;
mod plane;
mod reduce;
mod shape;
mod slice;

use sepconv_core::{Error, Result, ValueId};

use super::node::Node;

/// The results of a node. An operator that is not in the tables is refused.
pub(super) fn import(node: &mut Node) -> Result<Vec<ValueId>> {
    let families = [conv::import, elementwise::import, plane::import, reduce::import, shape::import, slice::import];
    for family in families {
        if let Some(result) = family(node) {
            return result.map(|value| vec![value]);
        }
    }
    slice::import_many(node)
        .unwrap_or_else(|| Err(Error::unsupported(format!("operator {} is not supported", node.kind))))
}

/// The axis that an integer means: negative ones count from the end.
fn axis(value: i64, rank: usize) -> Result<usize> {
    let counted = if value < 0 { value.checked_add_unsigned(rank as u64) } else { Some(value) };
    counted.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank).ok_or_else(|| {
        Error::malformed("axis does not exist").expected(format_args!("-{rank} to {}", rank.saturating_sub(1)), value)
    })
}

/// Axes in increasing order, each once.
fn axes(values: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut present = vec![false; rank];
    for &value in values {
        present[axis(value, rank)?] = true;
    }
    Ok((0..rank).filter(|&axis| present[axis]).collect())
}

/// A number that must not be negative.
fn size(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::malformed("size is negative").expected("at least 0", value))
}
