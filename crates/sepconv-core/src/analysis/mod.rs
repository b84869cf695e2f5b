//! What a graph consists of: blocks, separable convolutions, parameters and cost; and parts of it as graphs of their
//! own.

mod blocks;
mod cost;
mod extract;
mod open_axes;
mod separable_convs;

pub(crate) use blocks::BlockSearch;
pub use blocks::{Block, BlockKind, blocks};
pub use extract::extract_subgraph;
pub(crate) use open_axes::{OpenAxis, open_axes};
pub use separable_convs::{NotSeparable, SeparableConv, separable_convs};
