use sepconv_kernels::{AddResidual, Requantize, elementwise::Binary};

use crate::passes::rewrite::{Rewriter, rewrite};
use crate::{
    DType, Graph, Node, Op, Result, ValueId,
    op::{ConvKind, Fill, Lookup, QBinary, QConv2d, QOutput},
};

/// What can happen to bytes before they are stored does: tables and sums with residuals join the layer before them. Padding joins the
/// layer after it.
pub(in crate::passes) fn epilogue(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| match &node.op {
        Op::Lookup(lookup) => join_table(rewriter, &node.name, node.inputs[0], lookup),
        Op::QBinary(binary) => join_residual(rewriter, node, binary),
        Op::QConv2d(conv) => join_padding(rewriter, node, conv),
        Op::Reshape { shape } => rewriter.reshape(&node.name, node.inputs[0], shape.clone()).map(Some),
        _ => Ok(None),
    })
}

/// The table of `x` as part of what makes `x`.
fn join_table(rewriter: &mut Rewriter, name: &str, x: ValueId, lookup: &Lookup) -> Result<Option<ValueId>> {
    if rewriter.builder.value(x).dtype == lookup.output && lookup.is(|q| q) {
        return Ok(Some(x));
    }
    let Some(before) = rewriter.sole_producer(x).cloned() else { return Ok(None) };
    let mut op = before.op;
    if let Op::Reshape { shape } = op {
        // Tables do not care for shapes.
        let Some(joined) = join_table(rewriter, name, before.inputs[0], lookup)? else { return Ok(None) };
        return rewriter.reshape(&before.name, joined, shape).map(Some);
    }
    let joined = match &mut op {
        Op::Lookup(first) => {
            *first = compose(first, lookup);
            true
        }
        _ if lookup.output != DType::U8 => false,
        Op::QConv2d(QConv2d { output: QOutput::Bytes { requantize, table, residual }, .. }) => {
            match (residual, table) {
                (Some(residual), _) => narrow(&mut residual.output, lookup),
                (None, Some(table)) => {
                    *table = compose(table, lookup);
                    true
                }
                (None, table @ None) => {
                    if !narrow(requantize, lookup) {
                        *table = Some(lookup.clone());
                    }
                    true
                }
            }
        }
        Op::QBinary(QBinary { output, .. }) => narrow(output, lookup),
        Op::QAverage(average) => narrow(&mut average.output, lookup),
        _ => false,
    };
    if !joined {
        return Ok(None);
    }
    let name = if matches!(op, Op::Lookup(_)) { name } else { &before.name };
    rewriter.builder.node(name, op, &before.inputs).map(Some)
}

fn compose(first: &Lookup, then: &Lookup) -> Lookup {
    Lookup::new(then.output, |q| then.get(first.get(q)))
}

/// A table that clips the bytes that reach it is part of the range that they are clipped to anyway.
fn narrow(range: &mut Requantize, lookup: &Lookup) -> bool {
    let (low, high) = (lookup.get(range.low), lookup.get(range.high));
    let clips = low <= high && (range.low..=range.high).all(|q| lookup.get(q) == q.clamp(low, high));
    if clips {
        (range.low, range.high) = (low, high);
    }
    clips
}

/// A sum with what a convolution computes is the convolution's residual. Depthwise kernels have no such operand.
fn join_residual(rewriter: &mut Rewriter, node: &Node, binary: &QBinary) -> Result<Option<ValueId>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    if binary.function != Binary::Add || rewriter.builder.shape(a) != rewriter.builder.shape(b) {
        return Ok(None);
    }
    for (sum, residual, [sum_term, residual_term]) in [(a, b, [binary.a, binary.b]), (b, a, [binary.b, binary.a])] {
        let Some(before) = rewriter.sole_producer(sum).cloned() else { continue };
        let Op::QConv2d(conv) = &before.op else { continue };
        let channels = rewriter.builder.shape(before.inputs[0]).last();
        let QOutput::Bytes { requantize, ref table, residual: None } = conv.output else { continue };
        if conv.kind(channels) == ConvKind::Depthwise {
            continue;
        }
        let added = AddResidual { sum: sum_term, residual: residual_term, output: binary.output };
        let output = QOutput::Bytes { requantize, table: table.clone(), residual: Some(added) };
        let inputs = [&before.inputs[..], &[residual]].concat();
        let op = Op::QConv2d(QConv2d { output, ..conv.clone() });
        return rewriter.builder.node(&before.name, op, &inputs).map(Some);
    }
    Ok(None)
}

/// Padding with what stands for zero is the convolution's own.
fn join_padding(rewriter: &mut Rewriter, node: &Node, conv: &QConv2d) -> Result<Option<ValueId>> {
    let Some(before) = rewriter.producer(node.inputs[0]).cloned() else { return Ok(None) };
    let Op::Pad { before: first, after: last, fill: Fill::Constant(fill) } = &before.op else { return Ok(None) };
    if *fill != f32::from(conv.x_zero) {
        return Ok(None);
    }
    let Some(window) = crate::passes::fuse::padded(conv.window, first, last) else { return Ok(None) };
    let inputs = [&[before.inputs[0]], &node.inputs[1..]].concat();
    rewriter.builder.node(&node.name, Op::QConv2d(QConv2d { window, ..conv.clone() }), &inputs).map(Some)
}
