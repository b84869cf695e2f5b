use core::ops::Range;

use super::super::Variant;
use super::quads;
use super::summands::Summands;
use crate::ConvGeometry;
use crate::simd::{Int8, channel};
use crate::{Isa, QuantizedConvParams};

/// How an instruction set divides channels: numbers of 32 bits in a vector, and vectors that are made together.
#[derive(Clone, Copy)]
pub(super) struct Vectors {
    lanes: usize,
    interleave: usize,
    /// The most vectors that are made one by one where four together would do some channels again.
    singles: usize,
}

impl Vectors {
    fn on(isa: Isa) -> Self {
        Self::new(isa.lanes(), isa.interleave(), isa.parts_weights())
    }

    pub(super) fn of<S: Int8>() -> Self {
        Self::new(S::LANES, S::INTERLEAVE, S::PARTS_WEIGHTS)
    }

    fn new(lanes: usize, interleave: usize, parts_weights: bool) -> Self {
        Self { lanes, interleave, singles: if parts_weights { 1 } else { 2 } }
    }

    /// Whether packed weights are as short as can be: a group is one channel, its header a byte, its weights are in the
    /// order of taps, and the row of padding is the caller's.
    fn is_compact(self) -> bool {
        self.lanes == 1
    }

    /// Sections of packed weights begin at multiples of this: a cache line, as their vectors do on every instruction
    /// set.
    fn alignment(self) -> usize {
        if self.is_compact() { 4 } else { 64 }
    }

    /// Kernel and stride, where a variant has its weights in the order that they ask for: all others are in the order of
    /// taps.
    fn fixed(self, variant: Variant) -> Option<(usize, usize)> {
        variant.fixed().filter(|_| !self.is_compact())
    }

    fn header_len(self) -> usize {
        if self.is_compact() { 1 } else { Header::LEN }
    }

    /// Bytes of the row of padding: of a feature map that is one pixel wide as many as a column has, which may be
    /// computed as a row.
    fn padding_len(self, dw: &ConvGeometry) -> usize {
        if self.is_compact() { 0 } else { padding_len(dw) }
    }
}

/// Output channels that share vectors.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) channels: Range<usize>,
    /// Vectors of sums: four for as many channels as a vector has bytes, one for those that are too few for that.
    pub(super) vectors: usize,
}

/// The groups of a number of channels. Where most of four vectors would be full, the last group begins early and does
/// some channels again.
pub(super) fn groups(vectors: Vectors, dw: &ConvGeometry) -> impl Iterator<Item = Group> + use<> {
    let (Vectors { lanes, interleave, singles }, channels) = (vectors, dw.output[2]);
    let wide = interleave * lanes;
    let whole = if dw.multiplier() > 1 || interleave == 1 { 0 } else { channels / wide };
    let overlap = whole > 0 && channels - whole * wide > singles * lanes;
    let wides = (0..whole + usize::from(overlap)).map(move |i| {
        let first = (i * wide).min(channels - wide);
        Group { channels: first..first + wide, vectors: interleave }
    });
    let rest = (whole * wide..if overlap { 0 } else { channels }).step_by(lanes);
    wides.chain(rest.map(move |first| Group { channels: first..channels.min(first + lanes), vectors: 1 }))
}

/// Weight vectors: one for each quad that is multiplied for each output.
fn weight_vectors(vectors: Vectors, variant: Variant, dw: &ConvGeometry) -> usize {
    vectors.fixed(variant).map_or(dw.taps().div_ceil(4), |(kernel, _)| quads::weight_vectors(kernel))
}

/// The tap that byte `b` of a weight vector is for, in row-major order.
fn tap(vectors: Vectors, variant: Variant, dw: &ConvGeometry, weight_index: usize, b: usize) -> Option<usize> {
    let Some((kernel, stride)) = vectors.fixed(variant) else {
        return Some(4 * weight_index + b).filter(|&tap| tap < dw.taps());
    };
    let mut places = (0..quads::quads(kernel)).flat_map(|q| (0..kernel).map(move |kx| (q, kx)));
    let (q, kx) = places.find(|&(q, kx)| {
        quads::contributes_to(kernel, stride, q, kx) && quads::weight_index(kernel, stride, q, kx) == weight_index
    })?;
    quads::tap(kernel, q, kx, b).map(|[ky, kx]| ky * kernel + kx)
}

