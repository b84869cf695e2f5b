//! Readers of model files and of tensors: untrusted bytes in, a [`Graph`](sepconv_core::Graph), tensors
//! or a clear error out.
//!
//! What is allowed here: checked arithmetic on what a file says, and nothing allocated on its word alone. No `unsafe`.
//! Both formats of models become the same graph; what differs between them ends here.
#![forbid(unsafe_code)]

mod dims;
mod element;
pub mod file;
mod import_options;
pub mod npy;
pub mod onnx;
mod operators;
mod padding;
mod range;
pub mod recognize;
pub mod safetensors;
pub mod tflite;
mod wide;
mod zip;

pub use element::ElementType;
pub use import_options::{ImportOptions, TensorSpec};
pub use operators::OperatorCount;
pub use padding::Padding;

use sepconv_core::{Error, Result};

/// Numbers in a list that says how an operator works: sizes, axes, pads, parts. A file may compute a list as long as
/// memory.
const LONGEST_LIST: usize = 1 << 16;

/// A copy of a list, called `what`, that says how an operator works.
fn list<T: Clone>(list: &[T], what: &str) -> Result<Vec<T>> {
    if list.len() <= LONGEST_LIST {
        return Ok(list.to_vec());
    }
    Err(Error::limit(format!("{what} are too many")).expected(format_args!("at most {LONGEST_LIST}"), list.len()))
}

/// The error for an operand, called `what`, that only a run of the network gives.
fn not_known(what: &str, operand: &str) -> Error {
    Error::unsupported(format!("{what} must be known when the network is loaded"))
        .expected("a constant", format_args!("{operand:?}, computed while running"))
        .help("bind the input that it depends on to a constant")
}

/// The error for an operand that the operator needs.
fn lacks_input(what: impl std::fmt::Display) -> Error {
    Error::malformed("node lacks an input").expected(what, "none")
}
