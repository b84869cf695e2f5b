//! Vision networks built of depthwise separable convolutions, from the bytes of a model file to an answer about a
//! photograph.
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
//! Networks of any other kind run from tensors to tensors:
//!
//! ```no_run
//! use sepconv::{Model, Options, TensorView};
//!
//! let model = Model::open("mobilenet_v2.onnx")?;
//! let compiled = model.compile(&Options::default())?; // Send + Sync + Clone: shared by all threads
//! let mut session = compiled.session()?; // the memory and threads of one worker
//! let (shape, pixels) = ([1, 3, 224, 224], vec![0.0; 3 * 224 * 224]);
//! let outputs = session.run(&[TensorView::f32(&shape, &pixels)?])?;
//! println!("{}", outputs[0].shape());
//! # Ok::<(), sepconv::Error>(())
//! ```
//!
//! What is allowed here: files, threads, the environment and other people's crates. No `unsafe`.
#![forbid(unsafe_code)]

mod compiled;
mod execute;
pub mod factorize;
pub mod measure;
mod model;
#[cfg(not(feature = "tflite"))]
mod no_tflite;
mod noise;
mod options;
mod progress;
pub mod quantize;
mod separable;
mod session;
#[cfg_attr(target_family = "wasm", path = "no_threads.rs")]
mod threads;
pub mod tune;
pub mod vision;
pub mod zoo;

pub use sepconv_core::{
    Builder, Chain, DType, Data, Error, ErrorKind, Graph, KernelChoices, Layer, Limits, Node, Op, Plan, Port, Shape,
    Tensor, TensorView, TensorViewMut, Value, ValueId, analysis, op, printable,
};
pub use sepconv_formats::{ElementType, OperatorCount, TensorSpec, file, npy, onnx, safetensors};
pub use sepconv_kernels::{AbsentIsa, Activation, Isa};

pub use compiled::{CompiledModel, TensorInfo};
#[cfg(feature = "decode")]
pub use measure::LabeledImages;
pub use measure::{Accuracy, Times, machine::Machine};
pub use model::{Format, Model};
pub use options::{ISA_VARIABLE, Options};
pub use progress::{Progress, ProgressEvent, Stage};
pub use quantize::{Granularity, LayerReport, Quantized, Quantizer, Range, Report};
pub use separable::SeparableConv2d;
pub use session::Session;
pub use vision::{
    Classifier, Geometry, GroundTruth, Image, ImageInput, Labels, Layout, Prediction, Preprocess, Source, class_of,
};

/// What fallible functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The programs of the pages that introduce the project and the crate.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../README.md")]
struct Readme;
