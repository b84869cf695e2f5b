use sepconv_kernels::Window;

use super::conv_layer::{ConvElement, ConvLayer};
use super::pool::{self, Pool, PoolElement};
use super::{KernelChoice, Lowering, RowTask, conv2d};
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
use crate::op::{self, Conv2d, Convolution};
#[cfg(feature = "int8")]
use crate::op::{QAveragePool, QuantizedConv};
use crate::{DType, Graph, Node, Op, Result};

/// An element type of which chains keep rows between their layers.
pub(crate) trait ChainElement: ConvElement + PoolElement {
    /// A convolution on elements of this type.
    type Conv<'g>;
    /// A pooling of elements of this type.
    type PoolOp<'g>;

    /// The operator of a node, if a chain can run it on elements of this type.
    fn operator<'g>(graph: &Graph, node: &'g Node) -> Option<ChainOperator<'g, Self>>;

    /// The kernel for a convolution.
    fn select_conv<'g>(conv: &Self::Conv<'g>, lowering: &mut Lowering<'_, 'g>)
    -> Result<KernelChoice<ConvLayer<Self>>>;

    /// The kernel for a pooling.
    fn select_pool(pool: &Self::PoolOp<'_>, lowering: &Lowering<'_, '_>) -> KernelChoice<Pool<Self>>;
}

/// An operator that makes rows of its result of rows of its first operand.
pub(crate) enum ChainOperator<'g, T: ChainElement> {
    /// A convolution, its window, and the index of a residual among its operands.
    Conv(T::Conv<'g>, Window, usize),
    /// A pooling and its window.
    Pool(T::PoolOp<'g>, Window),
}

impl ChainElement for f32 {
    type Conv<'g> = &'g Conv2d;
    type PoolOp<'g> = &'g op::Pool;

    fn operator<'g>(graph: &Graph, node: &'g Node) -> Option<ChainOperator<'g, Self>> {
        if let Op::Pool(pool) = &node.op {
            let is_f32 = graph.value(node.output).dtype == DType::F32;
            return is_f32.then_some(ChainOperator::Pool(pool, pool.window));
        }
        let convolution = node.op.operator().as_convolution()?;
        let (window, residual) = (convolution.window(), convolution.residual_index());
        match convolution {
            Convolution::F32(conv) => Some(ChainOperator::Conv(conv, window, residual)),
            #[cfg(feature = "int8")]
            Convolution::Int8(_) => None,
        }
    }

    fn select_conv<'g>(conv: &&'g Conv2d, lowering: &mut Lowering<'_, 'g>) -> Result<KernelChoice<ConvLayer<Self>>> {
        conv2d::select_layer(conv, lowering)
    }

    fn select_pool(pool: &&op::Pool, lowering: &Lowering<'_, '_>) -> KernelChoice<Pool<Self>> {
        pool::select_f32(pool, lowering)
    }
}

/// A pooling of u8.
#[cfg(feature = "int8")]
pub(crate) enum PoolInt8<'g> {
    Max(&'g op::Pool),
    Average(&'g QAveragePool),
}

#[cfg(feature = "int8")]
impl ChainElement for u8 {
    type Conv<'g> = QuantizedConv<'g>;
    type PoolOp<'g> = PoolInt8<'g>;

    fn operator<'g>(graph: &Graph, node: &'g Node) -> Option<ChainOperator<'g, Self>> {
        match &node.op {
            Op::Pool(pool) => {
                let is_u8 = graph.value(node.output).dtype == DType::U8;
                return is_u8.then_some(ChainOperator::Pool(PoolInt8::Max(pool), pool.window));
            }
            Op::QAveragePool(op) => return Some(ChainOperator::Pool(PoolInt8::Average(op), op.pool.window)),
            _ => {}
        }
        let convolution = node.op.operator().as_convolution()?;
        let (window, residual) = (convolution.window(), convolution.residual_index());
        match convolution {
            Convolution::Int8(conv) => Some(ChainOperator::Conv(conv, window, residual)),
            Convolution::F32(_) => None,
        }
    }

    fn select_conv<'g>(
        conv: &QuantizedConv<'g>,
        lowering: &mut Lowering<'_, 'g>,
    ) -> Result<KernelChoice<ConvLayer<Self>>> {
        conv2d::select_layer_int8(conv, lowering)
    }

    fn select_pool(pool: &PoolInt8<'_>, lowering: &Lowering<'_, '_>) -> KernelChoice<Pool<Self>> {
        match pool {
            PoolInt8::Max(op) => pool::select_max_int8(op, lowering),
            PoolInt8::Average(op) => pool::select_average_int8(op, lowering),
        }
    }
}

impl<'g, T: ChainElement> ChainOperator<'g, T> {
    /// The kernel.
    pub(crate) fn select(&self, lowering: &mut Lowering<'_, 'g>) -> Result<KernelChoice<ChainLayer<T>>> {
        match self {
            Self::Conv(conv, ..) => Ok(T::select_conv(conv, lowering)?.map(ChainLayer::Conv)),
            Self::Pool(pool, _) => Ok(T::select_pool(pool, lowering).map(ChainLayer::Pool)),
        }
    }
}

/// The kernel of a layer of a chain.
#[derive(Debug)]
pub(crate) enum ChainLayer<T: ChainElement> {
    Conv(ConvLayer<T>),
    Pool(Pool<T>),
}

impl<T: ChainElement> ChainLayer<T> {
    /// Computes some rows of one image.
    pub(crate) fn run_rows(&self, task: RowTask<'_, T>) {
        match self {
            Self::Conv(layer) => layer.run_rows(task),
            Self::Pool(layer) => T::pool(layer, task),
        }
    }

    /// Elements of scratch.
    pub(crate) fn scratch_len(&self) -> usize {
        match self {
            Self::Conv(layer) => layer.scratch_len(),
            Self::Pool(_) => 0,
        }
    }
}

#[cfg(feature = "int8")]
impl ChainLayer<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        match self {
            Self::Conv(layer) => layer.call(),
            Self::Pool(layer) => layer.call(),
        }
    }
}
