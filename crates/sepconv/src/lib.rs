//! Vision networks built of depthwise separable convolutions, from the bytes of a model file to an answer about a photograph.
//!
//! ```no_run
//! use sepconv::{Classifier, Image, Labels, Model, Options};
//!
//! let model = Model::open("mobilenet_v2.onnx")?;
//! let mut classifier = Classifier::new(&model, &Options::default())?.with_labels(Labels::open("labels.txt")?)?;
//! for prediction in classifier.classify(&Image::open("photo.jpg")?, 5)? {
//!     println!("{:6.2} % {}", 100.0 * prediction.score, prediction.label.unwrap_or_default());
//! }
//! # Ok::<(), sepconv::Error>(())
//! ```
//!
//! Networks that do something else than name a class: [`Model::compile`] gives a [`Runner`] from tensors to tensors.
//!
//! What is allowed here: files, threads, the environment and other people's crates. No `unsafe`.
#![forbid(unsafe_code)]

pub mod measure;
mod model;
#[cfg(not(feature = "tflite"))]
mod no_tflite;
mod options;
pub mod quantize;
mod runner;
mod separable;
#[cfg_attr(target_family = "wasm", path = "no_threads.rs")]
mod threads;
pub mod vision;
pub mod zoo;

pub use sepconv_core::{
    Builder, DType, Data, Error, ErrorKind, Graph, Layer, Limits, Op, Plan, Result, Shape, Tensor, printable,
};
pub use sepconv_formats::{ElementType, OperatorCount, Signature, file, npy, onnx};
pub use sepconv_kernels::Activation;

pub use measure::{Times, machine::Machine};
pub use model::{Format, Model};
pub use options::{ISA_VARIABLE, Options};
pub use quantize::{Granularity, LayerReport, Progress, Quantized, Quantizer, Range, Report, Stage};
pub use runner::{Runner, TensorInfo};
pub use separable::SeparableConv2d;
pub use vision::{
    Classifier, Geometry, Image, ImageInput, Labels, Layout, Prediction, Preprocess, Source, Truth, class_of,
};
