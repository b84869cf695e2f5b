//! The operators: how each is said in ONNX.

mod elementwise;
mod layout;
mod matrix;
mod reduce;
mod window;

use sepconv_core::{Error, Node, Op, Result};

use super::writer::{Held, Writer};

/// Writes what a node means and says which tensor holds its result, in which order.
pub(super) fn write(writer: &mut Writer<'_>, node: &Node) -> Result<Held> {
    match &node.op {
        Op::Conv2d(conv) => window::conv(writer, node, conv),
        Op::ConvTranspose(conv) => window::conv_transpose(writer, node, conv),
        Op::Pool(pool) => window::pool(writer, node, pool),
        Op::Resize(resize) => window::resize(writer, node, resize),
        Op::Dense { activation } => matrix::dense(writer, node, *activation),
        Op::MatMul => matrix::matmul(writer, node),
        Op::BatchNorm { epsilon } => matrix::batch_norm(writer, node, *epsilon),
        Op::Reduce { reduction, axes, keep_axes } => reduce::reduce(writer, node, *reduction, axes, *keep_axes),
        Op::Softmax { axis, log } => reduce::softmax(writer, node, *axis, *log),
        Op::Unary(function) => elementwise::unary(writer, node, *function),
        Op::Binary { function, activation } => elementwise::binary(writer, node, *function, *activation),
        Op::Quantize(quantization) => elementwise::quantize(writer, node, quantization),
        Op::Dequantize(quantization) => elementwise::dequantize(writer, node, quantization),
        Op::Reshape { shape } => layout::reshape(writer, node, shape),
        Op::Transpose { order } => layout::transpose(writer, node, order),
        Op::Concat { axis } => layout::concat(writer, node, *axis),
        Op::Slice { starts, steps, sizes } => layout::slice(writer, node, starts, steps, sizes),
        Op::Pad { before, after, fill } => layout::pad(writer, node, before, after, *fill),
        Op::Gather { axis } => layout::gather(writer, node, *axis),
        Op::Broadcast { shape } => layout::broadcast(writer, node, shape),
        Op::Lookup(_) | Op::QConv2d(_) | Op::QBinary(_) | Op::QAverage(_) => {
            Err(Error::unsupported("operator on bytes has no ONNX form")
                .expected("floats between dequantisations and quantisations", node.op.name())
                .help("write the graph before it is lowered to integer operators"))
        }
    }
}
