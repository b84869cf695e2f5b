use core::ops::Range;

use super::super::Variant;
use super::quads;
use crate::ConvGeometry;
use crate::simd::{Int8, channel};
use crate::{Isa, QuantizedConvParams};

/// Sections of packed weights begin at multiples of this, a cache line, as their vectors do on every instruction set.
const ALIGN: usize = 64;

/// How an instruction set divides channels: numbers of 32 bits in a vector, and vectors that are made together.
#[derive(Clone, Copy)]
pub(super) struct Vectors {
    lanes: usize,
    interleave: usize,
}

impl Vectors {
    fn on(isa: Isa) -> Self {
        Self { lanes: isa.lanes(), interleave: isa.interleave() }
    }

    pub(super) fn of<S: Int8>() -> Self {
        Self { lanes: S::LANES, interleave: S::INTERLEAVE }
    }
}

/// Output channels that share vectors.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) channels: Range<usize>,
    /// Vectors of sums: four for as many channels as a vector has bytes, one for those that are too few for that.
    pub(super) vectors: usize,
}

/// The groups of a number of channels. Where only the last of four vectors would be partly empty, the last group begins
/// early and does some channels again.
pub(super) fn groups(vectors: Vectors, dw: &ConvGeometry) -> impl Iterator<Item = Group> + use<> {
    let (Vectors { lanes, interleave }, channels) = (vectors, dw.output[2]);
    let wide = interleave * lanes;
    let whole = if dw.multiplier() > 1 || interleave == 1 { 0 } else { channels / wide };
    let rest = channels - whole * wide;
    let overlap = whole > 0 && rest > 2 * lanes;
    let wides = (0..whole + usize::from(overlap)).map(move |i| {
        let first = (i * wide).min(channels - wide);
        Group { channels: first..first + wide, vectors: interleave }
    });
    let singles = (whole * wide..if overlap { 0 } else { channels }).step_by(lanes);
    wides.chain(singles.map(move |first| Group { channels: first..channels.min(first + lanes), vectors: 1 }))
}

/// Weight vectors: one for each quad that is multiplied for each output.
fn weight_vectors(variant: Variant, dw: &ConvGeometry) -> usize {
    variant.fixed().map_or(dw.taps().div_ceil(4), |(kernel, _)| quads::weight_vectors(kernel))
}

/// The tap that byte `b` of a weight vector is for, in row-major order.
fn tap(variant: Variant, dw: &ConvGeometry, weight_index: usize, b: usize) -> Option<usize> {
    let Some((kernel, stride)) = variant.fixed() else {
        return Some(4 * weight_index + b).filter(|&tap| tap < dw.taps());
    };
    let mut places = (0..quads::quads(kernel)).flat_map(|q| (0..kernel).map(move |kx| (q, kx)));
    let (q, kx) = places.find(|&(q, kx)| {
        quads::contributes_to(kernel, stride, q, kx) && quads::weight_index(kernel, stride, q, kx) == weight_index
    })?;
    quads::tap(kernel, q, kx, b).map(|[ky, kx]| ky * kernel + kx)
}

/// How many numbers of 8 bits add up to any of the weights of some channels: 127 + 127 + 1 = 255.
fn summands(dw: &ConvGeometry, params: &QuantizedConvParams<'_>, channels: Range<usize>) -> usize {
    let taps = dw.taps();
    let part = |weight: i32| {
        if weight < 0 { weight.unsigned_abs().div_ceil(128) } else { weight.unsigned_abs().div_ceil(127) }
    };
    (channels.start * taps..channels.end * taps).map(|i| part(params.weight(i)) as usize).max().unwrap_or(0).max(1)
}

/// The summands of packed weights: how many summands the weights of each group have, a row of padding, and the groups.
pub(super) struct Sections<'a> {
    pub(super) summands: &'a [i8],
    pub(super) padding: &'a [i8],
    pub(super) groups: &'a [i8],
}

impl<'a> Sections<'a> {
    pub(super) fn of(vectors: Vectors, dw: &ConvGeometry, packed: &'a [i8]) -> Self {
        let (summands, row) = (groups(vectors, dw).count(), padding_len(dw));
        let (head, rest) = packed.split_at(summands.next_multiple_of(ALIGN));
        let (padding, groups) = rest.split_at(row.next_multiple_of(ALIGN));
        Self { summands: &head[..summands], padding: &padding[..row], groups }
    }
}

