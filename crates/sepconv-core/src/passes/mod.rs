//! Graph to graph: what a network means stays, what it costs shrinks.
//!
//! A pass reads a graph and builds another; none changes one in place. [`PASSES`] is the order in which they run. Every pass is
//! checked by interpreting the graph before and after it.

mod blocks;
mod canonical;
mod dequantize;
mod fold;
mod fuse;
mod idioms;
#[cfg(feature = "int8")]
mod integer;
mod layout;
mod pairs;
mod part;
mod rewrite;
mod twin;

pub use blocks::{Block, BlockKind, blocks};
pub use pairs::{Pair, Unpaired, pairs};
pub use part::part;
pub use rewrite::{Rewriter, rewrite};
pub use twin::twin;

use crate::{Graph, Result, probe_memory};

/// A named rewriting of graphs.
pub struct Pass {
    /// Its name, as it is printed.
    pub name: &'static str,
    /// The rewriting.
    pub run: fn(&Graph) -> Result<Graph>,
}

/// All passes, in the order in which they run.
pub const PASSES: &[Pass] = &[
    Pass { name: "layout", run: layout::layout },
    Pass { name: "canonical", run: canonical::canonical },
    #[cfg(feature = "int8")]
    Pass { name: "unsigned", run: integer::unsigned },
    #[cfg(feature = "int8")]
    Pass { name: "integer", run: integer::integer },
    #[cfg(feature = "int8")]
    Pass { name: "epilogue", run: integer::epilogue },
    Pass { name: "idioms", run: idioms::idioms },
    Pass { name: "dequantize", run: dequantize::dequantize },
    Pass { name: "fold", run: fold::fold },
    Pass { name: "fuse", run: fuse::fuse },
];

/// Runs every pass.
///
/// # Errors
/// When copies of constants would pass the limit of memory that the graph was built with, or do not fit memory. No others are expected for a
/// graph that a [`Builder`](crate::Builder) made; a contradiction is reported rather than a panic.
pub fn optimise(graph: Graph) -> Result<Graph> {
    PASSES.iter().try_fold(graph, |graph, pass| run(pass, graph))
}

/// Runs a pass, where there is memory for what it may make of all constants for a moment.
fn run(pass: &Pass, graph: Graph) -> Result<Graph> {
    const COPIES: usize = 3;
    let constants = graph.values.iter().filter(|value| value.constant.is_some());
    probe_memory(constants.fold(0, |sum: usize, value| sum.saturating_add(COPIES * value.bytes())))?;
    (pass.run)(&graph)
}

/// Runs the passes before those that change weights: one order of axes, one spelling for each meaning, integers where the network is
/// quantised. Batch normalisations still stand by themselves, so that layers and parameters are what papers count.
///
/// # Errors
/// Those of [`optimise`].
pub fn tidy(graph: Graph) -> Result<Graph> {
    PASSES.iter().take_while(|pass| pass.name != "fold").try_fold(graph, |graph, pass| run(pass, graph))
}
