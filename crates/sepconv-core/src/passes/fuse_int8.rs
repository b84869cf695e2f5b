use crate::op::{
    AddResidual, BinaryFunction, ConvKind, Lut, Pad, PadMode, QBinary, QConv2d, QConvOutput, Requantize, Reshape,
};
use crate::{DType, Graph, Node, Op, Result, Rewriter, ValueId, rewrite};

/// Work on int8 results before they are stored joins the layer that computes them: tables and sums with residuals.
/// Padding joins the layer after it.
pub(super) fn fuse_int8(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match &node.op {
        Op::Lut(lut) => fuse_lut(rewriter, &node.name, node.inputs[0], lut),
        Op::QBinary(binary) => fuse_residual(rewriter, node, binary),
        Op::QConv2d(conv) => fuse_padding(rewriter, node, conv),
        Op::Reshape(Reshape { shape }) => rewriter.reshape(&node.name, node.inputs[0], shape.clone()).map(Some),
        _ => Ok(None),
    })
}

/// The table of `x` as part of the operator that makes `x`.
fn fuse_lut(rewriter: &mut Rewriter<'_>, name: &str, x: ValueId, lut: &Lut) -> Result<Option<ValueId>> {
    if rewriter.builder.value(x).dtype == lut.output && lut.is(|q| q) {
        return Ok(Some(x));
    }
    let Some(before) = rewriter.sole_producer(x).cloned() else { return Ok(None) };
    let mut op = before.op;
    if let Op::Reshape(Reshape { shape }) = op {
        // Tables and reshapes commute.
        let Some(fused) = fuse_lut(rewriter, name, before.inputs[0], lut)? else { return Ok(None) };
        return rewriter.reshape(&before.name, fused, shape).map(Some);
    }
    let is_fused = match &mut op {
        Op::Lut(first) => {
            *first = compose(first, lut);
            true
        }
        _ if lut.output != DType::U8 => false,
        Op::QConv2d(QConv2d { output: QConvOutput::U8 { requantize, lut: fused, residual }, .. }) => {
            match (residual, fused) {
                (Some(residual), _) => narrow(&mut residual.output, lut),
                (None, Some(fused)) => {
                    *fused = compose(fused, lut);
                    true
                }
                (None, fused @ None) => {
                    if !narrow(requantize, lut) {
                        *fused = Some(lut.clone());
                    }
                    true
                }
            }
        }
        Op::QBinary(QBinary { output, .. }) => narrow(output, lut),
        Op::QAveragePool(average) => narrow(&mut average.output, lut),
        _ => false,
    };
    if !is_fused {
        return Ok(None);
    }
    let name = if matches!(op, Op::Lut(_)) { name } else { &before.name };
    rewriter.builder.node(name, op, &before.inputs).map(Some)
}

fn compose(first: &Lut, then: &Lut) -> Lut {
    Lut::new(then.output, |q| then.get(first.get(q)))
}

/// A table that only clamps the values that reach it narrows the clamp before it.
fn narrow(output: &mut Requantize, lut: &Lut) -> bool {
    let (low, high) = (lut.get(output.low), lut.get(output.high));
    let clamps = low <= high && (output.low..=output.high).all(|q| lut.get(q) == q.clamp(low, high));
    if clamps {
        (output.low, output.high) = (low, high);
    }
    clamps
}

/// A sum with the result of a convolution is the convolution's residual. Depthwise kernels have no such operand.
fn fuse_residual(rewriter: &mut Rewriter<'_>, node: &Node, binary: &QBinary) -> Result<Option<ValueId>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    if binary.function != BinaryFunction::Add || rewriter.builder.shape(a) != rewriter.builder.shape(b) {
        return Ok(None);
    }
    for (sum, residual, [sum_term, residual_term]) in [(a, b, [binary.a, binary.b]), (b, a, [binary.b, binary.a])] {
        let Some(before) = rewriter.sole_producer(sum).cloned() else { continue };
        let Op::QConv2d(conv) = &before.op else { continue };
        let channels = rewriter.builder.shape(before.inputs[0]).last();
        let QConvOutput::U8 { requantize, ref lut, residual: None } = conv.output else { continue };
        if conv.kind(channels) == ConvKind::Depthwise {
            continue;
        }
        let added = AddResidual { sum: sum_term, residual: residual_term, output: binary.output };
        let output = QConvOutput::U8 { requantize, lut: lut.clone(), residual: Some(added) };
        let inputs = [&before.inputs[..], &[residual]].concat();
        let op = QConv2d { output, ..conv.clone() };
        return rewriter.builder.node(&before.name, op, &inputs).map(Some);
    }
    Ok(None)
}

/// Padding with the zero point is the convolution's own.
fn fuse_padding(rewriter: &mut Rewriter<'_>, node: &Node, conv: &QConv2d) -> Result<Option<ValueId>> {
    let Some(before) = rewriter.producer(node.inputs[0]).cloned() else { return Ok(None) };
    let Op::Pad(pad @ Pad { mode: PadMode::Constant(fill), .. }) = &before.op else { return Ok(None) };
    if *fill != f32::from(conv.input_zero_point) {
        return Ok(None);
    }
    let Some(window) = super::fuse::with_padding(conv.window, pad) else { return Ok(None) };
    let inputs = [&[before.inputs[0]], &node.inputs[1..]].concat();
    rewriter.builder.node(&node.name, QConv2d { window, ..conv.clone() }, &inputs).map(Some)
}
