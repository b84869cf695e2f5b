//! What each operator of TensorFlow Lite is in a graph: one file a family, and the table that names them.

mod blocks;
mod compare;
mod conv;
mod custom;
mod elementwise;
mod pick;
mod plane;
mod recurrent;
mod reduce;
mod shape;
mod slice;
mod state;

use sepconv_core::op::{BinaryFunction, Pairwise, UnaryFunction};
use sepconv_core::{Result, ValueId};
use sepconv_kernels::Activation;
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::reduce::Reduction;

use super::node::Node;
pub(super) use blocks::BatchedBlocks;

use crate::dims::axis;

/// Adds what a node means to the graph.
#[derive(Clone, Copy)]
pub(super) enum Import {
    /// Its only result.
    One(fn(&mut Node<'_, '_>) -> Result<ValueId>),
    /// All of its results.
    Many(fn(&mut Node<'_, '_>) -> Result<Vec<ValueId>>),
}

use Import::{Many, One};

/// Every built-in operator that is read, in alphabetical order.
pub(super) const OPERATORS: &[(&str, Import)] = &[
    ("ABS", One(|node| elementwise::unary(node, UnaryFunction::Abs))),
    ("ADD", One(|node| elementwise::fused(node, BinaryFunction::Add))),
    ("ADD_N", One(elementwise::add_n)),
    ("ARG_MAX", One(|node| pick::arg(node, true))),
    ("ARG_MIN", One(|node| pick::arg(node, false))),
    ("ASSIGN_VARIABLE", Many(state::assign_variable)),
    ("AVERAGE_POOL_2D", One(|node| plane::pool(node, PoolKind::Average { count_padding: false }))),
    ("BATCH_MATMUL", One(conv::batch_matmul)),
    ("BATCH_TO_SPACE_ND", One(blocks::batch_to_space)),
    ("BROADCAST_ARGS", One(shape::broadcast_args)),
    ("BROADCAST_TO", One(shape::broadcast_to)),
    ("CALL_ONCE", Many(state::call_once)),
    ("CAST", One(compare::cast)),
    ("CEIL", One(|node| elementwise::unary(node, UnaryFunction::Ceil))),
    ("CONCATENATION", One(shape::concatenation)),
    ("CONV_2D", One(conv::conv2d)),
    ("COS", One(|node| elementwise::unary(node, UnaryFunction::Cos))),
    ("CUMSUM", One(pick::cum_sum)),
    ("DENSIFY", One(elementwise::identity)),
    ("DEPTHWISE_CONV_2D", One(conv::depthwise)),
    ("DEPTH_TO_SPACE", One(blocks::depth_to_space)),
    ("DEQUANTIZE", One(elementwise::identity)),
    ("DIV", One(|node| elementwise::fused(node, BinaryFunction::Div))),
    ("ELU", One(|node| elementwise::unary(node, UnaryFunction::Elu { alpha: 1.0 }))),
    ("EQUAL", One(|node| compare::pairwise(node, Pairwise::Equal))),
    ("EXP", One(|node| elementwise::unary(node, UnaryFunction::Exp))),
    ("EXPAND_DIMS", One(shape::expand_dims)),
    ("FILL", One(compare::fill)),
    ("FLOOR", One(|node| elementwise::unary(node, UnaryFunction::Floor))),
    ("FLOOR_DIV", One(|node| compare::pairwise(node, Pairwise::FloorDiv))),
    ("FLOOR_MOD", One(|node| compare::pairwise(node, Pairwise::FloorMod))),
    ("FULLY_CONNECTED", One(conv::fully_connected)),
    ("GATHER", One(shape::gather)),
    ("GATHER_ND", One(pick::gather_nd)),
    ("GELU", One(elementwise::gelu)),
    ("GREATER", One(|node| compare::swapped(node, Pairwise::Less))),
    ("GREATER_EQUAL", One(|node| compare::swapped(node, Pairwise::LessOrEqual))),
    ("HARD_SWISH", One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::HardSwish)))),
    ("L2_NORMALIZATION", One(reduce::l2_normalization)),
    ("L2_POOL_2D", One(plane::l2_pool)),
    ("LEAKY_RELU", One(elementwise::leaky_relu)),
    ("LESS", One(|node| compare::pairwise(node, Pairwise::Less))),
    ("LESS_EQUAL", One(|node| compare::pairwise(node, Pairwise::LessOrEqual))),
    ("LOG", One(|node| elementwise::unary(node, UnaryFunction::Log))),
    ("LOGICAL_AND", One(|node| compare::logical(node, BinaryFunction::Min))),
    ("LOGICAL_NOT", One(compare::not)),
    ("LOGICAL_OR", One(|node| compare::logical(node, BinaryFunction::Max))),
    ("LOGISTIC", One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::Sigmoid)))),
    ("LOG_SOFTMAX", One(reduce::log_softmax)),
    ("MAXIMUM", One(|node| elementwise::binary(node, BinaryFunction::Max))),
    ("MAX_POOL_2D", One(|node| plane::pool(node, PoolKind::Max))),
    ("MEAN", One(|node| reduce::reduce(node, Reduction::Mean))),
    ("MINIMUM", One(|node| elementwise::binary(node, BinaryFunction::Min))),
    ("MIRROR_PAD", One(shape::mirror_pad)),
    ("MUL", One(|node| elementwise::fused(node, BinaryFunction::Mul))),
    ("NEG", One(|node| elementwise::unary(node, UnaryFunction::Neg))),
    ("NOT_EQUAL", One(|node| compare::pairwise(node, Pairwise::NotEqual))),
    ("PACK", One(shape::pack)),
    ("PAD", One(|node| shape::pad(node, 2))),
    ("PADV2", One(|node| shape::pad(node, 3))),
    ("POW", One(|node| elementwise::binary(node, BinaryFunction::Pow))),
    ("PRELU", One(|node| elementwise::binary(node, BinaryFunction::PRelu))),
    ("QUANTIZE", One(elementwise::identity)),
    ("RANGE", One(compare::range)),
    ("READ_VARIABLE", One(state::read_variable)),
    ("REDUCE_ALL", One(|node| reduce::reduce(node, Reduction::Min))),
    ("REDUCE_ANY", One(|node| reduce::reduce(node, Reduction::Max))),
    ("REDUCE_MAX", One(|node| reduce::reduce(node, Reduction::Max))),
    ("REDUCE_MIN", One(|node| reduce::reduce(node, Reduction::Min))),
    ("REDUCE_PROD", One(|node| reduce::reduce(node, Reduction::Prod))),
    ("RELU", One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::Relu)))),
    ("RELU6", One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::RELU6)))),
    (
        "RELU_0_TO_1",
        One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::Clip { low: 0.0, high: 1.0 }))),
    ),
    (
        "RELU_N1_TO_1",
        One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::Clip { low: -1.0, high: 1.0 }))),
    ),
    ("RESHAPE", One(shape::reshape)),
    ("RESIZE_BILINEAR", One(plane::resize_bilinear)),
    ("RESIZE_NEAREST_NEIGHBOR", One(plane::resize_nearest)),
    ("REVERSE_V2", One(slice::reverse)),
    ("ROUND", One(|node| elementwise::unary(node, UnaryFunction::Round))),
    ("RSQRT", One(elementwise::rsqrt)),
    ("SCATTER_ND", One(pick::scatter_nd)),
    ("SELECT", One(compare::select)),
    ("SELECT_V2", One(compare::select_v2)),
    ("SHAPE", One(shape::shape)),
    ("SIGN", One(|node| elementwise::unary(node, UnaryFunction::Sign))),
    ("SIN", One(|node| elementwise::unary(node, UnaryFunction::Sin))),
    ("SLICE", One(slice::slice)),
    ("SOFTMAX", One(reduce::softmax)),
    ("SPACE_TO_BATCH_ND", One(blocks::space_to_batch)),
    ("SPACE_TO_DEPTH", One(blocks::space_to_depth)),
    ("SPLIT", Many(slice::split)),
    ("SPLIT_V", Many(slice::split_v)),
    ("SQRT", One(|node| elementwise::unary(node, UnaryFunction::Sqrt))),
    ("SQUARE", One(elementwise::square)),
    ("SQUARED_DIFFERENCE", One(elementwise::squared_difference)),
    ("SQUEEZE", One(shape::squeeze)),
    ("STABLEHLO_COMPOSITE", Many(composite)),
    ("STRIDED_SLICE", One(slice::strided_slice)),
    ("SUB", One(|node| elementwise::fused(node, BinaryFunction::Sub))),
    ("SUM", One(|node| reduce::reduce(node, Reduction::Sum))),
    ("SVDF", One(recurrent::svdf)),
    ("TANH", One(|node| elementwise::unary(node, UnaryFunction::Activation(Activation::Tanh)))),
    ("TILE", One(pick::tile)),
    ("TOPK_V2", Many(pick::top_k)),
    ("TRANSPOSE", One(shape::transpose)),
    ("TRANSPOSE_CONV", One(conv::transpose_conv)),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", One(recurrent::unidirectional_sequence_lstm)),
    ("UNPACK", Many(slice::unpack)),
    ("VAR_HANDLE", One(state::var_handle)),
    ("WHERE", One(pick::non_zero)),
];

