//! What each operator of TensorFlow Lite is in a graph: one file a family, each with a table from names to functions.

mod conv;
mod elementwise;
mod plane;
mod reduce;
mod shape;
mod slice;

use sepconv_core::{Error, Result, ValueId};

use super::node::Node;
use crate::dims::axis;

/// The results of a node. An operator that is not in the tables is refused.
pub(super) fn import(node: &mut Node) -> Result<Vec<ValueId>> {
    let families = [conv::import, elementwise::import, plane::import, reduce::import, shape::import, slice::import];
    for family in families {
        if let Some(result) = family(node) {
            return result.map(|value| vec![value]);
        }
    }
    slice::import_many(node).unwrap_or_else(|| Err(Error::unsupported("operator is not supported")))
}

/// Axes in increasing order. Files may name one twice.
fn axes(values: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut axes: Vec<usize> = values.iter().map(|&value| axis(value, rank)).collect::<Result<_>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}
