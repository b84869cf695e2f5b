//! Reductions over axes, and softmax.

use sepconv_core::{Node, Result};
use sepconv_kernels::reduce::Reduction;

use crate::onnx::write::attribute::{flag, int, ints};
use crate::onnx::write::writer::{Held, Writer};

pub(super) fn reduce(
    writer: &mut Writer<'_>,
    node: &Node,
    reduction: Reduction,
    axes: &[usize],
    keep_dims: bool,
) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.inputs[0]).len());
    let x = writer.operand(node.inputs[0], &order)?;
    let mut inner: Vec<usize> = axes.iter().map(|&axis| order[axis]).collect();
    inner.sort_unstable();
    let global = keep_dims && order.len() == 4 && inner == [2, 3];
    let name = match reduction {
        _ if axes.is_empty() => of_nothing_else(writer, &x, reduction),
        Reduction::Mean if global => writer.emit("GlobalAveragePool", &[&x], vec![]),
        Reduction::Max if global => writer.emit("GlobalMaxPool", &[&x], vec![]),
        _ => over_axes(writer, &x, reduction, &inner, keep_dims)?,
    };
    let left = |axis: &usize| keep_dims || !axes.contains(axis);
    let kept: Vec<usize> = (0..order.len()).filter(left).map(|axis| order[axis]).collect();
    // The axes that are left move up.
    let order = kept.iter().map(|axis| kept.iter().filter(|other| *other < axis).count()).collect();
    Ok(Held { name, order })
}

/// What a reduction over no axis does to each element: there, no axes mean all.
fn of_nothing_else(writer: &mut Writer<'_>, x: &str, reduction: Reduction) -> String {
    match reduction {
        Reduction::L1 | Reduction::L2 => writer.emit("Abs", &[x], vec![]),
        Reduction::SumSquare => writer.emit("Mul", &[x, x], vec![]),
        Reduction::LogSum => writer.emit("Log", &[x], vec![]),
        _ => writer.emit("Identity", &[x], vec![]),
    }
}

/// Axes are an attribute up to set 17 and an input from 18 on, of sums from 13 on.
fn over_axes(
    writer: &mut Writer<'_>,
    x: &str,
    reduction: Reduction,
    axes: &[usize],
    keep_dims: bool,
) -> Result<String> {
    let operator = match reduction {
        Reduction::Mean => "ReduceMean",
        Reduction::Sum => "ReduceSum",
        Reduction::Max => "ReduceMax",
        Reduction::Min => "ReduceMin",
        Reduction::Prod => "ReduceProd",
        Reduction::L1 => "ReduceL1",
        Reduction::L2 => "ReduceL2",
        Reduction::SumSquare => "ReduceSumSquare",
        Reduction::LogSum => "ReduceLogSum",
        Reduction::LogSumExp => "ReduceLogSumExp",
    };
    let keep = flag("keepdims", keep_dims);
    if reduction == Reduction::Sum || writer.opset >= 18 {
        let axes = writer.sizes("axes", axes)?;
        return Ok(writer.emit(operator, &[x, &axes], vec![keep]));
    }
    Ok(writer.emit(operator, &[x], vec![ints("axes", axes), keep]))
}

pub(super) fn softmax(writer: &mut Writer<'_>, node: &Node, axis: usize, log: bool) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let x = writer.operand(node.inputs[0], &order)?;
    let name = writer.emit(if log { "LogSoftmax" } else { "Softmax" }, &[&x], vec![int("axis", order[axis])]);
    Ok(Held { name, order })
}
