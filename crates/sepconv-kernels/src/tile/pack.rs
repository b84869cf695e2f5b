use super::Tile;
use crate::simd::Isa;

/// The floats that [`pack`] writes for `n` output channels of `k` products: `(k + 1)·n`, with `n` rounded up to whole tiles.
pub fn packed_len(isa: Isa, tile: Tile, k: usize, n: usize) -> usize {
    n.next_multiple_of(tile.columns(isa)) * (k + 1)
}

/// Re-orders `weights` `[n, k]` and `bias` `[n]` into panels as wide as the tile, each `[columns]` of bias and then
/// `[k, columns]` of weights; the last is padded with zeros. A panel is read from start to end, once per block of pixels.
pub fn pack(isa: Isa, tile: Tile, k: usize, weights: &[f32], bias: &[f32], packed: &mut [f32]) {
    let (n, columns) = (bias.len(), tile.columns(isa));
    assert_eq!(weights.len(), k * n, "weights are [n, k]");
    assert_eq!(packed.len(), packed_len(isa, tile, k, n), "the length that packed_len gives");
    for (panel, first) in packed.chunks_exact_mut((k + 1) * columns).zip((0..).step_by(columns)) {
        for (i, row) in panel.chunks_exact_mut(columns).enumerate() {
            for (column, packed) in row.iter_mut().enumerate() {
                let channel = first + column;
                *packed = match (channel < n, i) {
                    (false, _) => 0.0,
                    (true, 0) => bias[channel],
                    (true, _) => weights[channel * k + i - 1],
                };
            }
        }
    }
}
