use core::ops::Range;

use super::{Depthwise, Variant};
use crate::simd::{Columns, Kernel, Simd};
use crate::{Activation, Rows, activation};

/// The arguments of [`depthwise`](super::depthwise), checked.
pub(super) struct Run<'a> {
    pub(super) variant: Variant,
    pub(super) dw: &'a Depthwise,
    pub(super) x: Rows<'a>,
    pub(super) packed: &'a [f32],
    pub(super) activation: Activation,
    pub(super) rows: Range<usize>,
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Run<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        self.dispatch(simd);
    }
}

/// Input rows that one strip of output rows can meet: a kernel of 7 at stride 2, two output rows at once.
const MOST_LINES: usize = 9;

impl Run<'_> {
    /// Kernel and stride fixed: `ROWS` (1 or 2) output rows at a time, channel vector by channel vector.
    #[inline(always)]
    pub(super) fn fixed<S: Simd, const K: usize, const STRIDE: usize, const ROWS: usize>(self, simd: S) {
        let ([h, _, c], [_, ow, _]) = (self.dw.input, self.dw.output);
        let mut out = self.out;
        let mut y = self.rows.start;
        while y < self.rows.end {
            // Two rows' sums need more registers than the older instruction sets have.
            let most = if S::REGISTERS >= 32 { ROWS } else { 1 };
            let at_once = most.min(self.rows.end - y);
            let (now, later) = out.split_at_mut(at_once * ow * c);
            let top = self.dw.window.before[0];
            let taps = inside(y * STRIDE, top, h, (at_once - 1) * STRIDE + K);
            let mut lines: [&[f32]; MOST_LINES] = [&[]; MOST_LINES];
            for (t, line) in taps.clone().zip(&mut lines[taps.clone()]) {
                *line = self.x.row(y * STRIDE + t - top);
            }
            for (v, packed) in self.packed.chunks_exact(S::LANES * (K * K + 1)).enumerate() {
                let (channel, taps) = (v * S::LANES, taps.clone());
                let strip = Strip { dw: self.dw, lines: &lines, taps, packed, channel };
                if at_once == 2 {
                    strip.run::<S, K, STRIDE, ROWS>(simd, self.activation, now);
                } else {
                    strip.run::<S, K, STRIDE, 1>(simd, self.activation, now);
                }
            }
            (out, y) = (later, y + at_once);
        }
    }
}

/// Which of `count` positions from `start` lie on an axis of `size`, when position 0 is `before` ahead of it.
#[inline(always)]
fn inside(start: usize, before: usize, size: usize, count: usize) -> Range<usize> {
    let end = (size + before).saturating_sub(start).min(count);
    before.saturating_sub(start).min(end)..end
}

/// One vector of channels of a few output rows.
struct Strip<'a> {
    dw: &'a Depthwise,
    /// Line `t` is the input row that tap `t` of the first output row meets; only `taps` of them exist.
    lines: &'a [&'a [f32]; MOST_LINES],
    taps: Range<usize>,
    packed: &'a [f32],
    channel: usize,
}

impl Strip<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize, const STRIDE: usize, const R: usize>(
        &self,
        simd: S,
        activation: Activation,
        out: &mut [f32],
    ) {
        let channels = self.dw.output[2];
        let lanes = S::LANES.min(channels - self.channel);
        let bounds = activation.bounds();
        if lanes == S::LANES {
            self.tiles::<S, K, STRIDE, R, true>(simd, bounds, out);
        } else {
            self.tiles::<S, K, STRIDE, R, false>(simd, bounds, out);
        }
        if bounds.is_none() {
            for pixel in out.chunks_exact_mut(channels) {
                let result = &mut pixel[self.channel..][..lanes];
                simd.store_part(activation::apply(simd, activation, simd.load_part(result)), result);
            }
        }
    }

    /// Covers the row with tiles of 7 pixels, which divides the planes of most networks, and of 4. The last tile may overlap
    /// the one before it.
    #[inline(always)]
    fn tiles<S: Simd, const K: usize, const STRIDE: usize, const R: usize, const WHOLE: bool>(
        &self,
        simd: S,
        bounds: Option<(f32, f32)>,
        out: &mut [f32],
    ) {
        let ([_, w, c], [_, ow, _]) = (self.dw.input, self.dw.output);
        // As a constant it makes ordinary loads and stores of masked ones.
        let lanes = if WHOLE { S::LANES } else { c - self.channel };
        let mut held = [[simd.splat(0.0); K]; K];
        for (ky, held) in held.iter_mut().enumerate() {
            *held = weights(simd, self.packed, ky);
        }
        let tiles = Tiles::<S, K> {
            strip: self,
            columns: Columns::new(w * c, self.channel, c, lanes, w),
            pixels: Columns::new(ow * c, self.channel, c, lanes, ow),
            bounds: bounds.filter(|bounds| *bounds != (f32::NEG_INFINITY, f32::INFINITY)),
            bias: simd.load(self.packed),
            held,
        };
        let mut x = 0;
        while x < ow {
            let left = ow - x;
            if left > 4 && ow >= 7 && tiles.tile::<STRIDE, R, 7>(simd, x.min(ow - 7), out) {
                x += 7;
            } else if ow >= 4 && tiles.tile::<STRIDE, R, 4>(simd, x.min(ow - 4), out) {
                x += 4;
            } else {
                tiles.tile::<STRIDE, R, 1>(simd, x, out);
                x += 1;
            }
        }
    }
}

/// What the tiles of a strip have in common.
struct Tiles<'a, S: Simd, const K: usize> {
    strip: &'a Strip<'a>,
    columns: Columns,
    pixels: Columns,
    bounds: Option<(f32, f32)>,
    bias: S::F32,
    /// The weights, where they are so few that they stay in registers from tile to tile.
    held: [[S::F32; K]; K],
}

