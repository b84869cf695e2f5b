use super::Tile;
use crate::layout::copy_strided;
use crate::simd::{Isa, Kernel, Simd};

/// The length of the output of [`pack`] for `n` output channels of `k` products: `(k + 1)·n`, with `n` rounded up to
/// whole tiles.
pub fn packed_len(isa: Isa, tile: Tile, k: usize, n: usize) -> usize {
    n.next_multiple_of(tile.columns(isa)) * (k + 1)
}

/// Re-orders `weights` `[n, k]` and `bias` `[n]` into panels as wide as the tile, each `[columns]` of bias and then
/// `[k, columns]` of weights; the last is padded with zeros. A panel is read from start to end, once per block of
/// pixels; `packed` and activations that start on a cache line save up to a tenth of the time.
pub fn pack(isa: Isa, tile: Tile, k: usize, weights: &[f32], bias: &[f32], packed: &mut [f32]) {
    let (n, columns) = (bias.len(), tile.columns(isa));
    assert_eq!(weights.len(), k * n, "weights are [n, k]");
    assert_eq!(packed.len(), packed_len(isa, tile, k, n), "the length that packed_len gives");
    for (panel, first) in packed.chunks_exact_mut((k + 1) * columns).zip((0..).step_by(columns)) {
        let channels = columns.min(n - first);
        if channels < columns {
            panel.fill(0.0);
        }
        let (biases, products) = panel.split_at_mut(columns);
        biases[..channels].copy_from_slice(&bias[first..][..channels]);
        // A transposition: weights are read channel by channel.
        copy_strided(&[channels, k], weights, first * k, &[k as isize, 1], products, 0, &[1, columns]);
    }
}

/// Multiplies the weights of input `i` by `gate[i]`, for all `k` inputs: a layer with weights `packed` for `tile`,
/// given `x · gate`, is a layer with weights `gated`, given `x`, but for rounding.
///
/// Cost: `k·n` multiplications and `8·k·n` bytes, however many pixels the layer has.
pub fn gate_inputs(isa: Isa, tile: Tile, gate: &[f32], packed: &[f32], gated: &mut [f32]) {
    let panel = (gate.len() + 1) * tile.columns(isa);
    assert!(packed.len() == gated.len() && packed.len().is_multiple_of(panel), "whole panels of {} inputs", gate.len());
    tile.isa(isa).run(Gate { columns: tile.columns(isa), gate, packed, gated });
}

struct Gate<'a> {
    columns: usize,
    gate: &'a [f32],
    packed: &'a [f32],
    gated: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { columns, gate, packed, gated } = self;
        let panel = (gate.len() + 1) * columns;
        for (packed, gated) in packed.chunks_exact(panel).zip(gated.chunks_exact_mut(panel)) {
            let ((bias, weights), (to_bias, to)) = (packed.split_at(columns), gated.split_at_mut(columns));
            to_bias.copy_from_slice(bias);
            if columns == 1 {
                to.iter_mut().zip(weights).zip(gate).for_each(|((to, weight), gate)| *to = weight * gate);
                continue;
            }
            for (k, &gate) in gate.iter().enumerate() {
                let gate = simd.splat(gate);
                for v in 0..columns / S::LANES {
                    let at = k * columns + v * S::LANES;
                    simd.store(simd.mul(simd.load(&weights[at..]), gate), &mut to[at..]);
                }
            }
        }
    }
}

/// The length of the output of [`pack_groups`].
pub(crate) fn packed_groups_len(isa: Isa, tile: Tile, groups: usize, k: usize, n: usize) -> usize {
    groups * packed_len(isa, tile, k, n)
}

/// Packs each group of a grouped convolution by itself: `k` products and `bias.len() / groups` output channels.
pub(crate) fn pack_groups(
    isa: Isa,
    tile: Tile,
    groups: usize,
    k: usize,
    weights: &[f32],
    bias: &[f32],
    packed: &mut [f32],
) {
    let n = bias.len() / groups;
    assert_eq!(weights.len(), bias.len() * k, "weights are [o, kh, kw, c / groups]");
    assert_eq!(packed.len(), packed_groups_len(isa, tile, groups, k, n), "the length that packed_len gives");
    let packed = packed.chunks_exact_mut(packed_len(isa, tile, k, n));
    let parts = weights.chunks_exact(n * k).zip(bias.chunks_exact(n));
    for ((weights, bias), packed) in parts.zip(packed) {
        pack(isa, tile, k, weights, bias, packed);
    }
}
