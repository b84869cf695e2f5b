//! From real numbers between bytes to integers: what lies between `Dequantize` and `Quantize` becomes an operator on bytes where there
//! is one that computes the same, ties and the rounding of scales apart. What no rule takes stays as it is, and is right.

mod average;
mod conv;
mod epilogue;
mod moves;
mod sums;
mod tables;
mod unsigned;

use alloc::vec::Vec;

use sepconv_kernels::{
    Activation, Requantize,
    elementwise::{Binary, Unary},
};

pub(super) use {epilogue::epilogue, unsigned::unsigned};

use super::rewrite::{Rewriter, rewrite};
use crate::{
    DType, Graph, Op, Result, ValueId,
    op::{Lookup, Quantization},
};

/// Every `Quantize` asks for bytes of what is before it, and `Dequantize` moves towards what needs real numbers. Layers whose
/// weights and inputs are bytes then have exact sums even where nobody asked for bytes of them.
pub(super) fn integer(graph: &Graph) -> Result<Graph> {
    let graph = rewrite(graph, |rewriter, node| match &node.op {
        Op::Quantize(quantization) => match Coding::of(quantization) {
            Some(coding) => bytes(rewriter, &node.name, node.inputs[0], coding, FUEL),
            None => Ok(None),
        },
        _ => moves::dequantize_after(rewriter, node),
    })?;
    rewrite(&graph, conv::reals)
}

/// Through how many moves bytes are asked for: real files have one or two in a row.
const FUEL: usize = 8;

/// How bytes (`U8`) stand for real numbers, all of a tensor alike: `(q - zero_point) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Coding {
    scale: f32,
    zero_point: u8,
}

impl Coding {
    fn of(quantization: &Quantization) -> Option<Self> {
        let (scale, zero_point) = quantization.whole_unsigned()?;
        Some(Self { scale, zero_point })
    }

    fn quantization(self) -> Quantization {
        Quantization::per_tensor(DType::U8, self.scale, self.zero_point.into())
    }

    /// The byte for `x`, as [`Op::Quantize`] rounds it.
    fn byte(self, x: f32) -> u8 {
        Requantize { zero_point: self.zero_point, low: 0, high: u8::MAX }.round(x / self.scale)
    }
}

/// A value of bytes and what they stand for.
#[derive(Clone, Copy)]
struct Coded {
    id: ValueId,
    coding: Coding,
}

impl Coded {
    /// The bytes that a value of real numbers is dequantised from; constants not among them.
    fn behind(rewriter: &Rewriter, reals: ValueId) -> Option<Self> {
        let node = rewriter.producer(reals)?;
        let Op::Dequantize(quantization) = &node.op else { return None };
        let id = node.inputs[0];
        let coding = Coding::of(quantization).filter(|_| rewriter.builder.constant_of(id).is_none())?;
        Some(Self { id, coding })
    }
}

/// `Quantize(x)` as operators on bytes. `None` where its operand has to be computed in real numbers.
fn bytes(rewriter: &mut Rewriter, name: &str, x: ValueId, coding: Coding, fuel: usize) -> Result<Option<ValueId>> {
    if let Some(bytes) = tables::bytes(rewriter, name, x, coding)? {
        return Ok(Some(bytes));
    }
    let mut clips = Clips::default();
    let x = clips.before(rewriter, x);
    if let Some(moved) = moves::quantize_before(rewriter, x, coding, fuel)? {
        // The clips are tables then, until these join a layer.
        let Requantize { low, high, .. } = clips.requantize(coding);
        if (low, high) == (0, u8::MAX) {
            return Ok(Some(moved));
        }
        let clip = Op::Lookup(Lookup::new(DType::U8, |q| q.clamp(low, high)));
        return rewriter.builder.node(name, clip, &[moved]).map(Some);
    }
    let Some(node) = rewriter.sole_producer(x).cloned() else { return Ok(None) };
    match &node.op {
        Op::Binary { function: function @ (Binary::Add | Binary::Sub | Binary::Mul), activation } => {
            match sums::operands(rewriter, &node)? {
                Some(operands) if clips.push(*activation) => {
                    sums::bytes(rewriter, &node, *function, operands, coding, &clips)
                }
                _ => conv::bytes(rewriter, x, coding, clips),
            }
        }
        Op::Pool(_) | Op::Reduce { .. } => average::bytes(rewriter, &node, coding, &clips),
        _ => conv::bytes(rewriter, x, coding, clips),
    }
}

/// Clips that follow an operator, the last first. Before a quantisation they only narrow the range of bytes, as rounding keeps order.
#[derive(Default)]
struct Clips(Vec<Activation>);

impl Clips {
    /// Takes a function in, if it is a clip.
    fn push(&mut self, activation: Activation) -> bool {
        let is_clip = matches!(activation, Activation::Identity | Activation::Relu | Activation::Clip { .. });
        if is_clip {
            self.0.push(activation);
        }
        is_clip
    }

    /// The value before the clips that make `x`, which are taken in.
    fn before(&mut self, rewriter: &Rewriter, mut x: ValueId) -> ValueId {
        while let Some(node) = rewriter.sole_producer(x) {
            let Op::Unary(Unary::Activation(activation)) = node.op else { break };
            if !self.push(activation) {
                break;
            }
            x = node.inputs[0];
        }
        x
    }

    /// How sums become bytes that are clipped so.
    fn requantize(&self, coding: Coding) -> Requantize {
        let end = |x: f32| coding.byte(self.0.iter().rev().fold(x, |x, clip| clip.apply(x)));
        Requantize { zero_point: coding.zero_point, low: end(f32::NEG_INFINITY), high: end(f32::INFINITY) }
    }
}

/// A scale as kernels take it. One that single precision cannot hold well, or with which the sum of two bytes could leave it, is no
/// scale: such operators stay as they are.
fn scale(x: f64) -> Option<f32> {
    Some(x as f32).filter(|x| x.is_normal() && x.abs() <= f32::MAX / 512.0)
}
