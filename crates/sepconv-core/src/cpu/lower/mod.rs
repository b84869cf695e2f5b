//! Lowering: each file of this folder has the kernels of one operator, f32 and int8: selecting one, packing its
//! weights, running it.
//!
//! [`StepKernel`] joins the kernels, [`Lowering::select_kernel`] the operators. Each is one exhaustive match, so a
//! kernel or an operator that is added there must be answered for.

mod binary;
mod chain_layer;
mod conv2d;
mod conv_layer;
mod conv_transpose;
mod data_movement;
mod depthwise;
mod dequantize;
mod layer_norm;
mod loops;
mod lut;
mod matmul;
mod pointwise;
mod pool;
mod quantize;
#[cfg(feature = "int8")]
mod quantized_constants;
mod recurrent;
mod reduce;
mod resize;
mod rows;
mod softmax;
mod unary;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use bytemuck::{Pod, cast_slice};
use sepconv_kernels::{Isa, Tile};

pub(super) use chain_layer::{ChainElement, ChainLayer, ChainOperator};
pub(super) use depthwise::row_means;
pub(super) use pointwise::select_gated;
pub(super) use rows::{RowTask, for_each_image};

use super::chain::FusedChain;
use super::plan::BufferRef;
use super::weights::WeightLayout;
use crate::op::OnIntegers;
use crate::{DType, Error, Graph, Node, Op, Result, Shape, Tensor, Value, ValueId};

/// Elementwise work is cut no finer than this many elements.
const BLOCK: usize = 4096;

/// A kernel with its parameters.
///
/// Its work is cut into *items* of equal length in the result (a row of pixels, a few rows of a matrix, a panel of
/// outputs). Any range of items can be computed independently, which is how threads share a step. The last item may be
/// shorter.
pub(super) trait Kernel {
    /// Elements in a work item of a result of `len` elements.
    fn work_item_len(&self, isa: Isa, len: usize) -> usize;

