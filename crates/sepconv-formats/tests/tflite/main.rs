//! The TensorFlow Lite reader: what each operator means, what becomes of malformed files, and real networks.

mod answers;
mod bytes;
#[path = "../common/mod.rs"]
mod common;
mod malformed;
mod models;
mod operators;
mod rearranging;
mod state;
mod stored;
mod writer;
