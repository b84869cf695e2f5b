use core::ops::Range;

use super::super::{Depthwise, Variant};
use super::quads;
use crate::simd::{Int8, Kernel};
use crate::{Filters, Isa};

/// Sections of packed weights begin at multiples of this, a cache line, as their vectors do on every instruction set.
const ALIGN: usize = 64;

/// Output channels that share vectors.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) channels: Range<usize>,
    /// Vectors of sums: four for as many channels as a vector has bytes, one for those that are too few for that.
    pub(super) vectors: usize,
}

/// The groups of a number of channels, with those of `lanes` quads. Where only the last of four vectors would be partly empty, the last
/// group begins early and does some channels again.
pub(super) fn groups(variant: Variant, lanes: usize, channels: usize) -> impl Iterator<Item = Group> {
    let wide = 4 * lanes;
    let whole = if variant == Variant::General { 0 } else { channels / wide };
    let rest = channels - whole * wide;
    let overlap = whole > 0 && rest > 2 * lanes;
    let wides = (0..whole + usize::from(overlap)).map(move |i| {
        let first = (i * wide).min(channels - wide);
        Group { channels: first..first + wide, vectors: 4 }
    });
    let singles = (whole * wide..if overlap { 0 } else { channels }).step_by(lanes);
    wides.chain(singles.map(move |first| Group { channels: first..channels.min(first + lanes), vectors: 1 }))
}

/// Slots of weights: as many as quads are multiplied for each output.
fn slots(variant: Variant, dw: &Depthwise) -> usize {
    variant.fixed().map_or(dw.taps().div_ceil(4), |(kernel, _)| quads::slots(kernel))
}

/// The tap that byte `b` of a slot is for, in row-major order.
fn tap(variant: Variant, dw: &Depthwise, slot: usize, b: usize) -> Option<usize> {
    let Some((kernel, stride)) = variant.fixed() else {
        return Some(4 * slot + b).filter(|&tap| tap < dw.taps());
    };
    let mut places = (0..quads::quads(kernel)).flat_map(|q| (0..kernel).map(move |kx| (q, kx)));
    let (q, kx) =
        places.find(|&(q, kx)| quads::meets(kernel, stride, q, kx) && quads::slot(kernel, stride, q, kx) == slot)?;
    quads::tap(kernel, q, kx, b).map(|[ky, kx]| ky * kernel + kx)
}

/// What is out of the ordinary about a group: how many numbers of 8 bits add up to any of its weights (127 + 127 + 1 = 255), and
/// whether a sum times its scale may not fit 32 bits. Stored as one byte for each group.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) parts: usize,
    pub(super) vast: bool,
}

impl Kind {
    fn of(dw: &Depthwise, filters: &Filters<'_>, channels: Range<usize>) -> Self {
        let (mut parts, mut vast, taps) = (1, false, dw.taps());
        for channel in channels {
            let weights = (channel * taps..(channel + 1) * taps).map(|i| filters.weight(i));
            let greatest = weights.clone().map(|weight| if weight < 0 { -1 - weight } else { weight }).max();
            parts = parts.max(greatest.unwrap_or(0).unsigned_abs().div_ceil(127));
            let magnitude: f64 = weights.map(|weight| f64::from(weight.unsigned_abs())).sum();
            let sum = magnitude * 255.0 + f64::from(filters.bias[channel].unsigned_abs());
            vast |=
                sum * f64::from(filters.scale[channel].abs()) >= f64::from(i32::MAX / 2) || sum >= f64::from(i32::MAX);
        }
        Self { parts: parts as usize, vast }
    }

    fn to_byte(self) -> i8 {
        self.parts as i8 + if self.vast { 4 } else { 0 }
    }

    pub(super) fn from_byte(byte: i8) -> Self {
        Self { parts: byte as usize % 4, vast: byte >= 4 }
    }

    /// Whether the ordinary kernel serves.
    pub(super) fn is_plain(self) -> bool {
        self.parts == 1 && !self.vast
    }
}

/// The sections of packed weights: what kind each group is, a row of padding, and the groups.
pub(super) struct Sections<'a> {
    pub(super) kinds: &'a [i8],
    pub(super) padding: &'a [i8],
    pub(super) groups: &'a [i8],
}

impl<'a> Sections<'a> {
    pub(super) fn of(variant: Variant, lanes: usize, dw: &Depthwise, packed: &'a [i8]) -> Self {
        let (count, row) = (groups(variant, lanes, dw.output[2]).count(), dw.input[1] * dw.input[2]);
        let (kinds, rest) = packed.split_at(count.next_multiple_of(ALIGN));
        let (padding, groups) = rest.split_at(row.next_multiple_of(ALIGN));
        Self { kinds: &kinds[..count], padding: &padding[..row], groups }
    }
}

