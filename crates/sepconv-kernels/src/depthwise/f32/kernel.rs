use core::ops::Range;

use super::super::phase::{Phase, phases};
use super::super::variant::dispatch;
use super::super::{DepthwiseKernel, Variant};
use crate::activation::ApplyRows;
use crate::simd::{Columns, Kernel, Simd};
use crate::unroll::unrolled_array;
use crate::{Activation, ConvGeometry, Rows};

/// The arguments of [`depthwise`](super::depthwise), checked.
pub(super) struct DepthwiseF32<'a> {
    pub(super) variant: Variant,
    pub(super) dw: &'a ConvGeometry,
    pub(super) x: Rows<'a>,
    pub(super) packed: &'a [f32],
    pub(super) activation: Activation,
    pub(super) rows: Range<usize>,
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for DepthwiseF32<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        dispatch(self, simd);
    }
}

/// Input rows that one strip of output rows can meet: a kernel of 7 at stride 2, two output rows at once.
const MOST_LINES: usize = 9;

impl<S: Simd> DepthwiseKernel<S> for DepthwiseF32<'_> {
    #[inline(always)]
    fn variant(&self) -> Variant {
        self.variant
    }

    /// `ROWS` (1 or 2) output rows at a time, tile by tile.
    #[inline(always)]
    fn fixed<const K: usize, const STRIDE: usize, const ROWS: usize, const WINDOWS: usize>(self, simd: S) {
        let ([h, _, _], [_, ow, c], window) = (self.dw.input, self.dw.output, &self.dw.window);
        let mut out = self.out;
        let mut y = self.rows.start;
        while y < self.rows.end {
            // Two rows' sums need more registers than the older instruction sets have.
            let most = if S::REGISTERS >= 32 { ROWS } else { 1 };
            // Nor do they share input rows where those are apart.
            let at_once = if window.dilation[0] == 1 { most.min(self.rows.end - y) } else { 1 };
            let (now, later) = out.split_at_mut(at_once * ow * c);
            let taps = match at_once {
                1 => window.taps(0, y, h),
                _ => inside(y * STRIDE, window.before[0], h, (at_once - 1) * STRIDE + K),
            };
            let mut lines: [&[f32]; MOST_LINES] = [&[]; MOST_LINES];
            for (t, line) in taps.clone().zip(&mut lines[taps.clone()]) {
                *line = self.x.row(window.source(0, y, t));
            }
            for phase in phases(self.dw) {
                let (taps, activation) = (taps.clone(), self.activation);
                let strip = Strip { dw: self.dw, phase, lines: &lines, taps, packed: self.packed, activation };
                match at_once {
                    2 if const { S::REGISTERS >= 32 && ROWS == 2 } => strip.run::<S, K, STRIDE, 2>(simd, now),
                    _ => strip.run::<S, K, STRIDE, 1>(simd, now),
                }
            }
            if self.activation.bounds().is_none() && window.dilation[1] > 1 {
                let (activation, columns) = (self.activation, now.len());
                simd.vectorize(ApplyRows { activation, data: now, rows: 1, stride: columns, columns });
            }
            (out, y) = (later, y + at_once);
        }
    }
    #[inline(always)]
    fn general(self, simd: S) {
        self.any_window(simd);
    }
}

/// Which of `count` positions from `start` lie on an axis of `size`, when position 0 is `before` ahead of it.
#[inline(always)]
fn inside(start: usize, before: usize, size: usize, count: usize) -> Range<usize> {
    let end = (size + before).saturating_sub(start).min(count);
    before.saturating_sub(start).min(end)..end
}

/// A few output rows.
struct Strip<'a> {
    dw: &'a ConvGeometry,
    phase: Phase,
    /// Line `t` is the input row that tap `t` of the first output row meets; only `taps` of them exist.
    lines: &'a [&'a [f32]; MOST_LINES],
    taps: Range<usize>,
    packed: &'a [f32],
    activation: Activation,
}

