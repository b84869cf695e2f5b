//! The kernels of sepconv: depthwise, pointwise and standard convolution, and the small operators around them.
//!
//! What is allowed here: arithmetic on slices that the caller owns. No `std`, no allocation, no `unsafe` outside
//! [`simd`]. Activations are NHWC, row after row; every kernel is written once over the [`simd::Simd`] token and
//! instantiated for each instruction set. Each operator's folder holds the contract (`mod.rs`), the loops that define
//! it (`reference.rs`), the vector code (`kernel.rs`), where weights are re-ordered `pack.rs`, and `tests.rs`.
//!
//! Sizes that contradict each other are bugs of the caller: they panic. Nothing here reads untrusted bytes.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[macro_use]
mod unroll;

mod activation;
pub mod conv2d;
pub mod conv_transpose;
pub mod depthwise;
pub mod elementwise;
mod epilogue;
mod gemm;
mod geometry;
pub mod layer_norm;
pub mod layout;
#[cfg(feature = "train")]
pub mod loss;
pub mod matmul;
#[cfg(feature = "train")]
pub mod normalize;
pub mod peak;
pub mod pointwise;
pub mod pool;
pub mod quantized;
mod quantized_params;
pub mod recurrent;
pub mod reduce;
pub mod requantize;
pub mod resample;
pub mod resize;
mod rows;
pub mod simd;
pub mod softmax;
#[cfg(test)]
mod testing;
mod window;

pub use activation::Activation;
pub use epilogue::{Epilogue, F32Output, Int8Output};
pub use gemm::{Lanes, Tile};
pub use geometry::{ConvGeometry, ConvOperands};
pub use quantized_params::{QuantizedConvParams, QuantizedWeights, ZeroPoints};
pub use requantize::{AddResidual, RequantOperand, Requantize};
pub use rows::{Ring, Rows};
pub use simd::{AbsentIsa, Isa};
pub use window::Window;
