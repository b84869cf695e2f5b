//! ONNX files.

mod data;
mod operators;
mod structure;
mod windows;
mod wire;

use crate::Case;
use crate::protobuf::{Message, network};

/// Networks of one node on `x` and weights.
fn single(dims: &[i64], weights: &[Message], cases: impl IntoIterator<Item = (&'static str, Message)>) -> Vec<Case> {
    cases.into_iter().map(|(name, node)| (name, network(dims, &[node], weights))).collect()
}
