//! What a step of a plan does.

mod float;
#[cfg_attr(not(feature = "int8"), path = "no_int8.rs")]
pub(crate) mod int8;
mod pairing;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{fmt, ops::Range};

use bytemuck::{Pod, cast_slice, cast_slice_mut};
use sepconv_kernels::{Isa, layout::Element, quantized};

pub(crate) use float::{Depthwise, Float, Matrix};
use int8::Int8;
pub(crate) use pairing::{Pairing, Repeat};

use super::chain::{Chain, Geometry};
use crate::{
    DType,
    op::{Lut, QuantParams, StridedCopy},
};

/// Elementwise work is cut no finer than this many elements.
const BLOCK: usize = 4096;

/// A kernel with everything it needs to know.
///
/// Work is cut into *units* of equal length in the result (a row of pixels, a few rows of a matrix, a panel of outputs), and any
/// range of units can be made by itself: that is how threads share it. The last unit may be shorter.
#[derive(Debug)]
pub(crate) enum Work {
    /// Floats to floats.
    Float(Float),
    /// Bytes to bytes, or to the floats of a last layer.
    Int8(Int8),
    /// Floats to bytes; `inner` neighbors share a scale where there are several.
    Quantize { quantization: QuantParams, inner: usize },
    /// Bytes to floats.
    Dequantize { quantization: QuantParams, inner: usize },
    /// A function of each byte.
    Lut(Lut),
    /// Elements of any type go from place to place as they are.
    Move { dtype: DType, fill: Option<f32>, moves: Vec<StridedCopy> },
}

impl From<Float> for Work {
    fn from(float: Float) -> Self {
        Self::Float(float)
    }
}

impl From<Int8> for Work {
    fn from(int8: Int8) -> Self {
        Self::Int8(int8)
    }
}

/// What a step reads. Memory is bytes; a kernel sees in it the numbers that it works on.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) get: &'a (dyn Fn(usize) -> &'a [u8] + Sync),
    pub(crate) weights: &'a [u8],
}

/// What a step writes to: for some units their results, the means of their rows if anybody asks for them, and scratch.
pub(crate) struct Space<'a> {
    /// Bytes of result and of means in a unit.
    pub(crate) unit: [usize; 2],
    pub(crate) out: &'a mut [u8],
    pub(crate) means: &'a mut [u8],
    pub(crate) scratch: &'a mut [u8],
}

impl<'a> Space<'a> {
    /// The same space, for a callee.
    pub(crate) fn again(&mut self) -> Space<'_> {
        Space { unit: self.unit, out: self.out, means: self.means, scratch: self.scratch }
    }

    /// The space of the first `units`, with the scratch of `left` of `parts` parts, and that of the others.
    pub(crate) fn split(self, units: usize, left: usize, parts: usize) -> [Self; 2] {
        let Self { unit, out, means, scratch } = self;
        let (out_a, out_b) = out.split_at_mut(units * unit[0]);
        let (means_a, means_b) = means.split_at_mut(units * unit[1]);
        let (scratch_a, scratch_b) = scratch.split_at_mut(scratch.len() / parts * left);
        [
            Self { unit, out: out_a, means: means_a, scratch: scratch_a },
            Self { unit, out: out_b, means: means_b, scratch: scratch_b },
        ]
    }
}

impl<'a> Operands<'a> {
    /// Operand `i`; empty where there is none.
    fn operand<T: Pod>(&self, i: usize) -> &'a [T] {
        cast_slice((self.get)(i))
    }
}

impl Work {
    /// Layers that run together as one step: those of a chain with their planes, or a gate and its projection.
    pub(crate) fn join(works: Vec<Self>, geometries: Vec<Geometry>) -> Self {
        let (mut floats, mut int8) = (Vec::new(), Vec::new());
        for work in works {
            match work {
                Self::Float(layer) => floats.push(layer),
                Self::Int8(layer) => int8.push(layer),
                _ => unreachable!("only layers run together"),
            }
        }
        match floats.first() {
            None => Int8::chain(int8, geometries),
            Some(Float::Binary { .. }) => Float::gated(floats).into(),
            Some(_) => Float::Chain(Box::new(Chain::new(floats, geometries))).into(),
        }
    }

