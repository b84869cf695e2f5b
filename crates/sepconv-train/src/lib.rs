//! Training on a CPU: gradients of a network's graph, optimizers, recipes, data, checkpoints.
//!
//! ```text
//! Graph ──Program::new──▶ Program ──forward, loss, backward──▶ gradients ──Optimizer──▶ parameters
//!                         steps, parameters, statistics                      │
//! folder of images ──Images──▶ batches ──────────▲       Recipe ──Trainer────┘──▶ log, checkpoint, weights
//! ```
//!
//! A [`Program`] is a graph whose batch normalizations are not folded yet, as steps that can be run forward on a batch
//! and backward again. [`Trainer`] runs it by a [`Recipe`]. Whatever is computed is the same, bit for bit, for any
//! number of threads: a batch is cut into shards of a fixed number of images, and sums over shards are joined in order.
//!
//! What is allowed here: what is allowed in the façade. No `unsafe`.
#![forbid(unsafe_code)]

mod augment;
mod checkpoint;
mod data;
mod initial;
mod optimizer;
mod program;
mod random;
mod recipe;
mod shard;
mod step;
mod tape;
mod threads;
mod trainer;

pub use data::Images;
pub use initial::Initial;
pub use optimizer::Optimizer;
pub use program::{Parameter, ParameterRole, Program, Statistics};
pub use recipe::{Distillation, Method, Recipe, Schedule};
pub use tape::{Mode, Tape};
pub use threads::Threads;
pub use trainer::{Epoch, Progress, Trainer};

pub use sepconv_core::Result;
