//! The operators: how each is said in ONNX.

mod elementwise;
mod index;
mod layout;
mod matrix;
mod recurrent;
mod reduce;
mod window;

use sepconv_core::op::{
    BatchNorm, Binary, Broadcast, Concat, Dense, Dequantize, Gather, LayerNorm, MatMul, Pad, Quantize, Reduce, Reshape,
    Slice, Softmax, Transpose,
};
use sepconv_core::{Error, Node, Op, Result};

use super::attribute::int;
use super::writer::{Held, Writer};

/// Writes what a node means and says which tensor holds its result, in which order.
pub(super) fn write(writer: &mut Writer<'_>, node: &Node) -> Result<Held> {
    match &node.op {
        Op::Conv2d(conv) => window::conv(writer, node, conv),
        Op::ConvTranspose(conv) => window::conv_transpose(writer, node, conv),
        Op::Pool(pool) => window::pool(writer, node, pool),
        Op::Resize(resize) => window::resize(writer, node, resize),
        Op::GridSample(op) => window::grid_sample(writer, node, *op),
        Op::Dense(Dense { activation }) => matrix::dense(writer, node, *activation),
        Op::MatMul(MatMul) => matrix::matmul(writer, node),
        Op::BatchNorm(BatchNorm { epsilon }) => matrix::batch_norm(writer, node, *epsilon),
        Op::LayerNorm(LayerNorm { axes, epsilon }) => matrix::layer_norm(writer, node, *axes, *epsilon),
        Op::Reduce(Reduce { reduction, axes, keep_dims }) => reduce::reduce(writer, node, *reduction, axes, *keep_dims),
        Op::Softmax(Softmax { axis, log }) => reduce::softmax(writer, node, *axis, *log),
        Op::Unary(function) => elementwise::unary(writer, node, *function),
        Op::Binary(Binary { function, activation }) => elementwise::binary(writer, node, *function, *activation),
        Op::Quantize(Quantize(quantization)) => elementwise::quantize(writer, node, quantization),
        Op::Dequantize(Dequantize(quantization)) => elementwise::dequantize(writer, node, quantization),
        Op::Reshape(Reshape { shape }) => layout::reshape(writer, node, shape),
        Op::Transpose(Transpose { order }) => layout::transpose(writer, node, order),
        Op::Concat(Concat { axis }) => layout::concat(writer, node, *axis),
        Op::Slice(Slice { starts, steps, sizes }) => layout::slice(writer, node, starts, steps, sizes),
        Op::Pad(Pad { before, after, mode: fill }) => layout::pad(writer, node, before, after, *fill),
        Op::Gather(Gather { axis }) => layout::gather(writer, node, *axis),
        Op::Broadcast(Broadcast { shape }) => layout::broadcast(writer, node, shape),
        Op::Recurrent(layer) => recurrent::recurrent(writer, node, layer),
        Op::Pairwise(function) => index::pairwise(writer, node, *function),
        Op::Select(_) => index::select(writer, node),
        Op::Cast(cast) => index::cast(writer, node, *cast),
        Op::ArgExtreme(op) => index::arg(writer, node, *op),
        Op::TopK(op) => index::top_k(writer, node, *op),
        Op::CumSum(op) => index::cum_sum(writer, node, *op),
        Op::GatherElements(op) => index::in_file_order(writer, node, "GatherElements", vec![int("axis", op.axis)]),
        Op::GatherNd(op) => index::in_file_order(writer, node, "GatherND", vec![int("batch_dims", op.batch_dims)]),
        Op::ScatterNd(op) => index::scatter_nd(writer, node, *op),
        Op::NonZero(_) => index::in_file_order(writer, node, "NonZero", vec![]),
        Op::NonMaxSuppression(op) => index::non_max_suppression(writer, node, *op),
        Op::Detections(_) => Err(Error::unsupported("detection post-processing has no ONNX form")
            .help("export the network up to the boxes and scores")),
        Op::Lut(_) | Op::QConv2d(_) | Op::QBinary(_) | Op::QAveragePool(_) => {
            Err(Error::unsupported("operator on bytes has no ONNX form")
                .expected("floats between dequantizations and quantizations", node.op.name())
                .help("write the graph before it is lowered to integer operators"))
        }
    }
}
