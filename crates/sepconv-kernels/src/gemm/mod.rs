//! Matrix multiplication with packed weights, which pointwise, standard and transposed convolution share.
//!
//! A register [`Tile`] computes `mr` output pixels by `nr` vectors of output channels: the accumulators stay in
//! registers while activations are read in place (as in indirect GEMM, without im2col) and weights stream from packed
//! panels. The loops in [`kernel`] are generic over a [`MicroKernel`](microkernel::MicroKernel); a new dtype is another
//! implementation of it.

pub(crate) mod kernel;
pub(crate) mod microkernel;
mod pack;
mod pack_int8;
mod parted;
mod tile;
mod widened;

pub(crate) use kernel::{AxisTaps, Patch, TileTask, split};
pub use pack::{gate_inputs, pack, packed_len};
pub(crate) use pack::{pack_groups, packed_groups_len};
pub(crate) use pack_int8::{Runs, check_packed_runs, pack_runs, packed_runs_len};
pub use pack_int8::{pack_int8, packed_len_int8};
pub use tile::{Lanes, Tile};
pub(crate) use widened::{scratch_len, widened_len};

/// Bytes of packed weights that stay in the second-level cache while all pixels pass; larger weights pass panel by
/// panel.
pub(crate) const L2_WEIGHT_BUDGET: usize = 512 << 10;
