//! Depthwise convolution in f32.

mod general;
mod kernel;
mod pack;
mod reference;
#[cfg(test)]
mod tests;

pub use pack::{pack, packed_len};
pub use reference::reference;

use super::Variant;
use crate::{Activation, ConvGeometry, ConvOperands, Isa};

/// Computes output rows `[rows, ow, c·multiplier]`; `operands.packed` comes from [`pack`] for the same `isa`.
///
/// Panics where sizes contradict each other or `variant` does not [fit](Variant::fits).
pub fn depthwise(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    operands: ConvOperands<'_, f32, f32>,
    activation: Activation,
    out: &mut [f32],
) {
    dw.check_depthwise();
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    operands.check(dw, packed_len(isa, dw), out.len());
    let ConvOperands { x, packed, rows } = operands;
    isa.run(kernel::DepthwiseF32 { variant, dw, x, packed, activation, rows, out });
}
