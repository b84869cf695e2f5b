//! sepconv for JavaScript: the native half of the npm package `sepconv`, which checks arguments and names results.
//!
//! What is allowed here: values that cross from JavaScript and back. Browsers decode images themselves, so that no
//! decoder is in the module. No `unsafe`.
#![forbid(unsafe_code)]

mod model;
mod report;
mod tensors;
mod values;

pub use model::Network;
pub use values::Thrown;
