//! Passes: graph to graph, with the same meaning at lower cost.
//!
//! A pass reads a graph and builds another; none changes one in place. [`CANONICALIZING`] run before [`FUSING`]. Tests
//! interpret the graph before and after every pass.

mod canonicalize;
mod computed_weights;
mod dequantize_constants;
mod flush_subnormals;
mod fold;
mod fuse;
#[cfg(feature = "int8")]
mod fuse_int8;
mod gelu;
#[cfg(feature = "int8")]
mod i8_to_u8;
mod layer_norm;
mod layout;
#[cfg(feature = "int8")]
mod lower_qdq;
mod merge_branches;
mod recognize_activations;
mod repeat_channels;
mod trim_taps;
mod with_batch;
mod with_standard_convs;

pub use with_batch::with_batch;
pub use with_standard_convs::with_standard_convs;

use crate::{Graph, Result, probe_memory};

/// A named rewriting of graphs.
pub struct Pass {
    /// Its name, as it is printed.
    pub name: &'static str,
    /// The rewriting.
    pub run: fn(&Graph) -> Result<Graph>,
}

/// The passes that keep weights as they are, in the order in which they run.
pub const CANONICALIZING: &[Pass] = &[
    Pass { name: "layout", run: layout::layout },
    Pass { name: "canonicalize", run: canonicalize::canonicalize },
    #[cfg(feature = "int8")]
    Pass { name: "i8-to-u8", run: i8_to_u8::i8_to_u8 },
    #[cfg(feature = "int8")]
    Pass { name: "lower-qdq", run: lower_qdq::lower_qdq },
    #[cfg(feature = "int8")]
    Pass { name: "fuse-int8", run: fuse_int8::fuse_int8 },
    Pass { name: "recognize-activations", run: recognize_activations::recognize_activations },
    Pass { name: "dequantize-constants", run: dequantize_constants::dequantize_constants },
    Pass { name: "computed-weights", run: computed_weights::computed_weights },
];

/// The passes that change weights or join operators, in the order in which they run after the others.
pub const FUSING: &[Pass] = &[
    Pass { name: "layer-norm", run: layer_norm::layer_norm },
    Pass { name: "trim-taps", run: trim_taps::trim_taps },
    Pass { name: "fold", run: fold::fold },
    Pass { name: "fuse", run: fuse::fuse },
    Pass { name: "flush-subnormals", run: flush_subnormals::flush_subnormals },
    Pass { name: "repeat-channels", run: repeat_channels::repeat_channels },
];

/// Runs every pass.
///
/// # Errors
/// When copies of constants would exceed the memory limit that the graph was built with, or the machine's memory. No
/// others are expected for a graph that a [`Builder`](crate::Builder) made; a contradiction is reported rather than a
/// panic.
pub fn optimize(graph: Graph) -> Result<Graph> {
    CANONICALIZING.iter().chain(FUSING).try_fold(graph, |graph, pass| run(pass, graph))
}

/// Runs the passes that keep weights as they are: one order of axes, one form for each meaning, integers where the
/// network is quantized. Batch normalizations stay, so layers and parameters are those that papers count.
///
/// # Errors
/// Those of [`optimize`].
pub fn canonicalize_without_folding(graph: Graph) -> Result<Graph> {
    CANONICALIZING.iter().try_fold(graph, |graph, pass| run(pass, graph))
}

/// Runs a pass, if there is memory for temporary copies of all constants.
fn run(pass: &Pass, graph: Graph) -> Result<Graph> {
    const COPIES: usize = 3;
    let constants = graph.values.iter().filter(|value| value.constant.is_some());
    probe_memory(constants.fold(0, |sum: usize, value| sum.saturating_add(COPIES * value.bytes())))?;
    (pass.run)(&graph)
}