/// The summands of weight vector `weight_index` of a channel.
fn summands_of(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    params: &QuantizedConvParams<'_>,
    [channel, weight_index]: [usize; 2],
) -> Summands {
    let taps = core::array::from_fn(|b| tap(Vectors::on(isa), variant, dw, weight_index, b));
    Summands::new(taps, isa.parts_weights(), |tap| params.weight(channel * dw.taps() + tap))
}

/// How many summands the weights of a group have, and which of its weight vectors have more than one.
fn header(
    isa: Isa,
    variant: Variant,
    dw: &ConvGeometry,
    params: &QuantizedConvParams<'_>,
    channels: Range<usize>,
) -> Header {
    let mut header = Header { summands: 1, more: 0 };
    for weight_index in 0..weight_vectors(Vectors::on(isa), variant, dw) {
        let counts = channels.clone().map(|o| summands_of(isa, variant, dw, params, [o, weight_index]).count());
        let count = counts.max().unwrap_or(0);
        header.summands = header.summands.max(count);
        header.more |= u64::from(count > 1) << weight_index.min(Header::LAST);
    }
    header
}

/// What stands before the groups for each of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// How many numbers of 8 bits add up to any of the group's weights.
    pub(super) summands: usize,
    /// The weight vectors that have more than one summand, a bit for each; the last bit is for all from there on.
    more: u64,
}

impl Header {
    const LEN: usize = 16;
    const LAST: usize = 63;

    /// From a header of full length, or of one byte, which says only whether any weight vector has more summands.
    fn read(from: &[i8]) -> Self {
        let summands = from[0] as usize;
        let more = match from.get(8..) {
            Some(more) => more.iter().rev().fold(0, |more, &byte| more << 8 | u64::from(byte as u8)),
            None if summands > 1 => u64::MAX,
            None => 0,
        };
        Self { summands, more }
    }

    fn write(self, to: &mut [i8]) {
        to.fill(0);
        to[0] = self.summands as i8;
        if let Some(more) = to.get_mut(8..) {
            more.copy_from_slice(&self.more.to_le_bytes().map(|byte| byte as i8));
        }
    }

    /// Whether a weight vector has more than one summand.
    #[inline(always)]
    pub(super) fn has_more(self, weight_index: usize) -> bool {
        self.more >> weight_index.min(Self::LAST) & 1 != 0
    }

    /// The weight vectors of a window that have more than one summand.
    #[inline(always)]
    pub(super) fn with_more(self) -> impl Iterator<Item = usize> {
        let mut more = self.more;
        core::iter::from_fn(move || {
            let next = (more != 0).then(|| more.trailing_zeros() as usize);
            more &= more.wrapping_sub(1);
            next
        })
    }
}

/// The sections of packed weights: a header for each group, a row of padding, and the groups.
pub(super) struct Sections<'a> {
    headers: &'a [i8],
    header_len: usize,
    pub(super) padding: &'a [i8],
    pub(super) groups: &'a [i8],
}

impl<'a> Sections<'a> {
    pub(super) fn of(vectors: Vectors, dw: &ConvGeometry, packed: &'a [i8]) -> Self {
        let (header_len, alignment) = (vectors.header_len(), vectors.alignment());
        let (head, row) = (groups(vectors, dw).count() * header_len, vectors.padding_len(dw));
        let (headers, rest) = packed.split_at(head.next_multiple_of(alignment));
        let (padding, groups) = rest.split_at(row.next_multiple_of(alignment));
        Self { headers: &headers[..head], header_len, padding: &padding[..row], groups }
    }

    /// One for each group.
    #[inline(always)]
    pub(super) fn headers(&self) -> impl Iterator<Item = Header> + use<'a> {
        self.headers.chunks_exact(self.header_len).map(Header::read)
    }
}

