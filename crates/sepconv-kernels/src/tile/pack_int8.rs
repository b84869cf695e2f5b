use super::Tile;
use crate::filters::Filters;
use crate::simd::Isa;

/// Bytes of a panel per output channel before the products: bias and scale.
pub(crate) const HEADER: usize = 8;
/// Products that one instruction adds up.
pub(crate) const QUAD: usize = 4;

/// Runs of inputs that lie together, all of one length.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) count: usize,
    pub(crate) length: usize,
}

impl Runs {
    fn quads(self) -> usize {
        self.count * self.length.div_ceil(QUAD)
    }

    /// The input that byte `j` of `quad` is multiplied with. The last quad of a run that is not whole ends where the run ends
    /// and repeats inputs of the one before, which then count for nothing.
    fn input(self, quad: usize, j: usize) -> Option<usize> {
        let (run, quad) = (quad / self.length.div_ceil(QUAD), quad % self.length.div_ceil(QUAD));
        let start = (quad * QUAD).min(self.length.saturating_sub(QUAD));
        let place = start + j;
        (place >= quad * QUAD && place < self.length).then(|| run * self.length + place)
    }
}

/// The bytes that [`pack_int8`] writes for `n` output channels of `k` products: `n`, rounded up to whole tiles, times 8 and `k`,
/// rounded up to a multiple of four.
pub fn packed_len_int8(isa: Isa, tile: Tile, k: usize, n: usize) -> usize {
    packed_runs_len(isa, tile, 1, Runs { count: 1, length: k }, n)
}

/// Re-orders filters of `k` products into panels as wide as the tile, each `[columns]` of bias, from which the part of the zero points
/// that is the same for all pixels has been taken, `[columns]` of scales, and then `[k / 4, columns, 4]` of weights; what is missing to
/// whole panels is zero. `packed` is best kept on a cache line.
///
/// Panics when lengths contradict each other, and beyond [`Filters::MOST_PRODUCTS`].
pub fn pack_int8(isa: Isa, tile: Tile, k: usize, filters: &Filters<'_>, packed: &mut [i8]) {
    pack_runs(isa, tile, 1, Runs { count: 1, length: k }, filters, packed);
}

/// The bytes that [`pack_runs`] writes for `groups` of `n` output channels each.
pub(crate) fn packed_runs_len(isa: Isa, tile: Tile, groups: usize, runs: Runs, n: usize) -> usize {
    groups * n.next_multiple_of(tile.columns(isa)) * (HEADER + runs.quads() * QUAD)
}

/// Packs each group of a grouped convolution by itself: weights are `[groups, n, runs, length]`.
pub(crate) fn pack_runs(isa: Isa, tile: Tile, groups: usize, runs: Runs, filters: &Filters<'_>, packed: &mut [i8]) {
    let Filters { weights, bias, scale, .. } = *filters;
    let (n, k, columns) = (bias.len() / groups, runs.count * runs.length, tile.columns(isa));
    assert!(k <= Filters::MOST_PRODUCTS, "{k} products may not fit in 32 bits");
    assert_eq!(weights.len(), bias.len() * k, "each output channel has its weights");
    assert_eq!(scale.len(), bias.len(), "each output channel has a scale");
    assert_eq!(packed.len(), packed_runs_len(isa, tile, groups, runs, n), "the length that packed_len gives");
    let panel = (HEADER + runs.quads() * QUAD) * columns;
    let channels =
        (0..groups).flat_map(|group| (0..n).step_by(columns).map(move |first| (group * n + first, n - first)));
    for (panel, (first, left)) in packed.chunks_exact_mut(panel).zip(channels) {
        let channel = |column: usize| (column < left).then_some(first + column);
        let (header, products) = panel.split_at_mut(HEADER * columns);
        let (biases, scales) = header.as_chunks_mut::<4>().0.split_at_mut(columns);
        for (column, (packed_bias, packed_scale)) in biases.iter_mut().zip(scales).enumerate() {
            let header = channel(column).map_or((0, 0.0), |o| (folded_bias(isa, filters, k, o), scale[o]));
            *packed_bias = header.0.to_ne_bytes().map(|byte| byte as i8);
            *packed_scale = header.1.to_ne_bytes().map(|byte| byte as i8);
        }
        for (quad, row) in products.chunks_exact_mut(QUAD * columns).enumerate() {
            for (column, packed) in row.as_chunks_mut::<QUAD>().0.iter_mut().enumerate() {
                *packed = core::array::from_fn(|j| match (channel(column), runs.input(quad, j)) {
                    (Some(o), Some(input)) => weights.get(o * k + input),
                    _ => 0,
                });
            }
        }
    }
}

/// The bias of output channel `o`, less what the input's zero point adds to a sum of `x·(w - w_zero_point)`; products on `isa` lack
/// `origin·w`, which is added.
fn folded_bias(isa: Isa, filters: &Filters<'_>, k: usize, o: usize) -> i32 {
    let sum: i32 = (o * k..(o + 1) * k).map(|i| i32::from(filters.weights.get(i))).sum();
    let zero = i32::from(filters.x_zero_point).wrapping_mul(sum - k as i32 * i32::from(filters.weights.zero_point()));
    filters.bias[o].wrapping_sub(zero).wrapping_add(i32::from(isa.origin()) * sum)
}
