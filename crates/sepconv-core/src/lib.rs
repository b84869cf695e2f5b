//! The middle of sepconv: what a network means ([`Graph`]), how it is simplified ([`passes`]), how it will run on a
//! machine ([`Plan`]) and the running itself ([`Session`]).
//!
//! What is allowed here: allocation, but no `std` and no `unsafe`. [`interpret`] is the definition of a network's
//! answer, slow and obvious; whatever the plan does is compared with it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod analysis;
mod cpu;
mod error;
mod graph;
mod interpret;
mod join;
mod memory;
pub mod op;
pub mod passes;
mod tensor;

pub use cpu::{
    BufferRef, Chain, ChainCall, ChainedCall, InputBinding, KernelCall, KernelChoices, Layer, OutputBinding, Plan,
    Session, Stage, Step,
};
pub use error::{Error, ErrorKind, printable};
pub use graph::{Builder, Graph, Limits, Node, Port, Rewriter, State, Uses, Value, ValueId, rewrite};
pub use interpret::{interpret, interpret_step};
pub use join::{Join, Serial};
pub use memory::probe_memory;
pub use op::Op;
pub use tensor::{DType, Data, Shape, Tensor, TensorView, TensorViewMut};

/// What every fallible function here returns.
pub type Result<T> = core::result::Result<T, Error>;
