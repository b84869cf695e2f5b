use super::Tile;
use crate::quantized_params::QuantizedConvParams;
use crate::simd::Isa;

/// Bytes of a panel per output channel before the products: bias and scale.
pub(crate) const HEADER: usize = 8;
/// Products that one instruction adds up.
pub(crate) const K_GROUP: usize = 4;

/// Bytes that an index is rounded up to, so that weights begin where vectors do.
const INDEX_ALIGN: usize = 32;

/// Bytes of a panel's weights for a run of `length` inputs. If `sorted`, an [`Index`] precedes them.
pub(crate) const fn run_len(length: usize, columns: usize, sorted: bool) -> usize {
    let index = if sorted { Index::len(length) } else { 0 };
    index + length.next_multiple_of(K_GROUP) * columns
}

/// Where a run keeps its quads of inputs, in the order of their weights: first those whose products no instruction
/// saturates.
///
/// In memory it is numbers of 16 bits: how many quads come first, then the input that each quad begins with.
pub(crate) struct Index<'a> {
    /// Quads whose products stay within 16 bits, two by two.
    pub(crate) narrow: &'a [[i8; 2]],
    /// Quads whose products do not.
    pub(crate) wide: &'a [[i8; 2]],
}

impl<'a> Index<'a> {
    /// Its bytes for a run of `length` inputs.
    const fn len(length: usize) -> usize {
        (2 * (1 + length.div_ceil(K_GROUP))).next_multiple_of(INDEX_ALIGN)
    }

    /// The index of a run of `length` inputs, and the weights that follow it.
    #[inline(always)]
    pub(crate) fn split(run: &'a [i8], length: usize) -> (Self, &'a [i8]) {
        let (index, weights) = run.split_at(Self::len(length));
        let numbers = &index.as_chunks().0[..1 + length.div_ceil(K_GROUP)];
        let (narrow, wide) = numbers[1..].split_at(Self::number(numbers[0]));
        (Self { narrow, wide }, weights)
    }

    /// A number of the index.
    #[inline(always)]
    pub(crate) fn number(bytes: [i8; 2]) -> usize {
        usize::from(u16::from_ne_bytes(bytes.map(|byte| byte as u8)))
    }

    /// Writes the index of a run of `length` inputs whose quads come in this order, `narrow` of them first.
    fn write(index: &mut [i8], length: usize, narrow: usize, order: impl Iterator<Item = usize>) {
        let begins = order.map(|quad| begin(quad, length));
        index.fill(0);
        for (to, number) in index.as_chunks_mut().0.iter_mut().zip([narrow].into_iter().chain(begins)) {
            // Runs are shorter than `MAX_PRODUCTS`, 2^15.
            *to = (number as u16).to_ne_bytes().map(|byte| byte as i8);
        }
    }
}

/// The input that a quad of a run begins with: the last one ends where the run ends.
fn begin(quad: usize, length: usize) -> usize {
    (quad * K_GROUP).min(length.saturating_sub(K_GROUP))
}

/// Whether `vpmaddubsw` leaves the products of u8 by these weights, summed two by two, as they are.
fn stays_narrow(weights: [i8; K_GROUP]) -> bool {
    // 128·255 fits in 16 bits, 129·255 does not.
    weights.as_chunks().0.iter().all(|&[a, b]| (i32::from(a) + i32::from(b)).abs() <= 128)
}

/// Runs of inputs that lie together, all of one length.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) count: usize,
    pub(crate) length: usize,
}

