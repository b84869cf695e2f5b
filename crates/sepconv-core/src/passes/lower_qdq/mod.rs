//! From real arithmetic between quantized values to integer arithmetic: operators between `Dequantize` and `Quantize`
//! become int8 operators where one computes the same, except for ties and the rounding of scales. Everything else stays
//! f32 and remains correct.

mod average;
mod binary;
mod conv;
mod data_movement;
mod lut;
mod resize;

use alloc::vec::Vec;

use crate::op::{
    Activation, Binary, BinaryFunction, Dequantize, Lut, QuantParams, Quantize, Requantize, UnaryFunction,
};
use crate::{DType, Graph, Op, Result, Rewriter, ValueId, rewrite};

/// Every `Quantize` asks for an int8 form of the operator before it, and `Dequantize` moves towards the operators that
/// need real numbers. Layers whose weights and inputs are quantized then get int32 accumulators even where their result
/// is f32.
pub(super) fn lower_qdq(graph: &Graph) -> Result<Graph> {
    let graph = rewrite(graph, |rewriter, node| match &node.op {
        Op::Quantize(Quantize(params)) => match U8Params::of(params) {
            Some(params) => quantized(rewriter, &node.name, node.inputs[0], params, MAX_DEPTH),
            None => Ok(None),
        },
        _ => data_movement::dequantize_after(rewriter, node),
    })?;
    rewrite(&graph, conv::with_f32_result)
}

/// How many data movements a quantization passes through: real files have one or two in a row.
const MAX_DEPTH: usize = 8;

/// How a u8 tensor represents real numbers: `(q - zero_point) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct U8Params {
    scale: f32,
    zero_point: u8,
}

impl U8Params {
    fn of(params: &QuantParams) -> Option<Self> {
        let (scale, zero_point) = params.as_per_tensor_u8()?;
        Some(Self { scale, zero_point })
    }

    fn quant_params(self) -> QuantParams {
        QuantParams::per_tensor(DType::U8, self.scale, self.zero_point.into())
    }

    /// The integer for `x`, rounded as [`Quantize`] does.
    fn quantize(self, x: f32) -> u8 {
        Requantize { zero_point: self.zero_point, low: 0, high: u8::MAX }.round(x / self.scale)
    }
}

/// A u8 value with its parameters.
#[derive(Clone, Copy)]
struct QuantizedValue {
    id: ValueId,
    params: U8Params,
}

impl QuantizedValue {
    /// The computed u8 value that a real value is dequantized from.
    fn before(rewriter: &Rewriter<'_>, dequantized: ValueId) -> Option<Self> {
        let node = rewriter.producer(dequantized)?;
        let Op::Dequantize(Dequantize(params)) = &node.op else { return None };
        let id = node.inputs[0];
        let params = U8Params::of(params).filter(|_| rewriter.builder.constant_of(id).is_none())?;
        Some(Self { id, params })
    }
}

/// `Quantize(x)` as int8 operators. `None` where its operand has to be computed in f32.
fn quantized(
    rewriter: &mut Rewriter<'_>,
    name: &str,
    x: ValueId,
    params: U8Params,
    depth: usize,
) -> Result<Option<ValueId>> {
    if let Some(result) = lut::quantized(rewriter, name, x, params)? {
        return Ok(Some(result));
    }
    let mut clamps = FusedClamps::default();
    let x = clamps.before(rewriter, x);
    if let Some(moved) = data_movement::quantize_before(rewriter, x, params, depth)? {
        return clamps.after(rewriter, name, moved, params).map(Some);
    }
    let Some(node) = rewriter.sole_producer(x).cloned() else { return Ok(None) };
    match &node.op {
        &Op::Binary(Binary {
            function: function @ (BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Mul),
            activation,
        }) => match binary::operands(rewriter, &node)? {
            Some(operands) if clamps.push(activation) => {
                binary::quantized(rewriter, &node, function, operands, params, &clamps)
            }
            _ => conv::quantized(rewriter, x, params, clamps),
        },
        Op::Resize(_) => resize::quantized(rewriter, &node, params, &clamps),
        Op::Pool(_) | Op::Reduce(_) => average::quantized(rewriter, &node, params, &clamps),
        _ => conv::quantized(rewriter, x, params, clamps),
    }
}

/// Clamps that follow an operator, the last first. Before a quantization they only narrow the range of integers, as
/// rounding keeps order.
#[derive(Default)]
struct FusedClamps(Vec<Activation>);

impl FusedClamps {
    /// Adds a function, if it is a clamp.
    fn push(&mut self, activation: Activation) -> bool {
        let is_clamp = matches!(activation, Activation::Identity | Activation::Relu | Activation::Clip { .. });
        if is_clamp {
            self.0.push(activation);
        }
        is_clamp
    }

    /// The value before the clamps that make `x`, which are added.
    fn before(&mut self, rewriter: &Rewriter<'_>, mut x: ValueId) -> ValueId {
        while let Some(node) = rewriter.sole_producer(x) {
            let Op::Unary(UnaryFunction::Activation(activation)) = node.op else { break };
            if !self.push(activation) {
                break;
            }
            x = node.inputs[0];
        }
        x
    }

    /// The clamps of a u8 value: a table until it joins a layer.
    fn after(&self, rewriter: &mut Rewriter<'_>, name: &str, x: ValueId, params: U8Params) -> Result<ValueId> {
        let Requantize { low, high, .. } = self.requantize(params);
        if (low, high) == (0, u8::MAX) {
            return Ok(x);
        }
        rewriter.builder.node(name, Lut::new(DType::U8, |q| q.clamp(low, high)), &[x])
    }

    /// The requantization that includes the clamps.
    fn requantize(&self, params: U8Params) -> Requantize {
        let end = |x: f32| params.quantize(self.0.iter().rev().fold(x, |x, clamp| clamp.apply(x)));
        Requantize { zero_point: params.zero_point, low: end(f32::NEG_INFINITY), high: end(f32::INFINITY) }
    }
}

/// A scale that kernels accept: f32 holds it with full precision, and the sum of two scaled u8 values stays finite.
/// Operators with other scales stay f32.
fn kernel_scale(x: f64) -> Option<f32> {
    Some(x as f32).filter(|x| x.is_normal() && x.abs() <= f32::MAX / 512.0)
}