/// Bytes of a row of padding: of a feature map that is one pixel wide as many as a column has, which may be computed as
/// a row.
pub fn padding_len(dw: &ConvGeometry) -> usize {
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
    (2 + weight_vectors(vectors, variant, dw) * summands) * group.vectors * 4 * vectors.lanes
}

/// Bytes of packed weights. Panics as [`pack_int8`].
pub fn packed_len_int8(isa: Isa, variant: Variant, dw: &ConvGeometry, params: &QuantizedConvParams<'_>) -> usize {
    params.check(dw);
    let vectors = Vectors::on(isa);
    let (row, alignment) = (vectors.padding_len(dw), vectors.alignment());
    let groups = || groups(vectors, dw);
    let len = |group: Group| {
        let header = header(isa, variant, dw, params, group.channels.clone());
        group_len(variant, vectors, dw, &group, header.summands)
    };
    let headers = groups().count() * vectors.header_len();
    headers.next_multiple_of(alignment) + row.next_multiple_of(alignment) + groups().map(len).sum::<usize>()
}

/// Re-orders weights, biases and scales for [`depthwise_int8`](super::depthwise_int8) on `isa` with `variant`.
///
/// For each group of channels there are their biases, less what the zero point of the input, less the input offset,
/// adds to every sum; their scales; and vector by vector their weights. Before them stand how many summands the weights
/// of each group have, and a row of inputs that stand for zero, which windows read above and below the feature map; not
/// on [`Isa::WORD`], where the row is an argument.
pub fn pack_int8(isa: Isa, variant: Variant, dw: &ConvGeometry, params: &QuantizedConvParams<'_>, packed: &mut [i8]) {
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    assert_eq!(packed.len(), packed_len_int8(isa, variant, dw, params), "u8 values of packed depthwise weights");
    let vectors = Vectors::on(isa);
    let all = || groups(vectors, dw);
    let (header_len, alignment) = (vectors.header_len(), vectors.alignment());
    let headers = all().count() * header_len;
    let (head, rest) = packed.split_at_mut(headers.next_multiple_of(alignment));
    let (padding, mut rest) = rest.split_at_mut(vectors.padding_len(dw).next_multiple_of(alignment));
    head.fill(0);
    padding.fill(params.x_zero_point as i8);
    for (group, head) in all().zip(head.chunks_exact_mut(header_len)) {
        let header = header(isa, variant, dw, params, group.channels.clone());
        header.write(head);
        let now;
        (now, rest) = rest.split_at_mut(group_len(variant, vectors, dw, &group, header.summands));
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
    let weight_vectors = weight_vectors(Vectors::on(isa), variant, dw);
    let (taps, vectors) = (dw.taps(), group.vectors * isa.lanes());
    for (lane, numbers) in (0..vectors).map(|lane| (lane, lane * 4..lane * 4 + 4)) {
        let channel = group.channels.start + if group.vectors == 4 { channel(isa.lanes(), lane) } else { lane };
        let section = |i: usize| i * vectors * 4 + numbers.start..i * vectors * 4 + numbers.end;
        // Lanes without a channel are zeros.
        if channel >= group.channels.end {
            (0..packed.len() / (vectors * 4)).for_each(|i| packed[section(i)].fill(0));
            continue;
        }
        let zero_point = i32::from(params.x_zero_point) - i32::from(isa.input_offset());
        let sum = (0..taps).map(|tap| params.weight(channel * taps + tap)).fold(0, i32::wrapping_add);
        let bias = params.bias[channel].wrapping_sub(sum.wrapping_mul(zero_point));
        packed[section(0)].copy_from_slice(&bias.to_ne_bytes().map(|byte| byte as i8));
        packed[section(1)].copy_from_slice(&params.scale[channel].to_ne_bytes().map(|byte| byte as i8));
        for weight_index in 0..weight_vectors {
            let mut summands = summands_of(isa, variant, dw, params, [channel, weight_index]);
            for part in (2 + weight_index..packed.len() / (vectors * 4)).step_by(weight_vectors) {
                packed[section(part)].copy_from_slice(&summands.next().unwrap_or([0; 4]));
            }
        }
    }
}