impl Runs {
    /// The input that byte `j` of `quad` of a run is multiplied with. The last quad of a run that is not whole repeats
    /// inputs of the one before, which then count for nothing.
    fn input(self, run: usize, quad: usize, j: usize) -> Option<usize> {
        let place = begin(quad, self.length) + j;
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
/// With AVX2 but without VNNI the fastest sequence of instructions saturates where two neighboring weights of one sign
/// add up to more than 128. There each panel has those quads of inputs first that have no such weights, and an index of
/// all quads precedes the weights.
///
/// Panics when lengths contradict each other, and beyond [`QuantizedConvParams::MAX_PRODUCTS`].
pub fn pack_int8(isa: Isa, tile: Tile, k: usize, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    pack_runs(isa, tile, 1, Runs { count: 1, length: k }, params, packed);
}

/// The length of the output of [`pack_runs`] for `groups` of `n` output channels each.
pub(crate) fn packed_runs_len(isa: Isa, tile: Tile, groups: usize, runs: Runs, n: usize) -> usize {
    let columns = tile.columns(isa);
    groups * n.div_ceil(columns) * panel_len(isa, runs, columns)
}

fn panel_len(isa: Isa, runs: Runs, columns: usize) -> usize {
    HEADER * columns + runs.count * run_len(runs.length, columns, isa.sorts_weights())
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
    let channels =
        (0..groups).flat_map(|group| (0..n).step_by(columns).map(move |first| (group * n + first, n - first)));
    for (panel, (first, left)) in packed.chunks_exact_mut(panel_len(isa, runs, columns)).zip(channels) {
        let channel = |column: usize| (column < left).then_some(first + column);
        let (header, products) = panel.split_at_mut(HEADER * columns);
        let (biases, scales) = header.as_chunks_mut::<4>().0.split_at_mut(columns);
        for (column, (packed_bias, packed_scale)) in biases.iter_mut().zip(scales).enumerate() {
            let header = channel(column).map_or((0, 0.0), |o| (folded_bias(isa, params, k, o), scale[o]));
            *packed_bias = header.0.to_ne_bytes().map(|byte| byte as i8);
            *packed_scale = header.1.to_ne_bytes().map(|byte| byte as i8);
        }
        let run_len = run_len(runs.length, columns, isa.sorts_weights());
        for (run, packed) in products.chunks_exact_mut(run_len).enumerate() {
            let weights = |quad: usize, column: usize| {
                core::array::from_fn(|j| match (channel(column), runs.input(run, quad, j)) {
                    (Some(o), Some(input)) => weights.get(o * k + input),
                    _ => 0,
                })
            };
            pack_run(isa, runs.length, columns, weights, packed);
        }
    }
}

/// Packs the weights of a run, which `weights` gives for each quad and column.
fn pack_run(
    isa: Isa,
    length: usize,
    columns: usize,
    weights: impl Fn(usize, usize) -> [i8; K_GROUP],
    packed: &mut [i8],
) {
    let quads = length.div_ceil(K_GROUP);
    // A quad of fewer inputs than four is read by other means.
    let is_narrow = |&quad: &usize| length >= K_GROUP && (0..columns).all(|column| stays_narrow(weights(quad, column)));
    let write = |quad: usize, row: &mut [i8]| {
        for (column, packed) in row.as_chunks_mut().0.iter_mut().enumerate() {
            *packed = weights(quad, column);
        }
    };
    if !isa.sorts_weights() {
        return (0..quads).zip(packed.chunks_exact_mut(K_GROUP * columns)).for_each(|(quad, row)| write(quad, row));
    }
    let (index, rows) = packed.split_at_mut(Index::len(length));
    let order = || (0..quads).filter(is_narrow).chain((0..quads).filter(|quad| !is_narrow(quad)));
    Index::write(index, length, (0..quads).filter(is_narrow).count(), order());
    order().zip(rows.chunks_exact_mut(K_GROUP * columns)).for_each(|(quad, row)| write(quad, row));
}

/// The bias of output channel `o`, less what the input's zero point adds to a sum of `x·(w - w_zero_point)`; products
/// on `isa` lack `input_offset·w`, which is added.
fn folded_bias(isa: Isa, params: &QuantizedConvParams<'_>, k: usize, o: usize) -> i32 {
    let sum: i32 = (o * k..(o + 1) * k).map(|i| i32::from(params.weights.get(i))).sum();
    let zero = i32::from(params.x_zero_point).wrapping_mul(sum - k as i32 * i32::from(params.weights.zero_point()));
    params.bias[o].wrapping_sub(zero).wrapping_add(i32::from(isa.input_offset()) * sum)
}