    /// How layers run together, where they do.
    pub(crate) fn together(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::Float(Float::Chain(chain)) => Some(&**chain),
            Self::Float(Float::Gated { .. }) => Some(&"the gate scales the weights, which are fewer than the pixels"),
            Self::Int8(int8) => int8.together(),
            _ => None,
        }
    }

    /// Makes `units` of `unit` elements of the result, which are exactly `space.out`. Its scratch has
    /// [`scratch_bytes`](Self::scratch_bytes).
    pub(crate) fn run(&self, isa: Isa, x: &Operands<'_>, units: Range<usize>, unit: usize, space: Space<'_>) {
        let first = units.start * unit;
        let Space { out, means, scratch, .. } = space;
        match self {
            Self::Float(float) => {
                let means = cast_slice_mut(means);
                float.run(isa, x, units, unit, cast_slice_mut(out), means, cast_slice_mut(scratch));
            }
            Self::Int8(int8) => int8.run(isa, x, units, unit, out, scratch),
            Self::Quantize { quantization, inner } => {
                let x = &x.operand::<f32>(0)[first..];
                if let Some((scale, zero_point)) = quantization.as_per_tensor_u8() {
                    return quantized::quantize(isa, scale, zero_point, &x[..out.len()], out);
                }
                let reals = x.iter().zip(quantization.of_elements(*inner, first));
                for (out, (&x, (scale, zero_point))) in out.iter_mut().zip(reals) {
                    *out = quantization.quantize(x, scale, zero_point) as u8;
                }
            }
            Self::Dequantize { quantization, inner } => {
                let (x, out) = (&x.operand::<u8>(0)[first..], cast_slice_mut::<_, f32>(out));
                if let Some((scale, zero_point)) = quantization.as_per_tensor_u8() {
                    return quantized::dequantize(isa, scale, zero_point, &x[..out.len()], out);
                }
                let integer = |bits: u8| match quantization.dtype {
                    DType::I8 => i32::from(bits as i8),
                    _ => i32::from(bits),
                };
                let bytes = x.iter().zip(quantization.of_elements(*inner, first));
                for (out, (&bits, (scale, zero_point))) in out.iter_mut().zip(bytes) {
                    *out = (integer(bits) - zero_point) as f32 * scale;
                }
            }
            Self::Lut(lookup) => {
                out.copy_from_slice(&x.operand(0)[first..][..out.len()]);
                quantized::lut_in_place(isa, &lookup.table, out);
            }
            Self::Move { dtype, fill, moves } => match dtype {
                DType::F32 => carry_out(moves, *fill, x, cast_slice_mut::<_, f32>(out)),
                DType::I8 => carry_out(moves, fill.map(|fill| fill as i8 as u8), x, out),
                _ => carry_out(moves, fill.map(|fill| fill as u8), x, out),
            },
        }
    }

    /// Elements in a unit of a result of `len` elements.
    pub(crate) fn unit(&self, isa: Isa, len: usize) -> usize {
        match self {
            Self::Float(float) => float.unit(isa, len),
            Self::Int8(int8) => int8.unit(isa, len),
            Self::Quantize { .. } | Self::Dequantize { .. } | Self::Lut(_) => BLOCK,
            Self::Move { .. } => len,
        }
        .max(1)
    }

    /// Bytes of scratch that each thread needs.
    pub(crate) fn scratch_bytes(&self) -> usize {
        match self {
            Self::Float(float) => float.scratch_bytes(),
            Self::Int8(int8) => int8.scratch_bytes(),
            _ => 0,
        }
    }
}

/// Units that are rows of `height` to an image, counted through all images: each image and its rows.
fn images(units: Range<usize>, height: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (units.start / height..units.end.div_ceil(height)).map(move |image| {
        let row = |unit: usize| unit.clamp(image * height, (image + 1) * height) - image * height;
        (image, row(units.start)..row(units.end))
    })
}

/// The part of a residual operand that belongs to a part of the result; an empty slice stands for none.
fn residual<T>(operand: &[T], first: usize, len: usize) -> Option<&[T]> {
    (!operand.is_empty()).then(|| &operand[first..][..len])
}

fn carry_out<T: Pod + Element>(moves: &[StridedCopy], fill: Option<T>, x: &Operands<'_>, out: &mut [T]) {
    if let Some(fill) = fill {
        out.fill(fill);
    }
    for m in moves {
        m.execute(x.operand(m.operand), out);
    }
}
