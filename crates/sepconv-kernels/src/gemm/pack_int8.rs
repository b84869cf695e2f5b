use super::Tile;
use super::parted::{self, INDEX_ALIGN};
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
    pub(super) fn quads(self) -> usize {
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

/// The length of the output of [`pack_int8`] for layers of `k` products: the number of output channels, rounded up to
/// whole tiles, times 8 and `k`, rounded up to a multiple of four. With AVX2 but without VNNI it depends on the
/// weights, too.
pub fn packed_len_int8(isa: Isa, tile: Tile, k: usize, params: &QuantizedConvParams<'_>) -> usize {
    packed_runs_len(isa, tile, 1, Runs { count: 1, length: k }, params)
}

/// Re-orders weights of `k` products into panels as wide as the tile, each `[columns]` of bias, from which the part of
/// the zero points that is the same for all pixels has been taken, `[columns]` of scales, and then `[k / 4, columns,
/// 4]` of weights; what is missing to whole panels is zero. `packed` is best kept on a cache line.
///
/// With AVX2 but without VNNI the fastest sequence of instructions saturates where two weights of one sign that are
/// multiplied together add up to more than 128. There such weights are parted: quads of inputs overlap, an index says
/// where each begins, and a weight is in one of the quads that have its input.
///
/// Panics when lengths contradict each other, and beyond [`QuantizedConvParams::MAX_PRODUCTS`].
pub fn pack_int8(isa: Isa, tile: Tile, k: usize, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    pack_runs(isa, tile, 1, Runs { count: 1, length: k }, params, packed);
}

/// The length of the output of [`pack_runs`].
pub(crate) fn packed_runs_len(
    isa: Isa,
    tile: Tile,
    groups: usize,
    runs: Runs,
    params: &QuantizedConvParams<'_>,
) -> usize {
    let (n, columns) = (params.bias.len() / groups, tile.columns(isa));
    let products = if isa.parts_weights() {
        check(groups, runs, params);
        let steps = panels(groups, n, columns).map(|panel| {
            let steps = |run| parted::Run { isa, tile, runs, run, panel, params }.steps();
            (0..runs.count).map(steps).max().unwrap_or(0)
        });
        runs.count * parted::run_len(steps.max().unwrap_or(0), tile.nr, columns)
    } else {
        runs.quads() * K_GROUP * columns
    };
    groups * n.div_ceil(columns) * (HEADER * columns + products)
}

/// Panics unless `packed` can be the output of [`pack_runs`].
pub(crate) fn check_packed_runs(isa: Isa, tile: Tile, groups: usize, runs: Runs, n: usize, packed: usize) {
    let columns = tile.columns(isa);
    let (panels, header) = (groups * n.div_ceil(columns), HEADER * columns);
    let fits = if isa.parts_weights() {
        packed.is_multiple_of(panels)
            && (packed / panels)
                .checked_sub(header)
                .is_some_and(|products| products.is_multiple_of(runs.count * INDEX_ALIGN))
    } else {
        packed == panels * (header + runs.quads() * K_GROUP * columns)
    };
    assert!(fits, "weights packed for this tile");
}

/// Output channels of a panel: the first, and all that follow it in its group.
pub(super) type Panel = (usize, usize);

fn panels(groups: usize, n: usize, columns: usize) -> impl Iterator<Item = Panel> {
    (0..groups).flat_map(move |group| (0..n).step_by(columns).map(move |first| (group * n + first, n - first)))
}

fn check(groups: usize, runs: Runs, params: &QuantizedConvParams<'_>) {
    let k = runs.count * runs.length;
    assert!(k <= QuantizedConvParams::MAX_PRODUCTS, "{k} products may not fit in 32 bits");
    assert_eq!(params.weights.len(), params.bias.len() * k, "each output channel has its weights");
    assert_eq!(params.scale.len(), params.bias.len(), "each output channel has a scale");
    assert!(params.bias.len().is_multiple_of(groups), "groups have the same number of output channels");
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
    check(groups, runs, params);
    let QuantizedConvParams { weights, bias, scale, .. } = *params;
    let (n, k, columns) = (bias.len() / groups, runs.count * runs.length, tile.columns(isa));
    assert_eq!(packed.len(), packed_runs_len(isa, tile, groups, runs, params), "the length that packed_len gives");
    let panel_len = packed.len() / (groups * n.div_ceil(columns));
    for (packed, panel) in packed.chunks_exact_mut(panel_len).zip(panels(groups, n, columns)) {
        let channel = |column: usize| (column < panel.1).then_some(panel.0 + column);
        let (header, products) = packed.split_at_mut(HEADER * columns);
        let (biases, scales) = header.as_chunks_mut::<4>().0.split_at_mut(columns);
        for (column, (packed_bias, packed_scale)) in biases.iter_mut().zip(scales).enumerate() {
            let header = channel(column).map_or((0, 0.0), |o| (folded_bias(isa, params, k, o), scale[o]));
            *packed_bias = header.0.to_ne_bytes().map(|byte| byte as i8);
            *packed_scale = header.1.to_ne_bytes().map(|byte| byte as i8);
        }
        if isa.parts_weights() {
            let run_len = products.len() / runs.count;
            for (run, packed) in products.chunks_exact_mut(run_len).enumerate() {
                parted::Run { isa, tile, runs, run, panel, params }.pack(packed);
            }
            continue;
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
