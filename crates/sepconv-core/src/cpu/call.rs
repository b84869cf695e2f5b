use alloc::vec::Vec;
use core::ops::Range;

use sepconv_kernels::quantized::QuantizedBinary;
use sepconv_kernels::{ConvGeometry, Epilogue, Tile, Window, ZeroPoints, depthwise, pool};

use super::lower::StepKernel;
use super::plan::Step;
use crate::op::StridedCopy;

/// The function of `sepconv-kernels` that a step calls, with its arguments but for the operands and the result: what it
/// takes to print a plan as source.
#[derive(Clone, Debug)]
pub enum KernelCall<'p> {
    /// `pointwise::pointwise_int8`
    Pointwise {
        /// The register tile.
        tile: Tile,
        /// `[k, n]`
        sizes: [usize; 2],
        /// Of the input and of the weights.
        zero_points: ZeroPoints,
        /// Where among the plan's the packed weights are.
        packed: Range<usize>,
        /// `None` for an f32 result.
        epilogue: Option<Epilogue<'p>>,
    },
    /// `conv2d::conv2d_int8`
    Conv2d {
        /// The register tile.
        tile: Tile,
        /// Sizes of one image.
        conv: &'p ConvGeometry,
        /// Of the input and of the weights.
        zero_points: ZeroPoints,
        /// Where among the plan's the packed weights are.
        packed: Range<usize>,
        /// `None` for an f32 result.
        epilogue: Option<Epilogue<'p>>,
    },
    /// `depthwise::depthwise_int8`
    Depthwise {
        /// The variant that the weights are packed for.
        variant: depthwise::Variant,
        /// Sizes of one image.
        conv: &'p ConvGeometry,
        /// The zero point of the input.
        x_zero_point: u8,
        /// Where among the plan's the packed weights are.
        packed: Range<usize>,
        /// The post-operations.
        epilogue: Epilogue<'p>,
    },
    /// `pool::pool_int8`
    Pool {
        /// Sizes of one image.
        geometry: &'p ConvGeometry,
        /// `None` for a maximum.
        mean: Option<pool::Mean>,
    },
    /// `quantized::binary`, of operands that are as long as the result or repeat through all of it.
    Binary(QuantizedBinary),
    /// `softmax::softmax`
    Softmax {
        /// The length of the axis, and of what follows it.
        sizes: [usize; 2],
        /// Whether it is the logarithm.
        log: bool,
    },
    /// `quantized::quantize`
    Quantize {
        /// The scale.
        scale: f32,
        /// The zero point.
        zero_point: u8,
    },
    /// `quantized::dequantize`
    Dequantize {
        /// The scale.
        scale: f32,
        /// The zero point.
        zero_point: u8,
    },
    /// A table of all bytes.
    Lut(&'p [u8; 256]),
    /// `quantized::flip_signs`
    FlipSigns,
    /// `layout::copy_strided` of bytes, once for each, after the result was filled.
    Copies {
        /// The blocks.
        copies: &'p [StridedCopy],
        /// What fills the elements that no copy writes.
        fill: Option<u8>,
    },
}

/// The layers of a step that run together: calls, each on rows of the layer before, for `rows` rows of the last at a
/// time.
#[derive(Clone, Debug)]
pub struct ChainCall<'p> {
    /// The layers, in order.
    pub layers: Vec<ChainedCall<'p>>,
    /// Rows of the last layer's result that are made at a time.
    pub rows: usize,
    /// What a layer works in, in the arena.
    pub scratch: Range<usize>,
}

/// A layer of a chain: a call for some rows of its result, which reads rows of the layer before.
#[derive(Clone, Debug)]
pub struct ChainedCall<'p> {
    /// The call for all rows.
    pub call: KernelCall<'p>,
    /// The window that slides over rows; `None` for a pointwise layer.
    pub window: Option<Window>,
    /// `[h, w, c]`
    pub input: [usize; 3],
    /// `[oh, ow, o]`
    pub output: [usize; 3],
    /// Where in the arena the layer keeps the last rows of its result; empty for the last one, which stores all.
    pub ring: Range<usize>,
}

impl Step {
    /// The layers of a chain, each as the call that it would be by itself; `None` where the step is no chain of int8.
    pub fn chain_call(&self) -> Option<ChainCall<'_>> {
        #[cfg(feature = "int8")]
        if let StepKernel::ChainInt8(chain) = &self.kernel {
            let start = self.scratch.start;
            let layers = chain.layers().map(|(layer, geometry, ring)| ChainedCall {
                call: layer.call(),
                window: geometry.window,
                input: geometry.input,
                output: geometry.output,
                ring: start + ring.start..start + ring.end,
            });
            let (layers, rows) = (layers.collect(), chain.row_block());
            return Some(ChainCall { layers, rows, scratch: start + chain.kept()..self.scratch.end });
        }
        None
    }

    /// The call that the step consists of; `None` where it is more than one call, or one that is not listed.
    pub fn call(&self) -> Option<KernelCall<'_>> {
        match &self.kernel {
            StepKernel::Softmax(kernel) => Some(kernel.call()),
            StepKernel::Quantize(kernel) => kernel.call(),
            StepKernel::Dequantize(kernel) => kernel.call(),
            StepKernel::Lut(kernel) => Some(kernel.call()),
            StepKernel::StridedCopiesU8(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::PointwiseInt8(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::PointwiseVectorInt8(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::PointwiseInt8ToF32(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::PointwiseVectorInt8ToF32(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::DepthwiseInt8(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::StandardInt8(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::StandardInt8ToF32(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::PoolInt8(kernel) => Some(kernel.call()),
            #[cfg(feature = "int8")]
            StepKernel::BinaryInt8(kernel) => kernel.call(self.out.len()),
            #[cfg(feature = "int8")]
            StepKernel::ChainInt8(_) | StepKernel::ResizeInt8(_) => None,
            StepKernel::Pointwise(_)
            | StepKernel::PointwiseVector(_)
            | StepKernel::GatedPointwise(_)
            | StepKernel::Depthwise(_)
            | StepKernel::Standard(_)
            | StepKernel::Chain(_)
            | StepKernel::ConvTranspose(_)
            | StepKernel::Pool(_)
            | StepKernel::GlobalAverage(_)
            | StepKernel::Reduce(_)
            | StepKernel::ReduceMiddle(_)
            | StepKernel::Recurrent(_)
            | StepKernel::Unary(_)
            | StepKernel::UnaryInPlace(_)
            | StepKernel::Binary(_)
            | StepKernel::Resize(_)
            | StepKernel::MatMul(_)
            | StepKernel::LayerNorm(_)
            | StepKernel::Loops(_)
            | StepKernel::StridedCopiesF32(_)
            | StepKernel::StridedCopiesI64(_) => None,
        }
    }
}