impl Strip<'_> {
    /// Covers the row with tiles of 7 pixels, which divides the feature maps of most networks, if their sums fit in
    /// registers, and of 4. The last tile may overlap the one before it.
    #[inline(always)]
    fn run<S: Simd, const K: usize, const STRIDE: usize, const R: usize>(&self, simd: S, out: &mut [f32]) {
        let [_, ow] = self.phase.width;
        let mut x = 0;
        while x < ow {
            let left = ow - x;
            if const { S::REGISTERS > 8 }
                && left > 4
                && ow >= 7
                && self.tile::<S, K, STRIDE, R, 7>(simd, x.min(ow - 7), out)
            {
                x += 7;
            } else if ow >= 4 && self.tile::<S, K, STRIDE, R, 4>(simd, x.min(ow - 4), out) {
                x += 4;
            } else {
                self.tile::<S, K, STRIDE, R, 1>(simd, x, out);
                x += 1;
            }
        }
    }

    /// Computes `P` pixels of `R` rows from pixel `x`, unless more of its columns are outside the feature map than
    /// [`edge`] allows.
    #[inline(always)]
    fn tile<S: Simd, const K: usize, const STRIDE: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        x: usize,
        out: &mut [f32],
    ) -> bool {
        let ([_, ow, c], [w, _], before) = (self.dw.output, self.phase.width, self.phase.before);
        let count = (P - 1) * STRIDE + K;
        let inside = inside(x * STRIDE, before, w, count);
        if inside.start > edge(K, P) || inside.end < count - edge(K, P) {
            return false;
        }
        // A window may lie beside the feature map: then none of its columns is asked for.
        let origin = if inside.is_empty() { before } else { x * STRIDE };
        let inside = if inside.is_empty() { 0..0 } else { inside };
        let tile = PixelTile {
            strip: self,
            columns: self.phase.inputs(self.dw, 0, c).renumbered(origin, before, inside.clone()),
            pixels: self.phase.outputs(self.dw, 0, c).renumbered(x, 0, 0..P),
            bounds: self.activation.bounds().filter(|bounds| *bounds != (f32::NEG_INFINITY, f32::INFINITY)),
        };
        // A tile of one pixel is for what is unlike the rest.
        let whole = if P > 1 && inside == (0..count) { c - c % S::LANES } else { 0 };
        if const { P > 1 } && whole > 0 {
            let (inside, channels) = (0..count, 0..whole);
            simd.vectorize(TileChannels::<K, STRIDE, R, P, false> { tile: &tile, inside, channels, out: &mut *out });
        }
        if whole < c {
            let channels = whole..c;
            simd.vectorize(TileChannels::<K, STRIDE, R, P, true> { tile: &tile, inside, channels, out: &mut *out });
        }
        if self.activation.bounds().is_none() && self.dw.window.dilation[1] == 1 {
            let (activation, data) = (self.activation, &mut out[x * c..]);
            simd.vectorize(ApplyRows { activation, data, rows: R, stride: ow * c, columns: P * c });
        }
        true
    }
}

/// A few pixels of a few rows: what is the same for all their channels.
struct PixelTile<'a> {
    strip: &'a Strip<'a>,
    columns: Columns,
    pixels: Columns,
    bounds: Option<(f32, f32)>,
}

/// Some channels of a tile, from a whole vector on. Where `EDGE`, columns that are not `inside` are outside the feature
/// map, and the last vector may lack lanes.
struct TileChannels<'a, const K: usize, const STRIDE: usize, const R: usize, const P: usize, const EDGE: bool> {
    tile: &'a PixelTile<'a>,
    inside: Range<usize>,
    channels: Range<usize>,
    out: &'a mut [f32],
}

impl<S: Simd, const K: usize, const STRIDE: usize, const R: usize, const P: usize, const EDGE: bool> Kernel<S>
    for TileChannels<'_, K, STRIDE, R, P, EDGE>
{
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { tile, inside, channels, out } = self;
        let weights = S::LANES * (K * K + 1);
        let packed = self.tile.strip.packed[channels.start / S::LANES * weights..].chunks_exact(weights);
        for (channel, packed) in channels.clone().step_by(S::LANES).zip(packed) {
            // As a constant the number of lanes makes ordinary loads and stores of masked ones.
            let lanes = if EDGE { S::LANES.min(channels.end - channel) } else { S::LANES };
            if lanes == S::LANES {
                let vector = TileVector { tile, packed, channel, lanes: S::LANES, inside: inside.clone() };
                vector.run::<S, K, STRIDE, R, P, EDGE>(simd, out);
            } else {
                let vector = TileVector { tile, packed, channel, lanes, inside: inside.clone() };
                vector.run::<S, K, STRIDE, R, P, EDGE>(simd, out);
            }
        }
    }
}

/// One vector of channels of a tile.
struct TileVector<'a> {
    tile: &'a PixelTile<'a>,
    packed: &'a [f32],
    channel: usize,
    lanes: usize,
    inside: Range<usize>,
}

