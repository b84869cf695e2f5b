//! Networks over HTTP, by the Open Inference Protocol v2: tensors in JSON or binary, images as JPEG or PNG.
//!
//! ```no_run
//! use sepconv::{Model, Options};
//! use sepconv_serve::{ServedModel, Server, Settings};
//!
//! let options = Options::default().threads(1);
//! let model = ServedModel::new("mobilenet", Model::open("mobilenet_v2.onnx")?, &options, 1)?;
//! let server = Server::bind("127.0.0.1:8000", vec![model], Settings::default())?;
//! println!("http://{}/v2/models/mobilenet", server.address());
//! server.run_until_signal(|line| eprintln!("{line}"))?;
//! # Ok::<(), sepconv::Error>(())
//! ```
//!
//! A request passes through `router`, `request` (the protocol), `queue`, `worker` (batches and sessions) and
//! `response`. One thread does all input and output; it never runs a network, decodes an image or prints a tensor.
//!
//! What is allowed here: sockets, an asynchronous runtime, threads. No files: a request cannot name any. No `unsafe`.
#![forbid(unsafe_code)]

mod body;
mod datatype;
mod handler;
mod json_tensor;
mod metadata;
mod metrics;
mod model;
mod problem;
mod queue;
mod request;
mod response;
mod router;
mod rows;
mod server;
mod settings;
mod worker;

pub use model::ServedModel;
pub use server::{Server, StopHandle};
pub use settings::Settings;
