//! The operators: one function each, and the table that names them.

mod antialias;
mod compare;
mod constant;
mod conv;
mod einsum;
mod elementwise;
mod fused;
mod grid_sample;
mod index;
mod layout;
mod legacy;
mod matrix;
mod normalization;
mod pad;
mod pick;
mod pool;
mod qlinear;
mod quantize;
mod recurrent;
mod reduce;
mod resize;
mod window;

use sepconv_core::op::{BinaryFunction, Pairwise, UnaryFunction};
use sepconv_core::{Result, ValueId};
use sepconv_kernels::Activation;
use sepconv_kernels::reduce::Reduction;

use super::is_default_domain;
use super::node::Node;
use super::proto::NodeProto;

/// Adds what a node means to the graph and returns its first output; more go through [`Node::add_output`].
pub(super) type Import = fn(&mut Node<'_>) -> Result<ValueId>;

/// Every operator of the default domain that is read, in alphabetical order.
pub(super) const OPERATORS: &[(&str, Import)] = &[
    ("Abs", |node| elementwise::unary(node, UnaryFunction::Abs)),
    ("Add", |node| elementwise::binary(node, BinaryFunction::Add)),
    ("Affine", legacy::affine),
    ("And", |node| compare::logical(node, BinaryFunction::Min)),
    ("ArgMax", |node| pick::arg(node, true)),
    ("ArgMin", |node| pick::arg(node, false)),
    ("AveragePool", pool::average_pool),
    ("BatchNormalization", normalization::batch),
    ("Cast", constant::cast),
    ("CastLike", constant::cast_like),
    ("Ceil", |node| elementwise::unary(node, UnaryFunction::Ceil)),
    ("Celu", elementwise::celu),
    ("Clip", elementwise::clip),
    ("Concat", layout::concat),
    ("Constant", constant::constant),
    ("ConstantOfShape", constant::constant_of_shape),
    ("Conv", conv::conv),
    ("ConvInteger", qlinear::conv_integer),
    ("ConvTranspose", conv::conv_transpose),
    ("Cos", |node| elementwise::unary(node, UnaryFunction::Cos)),
    ("Crop", legacy::crop),
    ("CumSum", pick::cum_sum),
    ("DepthToSpace", layout::depth_to_space),
    ("DequantizeLinear", quantize::dequantize_linear),
    ("Div", |node| elementwise::binary(node, BinaryFunction::Div)),
    ("Dropout", elementwise::dropout),
    ("DynamicQuantizeLinear", quantize::dynamic_quantize_linear),
    ("Einsum", einsum::einsum),
    ("Elu", elementwise::elu),
    ("Equal", |node| compare::compare(node, Pairwise::Equal)),
    ("Erf", |node| elementwise::unary(node, UnaryFunction::Erf)),
    ("Exp", |node| elementwise::unary(node, UnaryFunction::Exp)),
    ("Expand", layout::expand),
    ("Flatten", layout::flatten),
    ("Floor", |node| elementwise::unary(node, UnaryFunction::Floor)),
    ("GRU", recurrent::gru),
    ("Gather", index::gather),
    ("GatherElements", pick::gather_elements),
    ("GatherND", pick::gather_nd),
    ("Gelu", elementwise::gelu),
    ("Gemm", matrix::gemm),
    ("GlobalAveragePool", |node| pool::global(node, Reduction::Mean)),
    ("GlobalMaxPool", |node| pool::global(node, Reduction::Max)),
    ("Greater", |node| compare::swapped(node, Pairwise::Less)),
    ("GreaterOrEqual", |node| compare::swapped(node, Pairwise::LessOrEqual)),
    ("GridSample", grid_sample::grid_sample),
    ("GroupNormalization", normalization::group),
    ("HardSigmoid", elementwise::hard_sigmoid),
    ("HardSwish", |node| elementwise::activation(node, Activation::HardSwish)),
    ("Identity", |node| node.input(0)),
    ("If", compare::branch),
    ("ImageScaler", legacy::image_scaler),
    ("InstanceNormalization", normalization::instance),
    ("IsNaN", compare::is_nan),
    ("LRN", normalization::local_response),
    ("LSTM", recurrent::lstm),
    ("LayerNormalization", normalization::layer),
    ("LeakyRelu", elementwise::leaky_relu),
    ("Less", |node| compare::compare(node, Pairwise::Less)),
    ("LessOrEqual", |node| compare::compare(node, Pairwise::LessOrEqual)),
    ("Log", |node| elementwise::unary(node, UnaryFunction::Log)),
    ("LogSoftmax", |node| reduce::softmax(node, true)),
    ("LpNormalization", normalization::lp),
    ("MatMul", matrix::matmul),
    ("MatMulInteger", qlinear::matmul_integer),
    ("Max", |node| elementwise::variadic(node, BinaryFunction::Max)),
    ("MaxPool", pool::max_pool),
    ("Mean", elementwise::mean),
    ("MeanVarianceNormalization", normalization::mean_variance),
    ("Min", |node| elementwise::variadic(node, BinaryFunction::Min)),
    ("Mish", |node| elementwise::unary(node, UnaryFunction::Mish)),
    ("Mod", compare::modulo),
    ("Mul", |node| elementwise::binary(node, BinaryFunction::Mul)),
    ("Neg", |node| elementwise::unary(node, UnaryFunction::Neg)),
    ("NonMaxSuppression", pick::non_max_suppression),
    ("NonZero", pick::non_zero),
    ("Not", compare::not),
    ("OneHot", compare::one_hot),
    ("Or", |node| compare::logical(node, BinaryFunction::Max)),
    ("PRelu", elementwise::prelu),
    ("Pad", pad::pad),
    ("Pow", elementwise::pow),
    ("QLinearConv", qlinear::conv),
    ("QLinearMatMul", qlinear::matmul),
    ("QuantizeLinear", quantize::quantize_linear),
    ("RMSNormalization", normalization::rms),
    ("Range", constant::range),
    ("Reciprocal", |node| elementwise::unary(node, UnaryFunction::Reciprocal)),
    ("ReduceL1", |node| reduce::reduce(node, Reduction::L1)),
    ("ReduceL2", |node| reduce::reduce(node, Reduction::L2)),
    ("ReduceLogSum", |node| reduce::reduce(node, Reduction::LogSum)),
    ("ReduceLogSumExp", |node| reduce::reduce(node, Reduction::LogSumExp)),
    ("ReduceMax", |node| reduce::reduce(node, Reduction::Max)),
    ("ReduceMean", |node| reduce::reduce(node, Reduction::Mean)),
    ("ReduceMin", |node| reduce::reduce(node, Reduction::Min)),
    ("ReduceProd", |node| reduce::reduce(node, Reduction::Prod)),
    ("ReduceSum", |node| reduce::reduce(node, Reduction::Sum)),
    ("ReduceSumSquare", |node| reduce::reduce(node, Reduction::SumSquare)),
    ("Relu", |node| elementwise::activation(node, Activation::Relu)),
    ("Reshape", layout::reshape),
    ("Resize", resize::resize),
    ("Round", |node| elementwise::unary(node, UnaryFunction::Round)),
    ("ScatterND", pick::scatter_nd),
    ("Selu", elementwise::selu),
    ("Shape", constant::shape),
    ("Sigmoid", |node| elementwise::activation(node, Activation::Sigmoid)),
    ("Sign", |node| elementwise::unary(node, UnaryFunction::Sign)),
    ("Sin", |node| elementwise::unary(node, UnaryFunction::Sin)),
    ("Size", constant::size),
    ("Slice", index::slice),
    ("Softmax", |node| reduce::softmax(node, false)),
    ("Softplus", |node| elementwise::unary(node, UnaryFunction::Softplus)),
    ("Softsign", |node| elementwise::unary(node, UnaryFunction::Softsign)),
    ("SpaceToDepth", layout::space_to_depth),
    ("Split", index::split),
    ("Sqrt", |node| elementwise::unary(node, UnaryFunction::Sqrt)),
    ("Squeeze", layout::squeeze),
    ("Sub", |node| elementwise::binary(node, BinaryFunction::Sub)),
    ("Sum", |node| elementwise::variadic(node, BinaryFunction::Add)),
    ("Swish", elementwise::swish),
    ("Tanh", |node| elementwise::activation(node, Activation::Tanh)),
    ("ThresholdedRelu", elementwise::thresholded_relu),
    ("Tile", layout::tile),
    ("TopK", pick::top_k),
    ("Transpose", layout::transpose),
    ("Unsqueeze", layout::unsqueeze),
    ("Upsample", resize::upsample),
    ("Where", compare::select),
    ("Xor", |node| compare::compare(node, Pairwise::NotEqual)),
];

/// What onnxruntime adds to them: its quantizer, and its optimizer where it saves networks, in alphabetical order.
pub(super) const MICROSOFT: &[(&str, Import)] = &[
    ("BiasGelu", |node| fused::gelu(node, false)),
    ("DequantizeLinear", quantize::dequantize_linear),
    ("FastGelu", |node| fused::gelu(node, true)),
    ("FusedConv", fused::conv),
    ("FusedGemm", fused::gemm),
    ("FusedMatMul", fused::matmul),
    ("Gelu", |node| fused::gelu(node, false)),
    ("QGemm", qlinear::gemm),
    ("QLinearAdd", |node| qlinear::binary(node, BinaryFunction::Add)),
    ("QLinearAveragePool", qlinear::average_pool),
    ("QLinearConcat", qlinear::concat),
    ("QLinearGlobalAveragePool", qlinear::global_average_pool),
    ("QLinearLeakyRelu", qlinear::leaky_relu),
    ("QLinearMul", |node| qlinear::binary(node, BinaryFunction::Mul)),
    ("QLinearSigmoid", |node| qlinear::activation(node, Activation::Sigmoid)),
    ("QLinearSoftmax", qlinear::softmax),
    ("QuantizeLinear", quantize::quantize_linear),
    ("QuickGelu", fused::quick_gelu),
];

/// The import of a node's operator; `None` where it is not read.
pub(super) fn find(node: &NodeProto) -> Option<Import> {
    let operators = match node.domain.as_str() {
        domain if is_default_domain(domain) => OPERATORS,
        "com.microsoft" => MICROSOFT,
        _ => return None,
    };
    let place = operators.binary_search_by_key(&node.op_type.as_str(), |(name, _)| name);
    place.ok().map(|i| operators[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_the_binary_search() {
        for operators in [OPERATORS, MICROSOFT] {
            assert!(operators.is_sorted_by(|(a, _), (b, _)| a < b));
        }
    }
}
