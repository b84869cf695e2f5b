//! Readers of model files: bytes that nobody vouches for in, a [`Graph`](sepconv_core::Graph) or a clear error out.
//!
//! What is allowed here: checked arithmetic on what a file says, and nothing allocated on its word alone. No `unsafe`. Both
//! formats become the same graph; what differs between them ends here.
#![forbid(unsafe_code)]

pub mod npy;
pub mod onnx;
pub mod tflite;
mod zip;

use std::collections::BTreeMap;

use sepconv_core::{DType, Limits, Tensor};

/// An input or output as a file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// Its sizes in the file's own order; `None` where the file leaves one open.
    pub dims: Vec<Option<usize>>,
}

/// What a caller fixes before a file becomes a graph.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// Shapes of inputs, in the file's own order, for inputs that leave sizes open (an open first axis alone is taken as a batch of one).
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Inputs that are constants to this caller: shapes, axes, indices.
    pub constants: BTreeMap<String, Tensor>,
    /// What the file may ask for.
    pub limits: Limits,
}