    /// Computes some work items. The task's scratch has [`scratch_bytes`](Self::scratch_bytes).
    fn run(&self, task: Task<'_>);

    // ----------------------------------------------------------------------------------------------------------------------

    /// Bytes of scratch that each thread needs.
    fn scratch_bytes(&self) -> usize {
        0
    }
}

/// Declares [`StepKernel`] and the one match that dispatches on it.
macro_rules! step_kernels {
    ($($(#[$attribute:meta])* $variant:ident($kernel:ty),)*) => {
        /// The kernel of a step.
        #[derive(Debug)]
        pub(super) enum StepKernel {
            $($(#[$attribute])* $variant($kernel),)*
        }

        impl StepKernel {
            pub(super) fn kernel(&self) -> &dyn Kernel {
                match self {
                    $($(#[$attribute])* Self::$variant(kernel) => kernel,)*
                }
            }
        }

        $($(#[$attribute])* impl From<$kernel> for StepKernel {
            fn from(kernel: $kernel) -> Self {
                Self::$variant(kernel)
            }
        })*
    };
}

step_kernels! {
    Pointwise(pointwise::Pointwise<f32>),
    PointwiseVector(pointwise::PointwiseVector<f32>),
    GatedPointwise(pointwise::GatedPointwise),
    Depthwise(depthwise::Depthwise<f32>),
    Standard(conv2d::Standard<f32>),
    Chain(FusedChain<f32>),
    ConvTranspose(conv_transpose::ConvTranspose),
    Pool(pool::Pool<f32>),
    GlobalAverage(reduce::GlobalAverage),
    Reduce(reduce::Reduce),
    ReduceMiddle(reduce::ReduceMiddle),
    Recurrent(recurrent::Recurrent),
    Unary(unary::Unary),
    UnaryInPlace(unary::UnaryInPlace),
    Binary(binary::Binary),
    Softmax(softmax::Softmax),
    LayerNorm(layer_norm::LayerNorm),
    Resize(resize::Resize),
    MatMul(matmul::MatMul),
    Quantize(quantize::Quantize),
    Dequantize(dequantize::Dequantize),
    Lut(lut::Lut),
    Loops(loops::Loops),
    StridedCopiesF32(data_movement::StridedCopies<f32>),
    StridedCopiesI64(data_movement::StridedCopies<i64>),
    StridedCopiesU8(data_movement::StridedCopies<u8>),
    #[cfg(feature = "int8")]
    PointwiseInt8(pointwise::Pointwise<u8>),
    #[cfg(feature = "int8")]
    PointwiseVectorInt8(pointwise::PointwiseVector<u8>),
    #[cfg(feature = "int8")]
    PointwiseInt8ToF32(pointwise::Pointwise<u8, f32>),
    #[cfg(feature = "int8")]
    PointwiseVectorInt8ToF32(pointwise::PointwiseVector<u8, f32>),
    #[cfg(feature = "int8")]
    DepthwiseInt8(depthwise::Depthwise<u8>),
    #[cfg(feature = "int8")]
    StandardInt8(conv2d::Standard<u8>),
    #[cfg(feature = "int8")]
    StandardInt8ToF32(conv2d::Standard<u8, f32>),
    #[cfg(feature = "int8")]
    ChainInt8(FusedChain<u8>),
    #[cfg(feature = "int8")]
    PoolInt8(pool::Pool<u8>),
    #[cfg(feature = "int8")]
    BinaryInt8(binary::BinaryInt8),
    #[cfg(feature = "int8")]
    ResizeInt8(resize::ResizeInt8),
}

/// Work items of a step to compute.
pub(super) struct Task<'a> {
    pub(super) isa: Isa,
    pub(super) operands: Operands<'a>,
    pub(super) items: Range<usize>,
    /// The index of the first element of the result that the items consist of.
    pub(super) first: usize,
    /// The bytes of exactly these items.
    pub(super) out: &'a mut [u8],
    /// The means of the rows of the result; empty where they are not needed.
    pub(super) means: &'a mut [u8],
    pub(super) scratch: &'a mut [u8],
}

/// What a step reads. Memory is bytes; a kernel sees its elements in them.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    pub(super) buffers: &'a [BufferRef],
    /// The parts of the arena that are not written to, and where in it they begin.
    pub(super) arena: [(usize, &'a [u8]); 4],
    /// All packed weights of the plan.
    pub(super) weights: &'a [u8],
}

impl<'a> Operands<'a> {
    /// Operand `i`; empty where there is none, or where it is the result itself.
    fn get<T: Pod>(&self, i: usize) -> &'a [T] {
        let bytes = match self.buffers.get(i) {
            Some(BufferRef::Weights(range)) => self.weights.get(range.clone()),
            Some(BufferRef::Arena(range)) => self
                .arena
                .iter()
                .find_map(|(start, bytes)| bytes.get(range.start.checked_sub(*start)?..range.end.checked_sub(*start)?)),
            None => None,
        };
        bytes.map(cast_slice).unwrap_or_default()
    }

    /// The part of a residual operand that belongs to `len` elements of the result from `first` on.
    fn residual<T: Pod>(&self, i: usize, first: usize, len: usize) -> Option<&'a [T]> {
        let operand = self.get(i);
        (!operand.is_empty()).then(|| &operand[first..][..len])
    }
}

/// The kernel for a node, which of its operands the kernel reads while running, and what to show of it.
pub(super) struct KernelChoice<K = StepKernel> {
    pub(super) kernel: K,
    pub(super) operands: Vec<ValueId>,
    pub(super) name: String,
    /// The names of all kernels that the node could run with; none where there is no other.
    pub(super) alternatives: Vec<String>,
    pub(super) reason: String,
}

impl<K> KernelChoice<K> {
    fn map<L>(self, f: impl FnOnce(K) -> L) -> KernelChoice<L> {
        let Self { kernel, operands, name, alternatives, reason } = self;
        KernelChoice { kernel: f(kernel), operands, name, alternatives, reason }
    }
}

/// A node for which a kernel is selected.
pub(super) struct Lowering<'a, 'g> {
    pub(super) graph: &'g Graph,
    pub(super) node: &'g Node,
    pub(super) isa: Isa,
    /// The name of the kernel that the caller chose, if any: where it is one that fits the node it is selected.
    pub(super) chosen: Option<&'a str>,
    /// Whether the result is stored where the first operand is.
    pub(super) in_place: bool,
    /// Whether the step before leaves the means of the operand's rows, which replace the operand.
    pub(super) has_row_means: bool,
    pub(super) weights: &'a mut WeightLayout<'g>,
}

impl<'g> Lowering<'_, 'g> {
    /// The kernel for the node.
    pub(super) fn select_kernel(&mut self) -> Result<KernelChoice> {
        let node = self.node;
        let integers = self.input(0).dtype == DType::I64;
        match &node.op {
            Op::Conv2d(conv) => conv2d::select(conv, self),
            Op::ConvTranspose(conv) => conv_transpose::select(conv, self),
            Op::Dense(dense) => pointwise::select_dense(dense, self),
            Op::MatMul(_) => Ok(matmul::select(self)),
            Op::BatchNorm(_) => Err(not_constant("statistics of a batch normalization")),
            Op::LayerNorm(op) => Ok(layer_norm::select(op, self)),
            Op::Pool(op) => pool::select(op, self),
            Op::Reduce(op) if integers => Ok(loops::select(OnIntegers::reduce(op)?, self)),
            Op::Reduce(reduce) => Ok(reduce::select(reduce, self)),
            Op::Unary(function) if integers => Ok(loops::select(OnIntegers::unary(*function)?, self)),
            Op::Unary(function) => Ok(unary::select(*function, self)),
            Op::Binary(op) if integers => Ok(loops::select(OnIntegers::binary(op)?, self)),
            Op::Binary(op) => Ok(binary::select(op, self)),
            Op::Softmax(op) => Ok(softmax::select(op, self)),
            Op::Resize(op) => resize::select(op, self),
            Op::Reshape(op) => data_movement::select(op, self),
            Op::Transpose(op) => data_movement::select(op, self),
            Op::Concat(op) => data_movement::select(op, self),
            Op::Slice(op) => data_movement::select(op, self),
            Op::Pad(op) => data_movement::select(op, self),
            Op::Gather(op) if self.input(1).constant.is_none() => Ok(loops::select(op.clone(), self)),
            Op::Gather(op) => data_movement::select(op, self),
            Op::Broadcast(op) => data_movement::select(op, self),
            Op::Pairwise(op) => Ok(loops::select(*op, self)),
            Op::Select(op) => Ok(loops::select(*op, self)),
            Op::Cast(op) => Ok(loops::select(*op, self)),
            Op::TopK(op) => Ok(loops::select(*op, self)),
            Op::ScatterNd(op) => Ok(loops::select(*op, self)),
            Op::NonZero(op) => Ok(loops::select(*op, self)),
            Op::NonMaxSuppression(op) => Ok(loops::select(*op, self)),
            Op::GatherNd(op) => Ok(loops::select(*op, self)),
            Op::GatherElements(op) => Ok(loops::select(*op, self)),
            Op::GridSample(op) => Ok(loops::select(*op, self)),
            Op::Detections(op) => Ok(loops::select(*op, self)),
            Op::CumSum(op) => Ok(loops::select(*op, self)),
            Op::ArgExtreme(op) => Ok(loops::select(*op, self)),
            Op::Quantize(op) => Ok(quantize::select(op, self)),
            Op::Dequantize(_) if integers => Err(not_constant("integers wider than 8 bits that have a scale")),
            Op::Dequantize(op) => Ok(dequantize::select(op, self)),
            Op::Lut(op) => Ok(lut::select(op, self)),
            Op::Recurrent(op) => recurrent::select(op, self),
            #[cfg(feature = "int8")]
            Op::QConv2d(conv) => conv2d::select_int8(conv, self),
            #[cfg(feature = "int8")]
            Op::QBinary(op) => Ok(binary::select_int8(op, self)),
            #[cfg(feature = "int8")]
            Op::QAveragePool(op) => Ok(pool::select_average_int8(op, self).map(Into::into)),
            #[cfg(not(feature = "int8"))]
            Op::QConv2d(_) | Op::QBinary(_) | Op::QAveragePool(_) => Err(no_int8()),
        }
    }

    fn input(&self, i: usize) -> &'g Value {
        self.graph.value(self.node.inputs[i])
    }

    /// The shape of an operand.
    fn shape(&self, i: usize) -> &'g Shape {
        &self.input(i).shape
    }

    fn output(&self) -> &'g Shape {
        &self.graph.value(self.node.output).shape
    }

    /// The constant that operand `i` must be.
    fn constant(&self, i: usize) -> Result<&'g Tensor> {
        self.input(i).constant.as_deref().ok_or_else(|| not_constant("weights"))
    }

