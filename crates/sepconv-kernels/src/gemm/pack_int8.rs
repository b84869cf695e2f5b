use super::Tile;
use crate::quantized_params::QuantizedConvParams;
use crate::simd::Isa;

/// Bytes of a panel per output channel before the products: bias and scale.
pub(crate) const HEADER: usize = 8;
/// Products that one instruction adds up.
pub(crate) const K_GROUP: usize = 4;

/// Runs of inputs that lie together, all of one length.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) count: usize,
    pub(crate) length: usize,
}

impl Runs {
    fn quads(self) -> usize {
        self.count * self.length.div_ceil(K_GROUP)
    }

    /// The input that byte `j` of `quad` is multiplied with. The last quad of a run that is not whole ends where the
    /// run ends and repeats inputs of the one before, which then count for nothing.
    fn input(self, quad: usize, j: usize) -> Option<usize> {
        let (run, quad) = (quad / self.length.div_ceil(K_GROUP), quad % self.length.div_ceil(K_GROUP));
        let start = (quad * K_GROUP).min(self.length.saturating_sub(K_GROUP));
        let place = start + j;
        (place >= quad * K_GROUP && place < self.length).then(|| run * self.length + place)
    }
}

/// The length of the output of [`pack_int8`] for `n` output channels of `k` products: `n`, rounded up to whole tiles,
/// times 8 and `k`, rounded up to a multiple of four.
pub fn packed_len_int8(isa: Isa, tile: Tile, k: usize, n: usize) -> usize {
    packed_runs_len(isa, tile, 1, Runs { count: 1, length: k }, n)
}

/// Re-orders weights of `k` products into panels as wide as the tile, each `[columns]` of bias, from which the part of
/// the zero points that is the same for all pixels has been taken, `[columns]` of scales, and then `[k / 4, columns,
/// 4]` of weights; what is missing to whole panels is zero. `packed` is best kept on a cache line.
///
/// Panics when lengths contradict each other, and beyond [`QuantizedConvParams::MAX_PRODUCTS`].
pub fn pack_int8(isa: Isa, tile: Tile, k: usize, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    pack_runs(isa, tile, 1, Runs { count: 1, length: k }, params, packed);
}

/// The length of the output of [`pack_runs`] for `groups` of `n` output channels each.
pub(crate) fn packed_runs_len(isa: Isa, tile: Tile, groups: usize, runs: Runs, n: usize) -> usize {
    groups * n.next_multiple_of(tile.columns(isa)) * (HEADER + runs.quads() * K_GROUP)
}

/// Packs each group of a grouped convolution by itself: weights are `[groups, n, runs, length]`.
pub(crate) fn pack_runs(
    isa: Isa,
    tile: Tile,
    groups: usize,
    runs: Runs,
    params: &QuantizedConvParams<'_>,
    packed: &mut [i8],
) {
    let QuantizedConvParams { weights, bias, scale, .. } = *params;
    let (n, k, columns) = (bias.len() / groups, runs.count * runs.length, tile.columns(isa));
    assert!(k <= QuantizedConvParams::MAX_PRODUCTS, "{k} products may not fit in 32 bits");
    assert_eq!(weights.len(), bias.len() * k, "each output channel has its weights");
    assert_eq!(scale.len(), bias.len(), "each output channel has a scale");
    assert_eq!(packed.len(), packed_runs_len(isa, tile, groups, runs, n), "the length that packed_len gives");
    let panel = (HEADER + runs.quads() * K_GROUP) * columns;
    let channels =
        (0..groups).flat_map(|group| (0..n).step_by(columns).map(move |first| (group * n + first, n - first)));
    for (panel, (first, left)) in packed.chunks_exact_mut(panel).zip(channels) {
        let channel = |column: usize| (column < left).then_some(first + column);
        let (header, products) = panel.split_at_mut(HEADER * columns);
        let (biases, scales) = header.as_chunks_mut::<4>().0.split_at_mut(columns);
        for (column, (packed_bias, packed_scale)) in biases.iter_mut().zip(scales).enumerate() {
            let header = channel(column).map_or((0, 0.0), |o| (folded_bias(isa, params, k, o), scale[o]));
            *packed_bias = header.0.to_ne_bytes().map(|byte| byte as i8);
            *packed_scale = header.1.to_ne_bytes().map(|byte| byte as i8);
        }
        for (quad, row) in products.chunks_exact_mut(K_GROUP * columns).enumerate() {
            for (column, packed) in row.as_chunks_mut::<K_GROUP>().0.iter_mut().enumerate() {
                *packed = core::array::from_fn(|j| match (channel(column), runs.input(quad, j)) {
                    (Some(o), Some(input)) => weights.get(o * k + input),
                    _ => 0,
                });
            }
        }
    }
}

/// The bias of output channel `o`, less what the input's zero point adds to a sum of `x·(w - w_zero_point)`; products
/// on `isa` lack `input_offset·w`, which is added.
fn folded_bias(isa: Isa, params: &QuantizedConvParams<'_>, k: usize, o: usize) -> i32 {
    let sum: i32 = (o * k..(o + 1) * k).map(|i| i32::from(params.weights.get(i))).sum();
    let zero = i32::from(params.x_zero_point).wrapping_mul(sum - k as i32 * i32::from(params.weights.zero_point()));
    params.bias[o].wrapping_sub(zero).wrapping_add(i32::from(isa.input_offset()) * sum)
}
