//! The CPU backend: a kernel for every node ([`lower`]), the nodes that run together ([`schedule`]), packed weights
//! ([`weights`]), a place for every value ([`arena`]): together a [`Plan`]. A [`Session`] runs it.

mod aligned;
mod arena;
mod call;
mod chain;
mod kernel_choices;
#[cfg(feature = "int8")]
mod least_memory;
mod lower;
mod plan;
mod planner;
mod schedule;
mod session;
mod weights;

pub use call::{ChainCall, ChainedCall, KernelCall};
pub use kernel_choices::{Chain, KernelChoices};
pub use plan::{BufferRef, InputBinding, Layer, OutputBinding, Plan, Step};
pub use session::{Session, Stage};