/// Bytes of the row of padding: of a feature map that is one pixel wide as many as a column has, which may be computed as
/// a row.
fn padding_len(dw: &ConvGeometry) -> usize {
    let [h, w, c] = dw.input;
    if w == 1 { h * c } else { w * c }
}

/// Bytes of a group: a vector of biases, one of scales and those of weights, for each vector of sums.
pub(super) fn group_len(
    variant: Variant,
    vectors: Vectors,
    dw: &ConvGeometry,
    group: &Group,
    summands: usize,
) -> usize {
    (2 + weight_vectors(variant, dw) * summands) * group.vectors * 4 * vectors.lanes
}

/// Bytes of packed weights. Panics as [`pack_int8`].
pub fn packed_len_int8(isa: Isa, variant: Variant, dw: &ConvGeometry, params: &QuantizedConvParams<'_>) -> usize {
    params.check(dw);
    let (vectors, row) = (Vectors::on(isa), padding_len(dw));
    let groups = || groups(vectors, dw);
    let len = |group: Group| {
        let summands = summands(dw, params, group.channels.clone());
        group_len(variant, vectors, dw, &group, summands)
    };
    groups().count().next_multiple_of(ALIGN) + row.next_multiple_of(ALIGN) + groups().map(len).sum::<usize>()
}

/// Re-orders weights, biases and scales for [`depthwise_int8`](super::depthwise_int8) on `isa` with `variant`.
///
/// For each group of channels there are their biases, less what the zero point of the input, less the input offset,
/// adds to every sum; their scales; and vector by vector their weights. Before them stand the number of summands that
/// each group's weights are cut into, and a row of inputs that stand for zero, which windows read above and below the
/// feature map.
pub fn pack_int8(isa: Isa, variant: Variant, dw: &ConvGeometry, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    assert_eq!(packed.len(), packed_len_int8(isa, variant, dw, params), "u8 values of packed depthwise weights");
    let vectors = Vectors::on(isa);
    let all = || groups(vectors, dw);
    let (head, rest) = packed.split_at_mut(all().count().next_multiple_of(ALIGN));
    let (padding, mut rest) = rest.split_at_mut(padding_len(dw).next_multiple_of(ALIGN));
    head.fill(0);
    padding.fill(params.x_zero_point as i8);
    for (group, count) in all().zip(head) {
        let summands = summands(dw, params, group.channels.clone());
        *count = summands as i8;
        let now;
        (now, rest) = rest.split_at_mut(group_len(variant, vectors, dw, &group, summands));
        self::group(isa, variant, dw, params, &group, now);
    }
}

/// Packs one group.
fn group(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    params: &QuantizedConvParams<'_>,
    group: &Group,
    packed: &mut [i8],
) {
    let vectors = group.vectors * isa.lanes();
    let (taps, weight_vectors) = (dw.taps(), weight_vectors(variant, dw));
    for (lane, numbers) in (0..vectors).map(|lane| (lane, lane * 4..lane * 4 + 4)) {
        let channel = group.channels.start + if group.vectors == 4 { channel(isa.lanes(), lane) } else { lane };
        // Lanes without a channel are zeros.
        let absent = channel >= group.channels.end;
        let weight = |tap: usize| if absent { 0 } else { params.weight(channel * taps + tap) };
        let zero_point = i32::from(params.x_zero_point) - i32::from(isa.input_offset());
        let sum = (0..taps).map(weight).fold(0, i32::wrapping_add).wrapping_mul(zero_point);
        let bias = if absent { 0 } else { params.bias[channel].wrapping_sub(sum) };
        let scale = if absent { 0.0 } else { params.scale[channel] };
        let section = |i: usize| i * vectors * 4 + numbers.start..i * vectors * 4 + numbers.end;
        packed[section(0)].copy_from_slice(&bias.to_ne_bytes().map(|byte| byte as i8));
        packed[section(1)].copy_from_slice(&scale.to_ne_bytes().map(|byte| byte as i8));
        for weight_index in 0..weight_vectors {
            for b in 0..4 {
                let mut rest = tap(variant, dw, weight_index, b).map_or(0, weight);
                for part in (2 + weight_index..packed.len() / (vectors * 4)).step_by(weight_vectors) {
                    let now = rest.clamp(-128, 127);
                    packed[section(part)][b] = now as i8;
                    rest -= now;
                }
            }
        }
    }
}