    /// Weights and bias of an f32 layer, which are operands 1 and 2.
    fn weights_and_bias(&self) -> Result<[&'g [f32]; 2]> {
        Ok([self.f32_constant(1)?, self.f32_constant(2)?])
    }

    /// The elements of the f32 constant that operand `i` must be.
    fn f32_constant(&self, i: usize) -> Result<&'g [f32]> {
        let tensor = self.constant(i)?;
        let error = || Error::mismatch("weights have the wrong dtype").expected("f32", tensor.dtype());
        tensor.as_f32().ok_or_else(error)
    }

    /// The tile of the kernel that the caller chose, where there is one of that name among `tiles`, else `usual`; and
    /// the names of the kernel with each.
    fn tile(&self, kernel: &str, usual: Tile, tiles: impl Iterator<Item = Tile>) -> (Tile, Vec<String>) {
        let name = |tile: Tile| format!("{kernel} {}", tile.name(self.isa));
        let (mut chosen, mut names) = (usual, Vec::new());
        for tile in [usual].into_iter().chain(tiles.filter(|tile| *tile != usual)) {
            let name = name(tile);
            // Of two tiles of one size the usual is chosen.
            if names.contains(&name) {
                continue;
            }
            if self.chosen == Some(&*name) {
                chosen = tile;
            }
            names.push(name);
        }
        (chosen, names)
    }

    /// A kernel that reads all operands.
    pub(super) fn choice<K>(&self, kernel: K, name: &str, reason: &str) -> KernelChoice<K> {
        KernelChoice {
            kernel,
            operands: self.node.inputs.clone(),
            name: name.to_owned(),
            alternatives: Vec::new(),
            reason: reason.to_owned(),
        }
    }

    /// The operands of a layer that a kernel reads beside its packed weights: the first, and the residual where there
    /// is one.
    fn unpacked_operands(&self, residual: usize) -> Vec<ValueId> {
        [0, residual].iter().filter_map(|&i| self.node.inputs.get(i).copied()).collect()
    }
}

fn not_constant(what: &str) -> Error {
    Error::unsupported(format!("{what} must be known before running"))
        .help("bind the input that they come from to a constant")
}

#[cfg(not(feature = "int8"))]
fn no_int8() -> Error {
    Error::unsupported("int8 layers are not in this build").help("build it with the feature `int8`")
}

/// How much of a tile's arithmetic is on columns that do not exist.
fn padding_waste(n: usize, columns: usize) -> String {
    let computed = n.next_multiple_of(columns);
    match (computed - n) * 100 / computed {
        0 => "no padding waste".to_owned(),
        percent => format!("{percent} % padding waste"),
    }
}