/// Operators that are not built in, in alphabetical order.
pub(super) const CUSTOM: &[(&str, Import)] = &[
    ("Convolution2DTransposeBias", One(custom::conv_transpose_bias)),
    ("MaxPoolingWithArgmax2D", Many(custom::max_pool_argmax)),
    ("MaxUnpooling2D", One(custom::max_unpool)),
    ("TFLite_Detection_PostProcess", Many(pick::detections)),
];

impl Import {
    /// The import of a built-in operator; `None` where it is not read.
    pub(super) fn find(operator: &str) -> Option<Self> {
        Self::find_in(OPERATORS, operator)
    }

    /// The import of an operator that is not built in.
    pub(super) fn find_custom(operator: &str) -> Option<Self> {
        Self::find_in(CUSTOM, operator)
    }

    fn find_in(operators: &[(&str, Self)], operator: &str) -> Option<Self> {
        let place = operators.binary_search_by_key(&operator, |(name, _)| name);
        place.ok().map(|i| operators[i].1)
    }

    /// The results of a node.
    pub(super) fn run(self, node: &mut Node<'_, '_>) -> Result<Vec<ValueId>> {
        match self {
            One(import) => import(node).map(|value| vec![value]),
            Many(import) => import(node),
        }
    }
}

/// What the subgraph computes that spells the operator out.
fn composite(node: &mut Node<'_, '_>) -> Result<Vec<ValueId>> {
    let operands = (0..node.inputs.len()).map(|i| node.stored(i)).collect::<Result<Vec<_>>>()?;
    let subgraph = node.option_size(1, 0)?;
    node.importer.call(subgraph, &operands)
}

/// Axes in increasing order. Files may name one twice.
fn axes(values: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut axes: Vec<usize> = values.iter().map(|&value| axis(value, rank)).collect::<Result<_>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_the_binary_search() {
        for operators in [OPERATORS, CUSTOM] {
            assert!(operators.is_sorted_by(|(a, _), (b, _)| a < b));
        }
    }
}