impl TileVector<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize, const STRIDE: usize, const R: usize, const P: usize, const EDGE: bool>(
        &self,
        simd: S,
        out: &mut [f32],
    ) {
        let taps = self.tile.strip.taps.clone();
        let columns = self.tile.columns.channels(self.channel, self.lanes);
        let mut sums = [[simd.load(self.packed); P]; R];
        if R > 1 && K == 3 {
            // With `t` known, weights that two rows share stay in registers.
            for t in 0..5 {
                if t < (R - 1) * STRIDE + K && taps.contains(&t) {
                    self.add_line::<S, K, STRIDE, R, P, EDGE>(simd, t, &columns, &mut sums);
                }
            }
        } else {
            for t in taps {
                self.add_line::<S, K, STRIDE, R, P, EDGE>(simd, t, &columns, &mut sums);
            }
        }
        self.store(simd, sums, out);
    }

    /// Adds what line `t` contributes.
    #[inline(always)]
    fn add_line<S: Simd, const K: usize, const STRIDE: usize, const R: usize, const P: usize, const EDGE: bool>(
        &self,
        simd: S,
        t: usize,
        columns: &Columns,
        sums: &mut [[S::F32; P]; R],
    ) {
        let line = self.tile.strip.lines[t];
        let columns = InPlane { columns, inside: self.inside.clone(), line };
        let weights = |ky| weights(simd, self.packed, ky);
        let (upper, lower) = sums.split_at_mut(1);
        if R == 1 || t < STRIDE {
            add_columns::<S, K, STRIDE, P, 1, EDGE>(simd, columns, [weights(t)], [&mut upper[0]]);
        } else if t < K {
            let weights = [weights(t), weights(t - STRIDE)];
            add_columns::<S, K, STRIDE, P, 2, EDGE>(simd, columns, weights, [&mut upper[0], &mut lower[0]]);
        } else {
            add_columns::<S, K, STRIDE, P, 1, EDGE>(simd, columns, [weights(t - STRIDE)], [&mut lower[0]]);
        }
    }

    #[inline(always)]
    fn store<S: Simd, const R: usize, const P: usize>(&self, simd: S, mut sums: [[S::F32; P]; R], out: &mut [f32]) {
        if let Some((low, high)) = self.tile.bounds {
            let (low, high) = (simd.splat(low), simd.splat(high));
            unroll!(r in 0..R, {
                unroll!(p in 0..P, {
                    sums[r][p] = simd.min(high, simd.max(low, sums[r][p]));
                });
            });
        }
        let [_, ow, c] = self.tile.strip.dw.output;
        let pixels = self.tile.pixels.channels(self.channel, self.lanes);
        unroll!(r in 0..R, {
            let line = &mut out[r * ow * c..][..ow * c];
            unroll!(p in 0..P, {
                pixels.store(simd, sums[r][p], line, p);
            });
        });
    }
}

/// Row `ky` of packed weights.
#[inline(always)]
fn weights<S: Simd, const K: usize>(simd: S, packed: &[f32], ky: usize) -> [S::F32; K] {
    let packed = &packed[(1 + ky * K) * S::LANES..][..K * S::LANES];
    unrolled_array(|kx| simd.load(&packed[kx * S::LANES..]))
}

/// The columns of a tile in one input row; those not `inside` are outside the feature map.
struct InPlane<'a> {
    columns: &'a Columns,
    inside: Range<usize>,
    line: &'a [f32],
}

/// Adds what the columns of one input row contribute to the tiles of `R` output rows, each with its row of weights.
#[inline(always)]
fn add_columns<S: Simd, const K: usize, const STRIDE: usize, const P: usize, const R: usize, const EDGE: bool>(
    simd: S,
    from: InPlane<'_>,
    weights: [[S::F32; K]; R],
    sums: [&mut [S::F32; P]; R],
) {
    unroll!(j in 0..(P - 1) * STRIDE + K, of 19, {
        let sure = !EDGE || j >= edge(K, P) && j < (P - 1) * STRIDE + K - edge(K, P);
        if sure || from.inside.contains(&j) {
            let x = from.columns.load(simd, from.line, j);
            unroll!(r in 0..R, {
                unroll!(kx in 0..K, {
                    if j >= kx && (j - kx).is_multiple_of(STRIDE) && (j - kx) / STRIDE < P {
                        let p = (j - kx) / STRIDE;
                        sums[r][p] = simd.mul_add(x, weights[r][kx], sums[r][p]);
                    }
                });
            });
        }
    });
}

/// How many columns at either end of a tile may be outside the feature map. With same-padding a tile of several pixels
/// never has more; a single pixel is ready for anything.
const fn edge(kernel: usize, pixels: usize) -> usize {
    if pixels > 1 { kernel / 2 } else { kernel }
}
