use crate::{ConvGeometry, Isa};

/// f32 values of packed weights: per vector of output channels one vector of biases and one per tap.
pub fn packed_len(isa: Isa, dw: &ConvGeometry) -> usize {
    dw.output[2].next_multiple_of(isa.lanes()) * (dw.taps() + 1)
}

/// Re-orders weights `[c·multiplier, kh, kw, 1]` and biases (absent: zeros) for [`depthwise`](super::depthwise) on
/// `isa`.
///
/// Per vector of output channels: their biases, then for each tap, row by row, their weights. Channels beyond the last
/// are zeros, so that every load is a whole vector.
pub fn pack(isa: Isa, dw: &ConvGeometry, weights: &[f32], bias: Option<&[f32]>, packed: &mut [f32]) {
    dw.check_depthwise();
    let (lanes, taps, channels) = (isa.lanes(), dw.taps(), dw.output[2]);
    assert_eq!(weights.len(), channels * taps, "depthwise weights");
    assert!(bias.is_none_or(|bias| bias.len() == channels), "depthwise biases");
    assert_eq!(packed.len(), packed_len(isa, dw), "f32 values of packed depthwise weights");
    for (first, group) in (0..channels).step_by(lanes).zip(packed.chunks_exact_mut(lanes * (taps + 1))) {
        let (biases, vectors) = group.split_at_mut(lanes);
        for (lane, to) in biases.iter_mut().enumerate() {
            *to = bias.and_then(|bias| bias.get(first + lane)).copied().unwrap_or(0.0);
        }
        for (tap, vector) in vectors.chunks_exact_mut(lanes).enumerate() {
            for (lane, to) in vector.iter_mut().enumerate() {
                *to = weights.get((first + lane) * taps + tap).copied().unwrap_or(0.0);
            }
        }
    }
}
