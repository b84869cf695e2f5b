//! The TensorFlow Lite reader: what each operator means, what becomes of malformed files, and real networks.

mod malformed;
mod models;
mod operators;
mod writer;