/// Bytes of a group: a vector of biases, one of scales and those of weights, for each vector of sums.
pub(super) fn group_len(variant: Variant, lanes: usize, dw: &Depthwise, group: &Group, kind: Kind) -> usize {
    (2 + slots(variant, dw) * kind.parts) * group.vectors * 4 * lanes
}

/// Bytes of packed weights. Panics as [`pack_int8`].
pub fn packed_int8_len(isa: Isa, variant: Variant, dw: &Depthwise, filters: &Filters<'_>) -> usize {
    filters.check(dw);
    let (lanes, row) = (isa.lanes(), dw.input[1] * dw.input[2]);
    let groups = || groups(variant, lanes, dw.output[2]);
    let len = |group: Group| {
        let kind = Kind::of(dw, filters, group.channels.clone());
        group_len(variant, lanes, dw, &group, kind)
    };
    groups().count().next_multiple_of(ALIGN) + row.next_multiple_of(ALIGN) + groups().map(len).sum::<usize>()
}

/// Re-orders weights, biases and scales for [`depthwise_int8`](super::depthwise_int8) on `isa` with `variant`.
///
/// For each group of channels there are their biases, less what the zero point of the input adds to every sum; their scales;
/// and slot by slot their weights. Before them stand a byte for each group that says what kind it is, and a row of inputs that
/// stand for zero, which windows read above and below the plane.
pub fn pack_int8(isa: Isa, variant: Variant, dw: &Depthwise, filters: &Filters<'_>, packed: &mut [i8]) {
    assert!(variant.fits(dw), "depthwise variant {} cannot run {dw:?}", variant.name());
    assert_eq!(packed.len(), packed_int8_len(isa, variant, dw, filters), "bytes of packed depthwise weights");
    isa.run_int8(Pack { variant, dw, filters, packed });
}

struct Pack<'a> {
    variant: Variant,
    dw: &'a Depthwise,
    filters: &'a Filters<'a>,
    packed: &'a mut [i8],
}

impl<S: Int8> Kernel<S> for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: S) {
        let Self { variant, dw, filters, packed } = self;
        let all = || groups(variant, S::LANES, dw.output[2]);
        let (kinds, rest) = packed.split_at_mut(all().count().next_multiple_of(ALIGN));
        let (padding, mut rest) = rest.split_at_mut((dw.input[1] * dw.input[2]).next_multiple_of(ALIGN));
        kinds.fill(0);
        padding.fill(filters.x_zero_point as i8);
        for (group, byte) in all().zip(kinds) {
            let kind = Kind::of(dw, filters, group.channels.clone());
            *byte = kind.to_byte();
            let now;
            (now, rest) = rest.split_at_mut(group_len(variant, S::LANES, dw, &group, kind));
            self::group::<S>(variant, dw, filters, &group, now);
        }
    }
}

/// Packs one group.
#[inline(always)]
fn group<S: Int8>(variant: Variant, dw: &Depthwise, filters: &Filters<'_>, group: &Group, packed: &mut [i8]) {
    let vectors = group.vectors * S::LANES;
    let (taps, slots) = (dw.taps(), slots(variant, dw));
    for (lane, numbers) in (0..vectors).map(|lane| (lane, lane * 4..lane * 4 + 4)) {
        let channel = group.channels.start + if group.vectors == 4 { S::channel(lane) } else { lane };
        // Lanes without a channel are zeros.
        let absent = channel >= group.channels.end;
        let weight = |tap: usize| if absent { 0 } else { filters.weight(channel * taps + tap) };
        let zero_point = i32::from(filters.x_zero_point) - i32::from(S::ORIGIN);
        let sum = (0..taps).map(weight).fold(0, i32::wrapping_add).wrapping_mul(zero_point);
        let bias = if absent { 0 } else { filters.bias[channel].wrapping_sub(sum) };
        let scale = if absent { 0.0 } else { filters.scale[channel] };
        let section = |i: usize| i * vectors * 4 + numbers.start..i * vectors * 4 + numbers.end;
        packed[section(0)].copy_from_slice(&bias.to_ne_bytes().map(|byte| byte as i8));
        packed[section(1)].copy_from_slice(&scale.to_ne_bytes().map(|byte| byte as i8));
        for slot in 0..slots {
            for b in 0..4 {
                let mut rest = tap(variant, dw, slot, b).map_or(0, weight);
                for part in (2 + slot..packed.len() / (vectors * 4)).step_by(slots) {
                    let now = rest.clamp(-128, 127);
                    packed[section(part)][b] = now as i8;
                    rest -= now;
                }
            }
        }
    }
}
