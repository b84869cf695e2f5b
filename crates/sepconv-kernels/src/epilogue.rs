//! Epilogues: the post-operations fused behind a layer's accumulators, applied before the one store.
//!
//! | stage | f32 | int8 |
//! |---|---|---|
//! | bias | initial value of the accumulators | the same, with the zero points folded in |
//! | requantize | | to u8, clamped ([`Requantize`]) |
//! | LUT | | any function of the u8 result |
//! | residual | added | added between two scales, and clamped ([`AddResidual`]) |
//! | activation | any; clamps in registers | clamps are part of the requantization, others are LUTs |

use crate::activation::Activation;
use crate::requantize::{AddResidual, Requantize};

/// The output of an f32 layer and its epilogue.
#[derive(Debug)]
pub struct F32Output<'a> {
    /// Added before the activation; laid out as `out`.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
    /// The output.
    pub out: &'a mut [f32],
}

impl F32Output<'_> {
    /// Panics unless the residual has the layout of the output.
    pub(crate) fn check(&self) {
        assert!(self.residual.is_none_or(|residual| residual.len() == self.out.len()), "a residual is laid out as out");
    }
}

/// The output of an int8 layer and its epilogue.
#[derive(Debug)]
pub enum Int8Output<'a> {
    /// Requantized.
    U8 {
        /// The post-operations.
        epilogue: &'a Epilogue<'a>,
        /// The residual operand, laid out as `out`; given exactly if the epilogue adds one.
        residual: Option<&'a [u8]>,
        /// The output.
        out: &'a mut [u8],
    },
    /// Dequantized: each accumulator times the scale of its channel.
    F32(&'a mut [f32]),
}

impl Int8Output<'_> {
    /// The number of output values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U8 { out, .. } => out.len(),
            Self::F32(out) => out.len(),
        }
    }

    /// Panics where the epilogue is inconsistent, or its residual not laid out as the output.
    pub(crate) fn check(&self) {
        if let Self::U8 { epilogue, residual, out } = self {
            assert!(residual.is_none_or(|residual| residual.len() == out.len()), "a residual is laid out as out");
            epilogue.check(residual.is_some());
        }
    }
}

/// The post-operations of an int8 layer, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue<'a> {
    /// Requantization of the accumulators, with a clamp.
    pub output: Requantize,
    /// A function of the u8 result.
    pub lut: Option<&'a [u8; 256]>,
    /// Addition of the residual operand, which must be given exactly if this is set.
    pub residual: Option<AddResidual>,
}

impl Epilogue<'_> {
    /// The definition, of one sum. Panics when one of the epilogue and the arguments has a residual, and the other
    /// none.
    pub fn apply(&self, acc: i32, scale: f32, residual: Option<u8>) -> u8 {
        let y = self.output.apply(acc, scale);
        let y = self.lut.map_or(y, |lut| lut[usize::from(y)]);
        match (self.residual, residual) {
            (Some(add), Some(residual)) => add.apply(y, residual),
            (None, None) => y,
            _ => panic!("a residual and how to add it belong together"),
        }
    }

    /// Panics where the bounds of a clip are in the wrong order, or a residual is there without being wanted or the
    /// reverse.
    pub(crate) fn check(&self, residual: bool) {
        assert_eq!(self.residual.is_some(), residual, "a residual and how to add it belong together");
        for Requantize { low, high, .. } in
            [Some(self.output), self.residual.map(|add| add.output)].into_iter().flatten()
        {
            assert!(low <= high, "bytes between {low} and {high}");
        }
    }
}