impl<S: Simd, const K: usize> Tiles<'_, S, K> {
    /// Computes `P` pixels of `R` rows from pixel `x`, unless more of its columns are outside the plane than [`edge`] allows.
    #[inline(always)]
    fn tile<const STRIDE: usize, const R: usize, const P: usize>(&self, simd: S, x: usize, out: &mut [f32]) -> bool {
        let dw = self.strip.dw;
        let count = (P - 1) * STRIDE + K;
        let inside = inside(x * STRIDE, dw.window.before[1], dw.input[1], count);
        if inside.start > edge(K, P) || inside.end < count - edge(K, P) {
            return false;
        }
        let sums = self.sums::<STRIDE, R, P>(simd, x, inside);
        self.store(simd, sums, x, out);
        true
    }

    #[inline(always)]
    fn sums<const STRIDE: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        x: usize,
        inside: Range<usize>,
    ) -> [[S::F32; P]; R] {
        let mut sums = [[self.bias; P]; R];
        // A window may lie beside the plane; of several some would lie in it.
        if P == 1 && inside.is_empty() {
            return sums;
        }
        let columns = self.columns.renumbered(x * STRIDE, self.strip.dw.window.before[1], inside.clone());
        if K == 3 {
            // With `t` known, weights are registers.
            for t in 0..5 {
                if t < (R - 1) * STRIDE + K && self.strip.taps.contains(&t) {
                    self.add_line::<STRIDE, R, P>(simd, t, &columns, inside.clone(), &mut sums);
                }
            }
        } else {
            for t in self.strip.taps.clone() {
                self.add_line::<STRIDE, R, P>(simd, t, &columns, inside.clone(), &mut sums);
            }
        }
        sums
    }

    /// Adds what line `t` contributes to a tile.
    #[inline(always)]
    fn add_line<const STRIDE: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        t: usize,
        columns: &Columns,
        inside: Range<usize>,
        sums: &mut [[S::F32; P]; R],
    ) {
        let line = self.strip.lines[t];
        let columns = InPlane { columns, inside, line };
        let (upper, lower) = sums.split_at_mut(1);
        if R == 1 || t < STRIDE {
            add_columns::<S, K, STRIDE, P, 1>(simd, columns, [self.weights(simd, t)], [&mut upper[0]]);
        } else if t < K {
            let weights = [self.weights(simd, t), self.weights(simd, t - STRIDE)];
            add_columns::<S, K, STRIDE, P, 2>(simd, columns, weights, [&mut upper[0], &mut lower[0]]);
        } else {
            add_columns::<S, K, STRIDE, P, 1>(simd, columns, [self.weights(simd, t - STRIDE)], [&mut lower[0]]);
        }
    }

    /// Row `ky` of the weights.
    #[inline(always)]
    fn weights(&self, simd: S, ky: usize) -> [S::F32; K] {
        if K <= 3 { self.held[ky] } else { weights(simd, self.strip.packed, ky) }
    }

    #[inline(always)]
    fn store<const R: usize, const P: usize>(&self, simd: S, mut sums: [[S::F32; P]; R], x: usize, out: &mut [f32]) {
        if let Some((low, high)) = self.bounds {
            for sum in sums.as_flattened_mut() {
                *sum = simd.min(simd.splat(high), simd.max(simd.splat(low), *sum));
            }
        }
        let [_, ow, c] = self.strip.dw.output;
        let pixels = self.pixels.renumbered(x, 0, 0..P);
        for (r, sums) in sums.iter().enumerate() {
            let line = &mut out[r * ow * c..][..ow * c];
            for (p, sum) in sums.iter().enumerate() {
                pixels.store(simd, *sum, line, p);
            }
        }
    }
}

/// Row `ky` of packed weights.
#[inline(always)]
fn weights<S: Simd, const K: usize>(simd: S, packed: &[f32], ky: usize) -> [S::F32; K] {
    let packed = &packed[(1 + ky * K) * S::LANES..][..K * S::LANES];
    let mut weights = [simd.splat(0.0); K];
    for (weights, packed) in weights.iter_mut().zip(packed.chunks_exact(S::LANES)) {
        *weights = simd.load(packed);
    }
    weights
}

/// The columns of a tile in one input row; those not `inside` are outside the plane.
struct InPlane<'a> {
    columns: &'a Columns,
    inside: Range<usize>,
    line: &'a [f32],
}

/// Adds what the columns of one input row contribute to the tiles of `R` output rows, each with its row of weights.
#[inline(always)]
fn add_columns<S: Simd, const K: usize, const STRIDE: usize, const P: usize, const R: usize>(
    simd: S,
    from: InPlane<'_>,
    weights: [[S::F32; K]; R],
    sums: [&mut [S::F32; P]; R],
) {
    let count = (P - 1) * STRIDE + K;
    unroll!(j in 0..count, {
        let sure = j >= edge(K, P) && j < count - edge(K, P);
        if sure || from.inside.contains(&j) {
            let x = from.columns.load(simd, from.line, j);
            for r in 0..R {
                for (kx, weight) in weights[r].iter().enumerate() {
                    if j >= kx && (j - kx).is_multiple_of(STRIDE) && (j - kx) / STRIDE < P {
                        let p = (j - kx) / STRIDE;
                        sums[r][p] = simd.mul_add(x, *weight, sums[r][p]);
                    }
                }
            }
        }
    });
}

/// How many columns at either end of a tile may be outside the plane. With same-padding a tile of several pixels never has more;
/// a single pixel is ready for anything.
const fn edge(kernel: usize, pixels: usize) -> usize {
    if pixels > 1 { kernel / 2 } else { kernel }
}
