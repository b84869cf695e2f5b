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

impl Kernel for Run<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
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
            let at_once = ROWS.min(self.rows.end - y);
            let (now, later) = out.split_at_mut(at_once * ow * c);
            let top = self.dw.window.before[0];
            let taps = inside(y * STRIDE, top, h, (at_once - 1) * STRIDE + K);
            let mut lines: [&[f32]; MOST_LINES] = [&[]; MOST_LINES];
            for (t, line) in taps.clone().zip(&mut lines[taps.clone()]) {
                *line = self.x.row(y * STRIDE + t - top);
            }
            for (v, packed) in self.packed.chunks_exact(S::LANES * (K * K + 1)).enumerate() {
                let channel = v * S::LANES;
                let strip = Strip { dw: self.dw, lines: &lines, taps: taps.clone(), packed, channel };
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
            self.tiles::<S, K, STRIDE, R>(simd, S::LANES, bounds, out);
        } else {
            self.tiles::<S, K, STRIDE, R>(simd, lanes, bounds, out);
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
    fn tiles<S: Simd, const K: usize, const STRIDE: usize, const R: usize>(
        &self,
        simd: S,
        lanes: usize,
        bounds: Option<(f32, f32)>,
        out: &mut [f32],
    ) {
        let ow = self.dw.output[1];
        let mut x = 0;
        while x < ow {
            let left = ow - x;
            if ow >= 7 && left > 4 && self.mostly_inside::<K, STRIDE, 7>(x.min(ow - 7)) {
                self.tile::<S, K, STRIDE, R, 7>(simd, x.min(ow - 7), lanes, bounds, out);
                x += 7;
            } else if ow >= 4 && self.mostly_inside::<K, STRIDE, 4>(x.min(ow - 4)) {
                self.tile::<S, K, STRIDE, R, 4>(simd, x.min(ow - 4), lanes, bounds, out);
                x += 4;
            } else {
                self.tile::<S, K, STRIDE, R, 1>(simd, x, lanes, bounds, out);
                x += 1;
            }
        }
    }

    /// The columns of a tile of `P` pixels from `x` that lie in the plane.
    #[inline(always)]
    fn inside<const K: usize, const STRIDE: usize, const P: usize>(&self, x: usize) -> Range<usize> {
        inside(x * STRIDE, self.dw.window.before[1], self.dw.input[1], (P - 1) * STRIDE + K)
    }

    /// Whether no more columns of a tile are outside the plane than [`edge`] allows.
    #[inline(always)]
    fn mostly_inside<const K: usize, const STRIDE: usize, const P: usize>(&self, x: usize) -> bool {
        let inside = self.inside::<K, STRIDE, P>(x);
        inside.start <= edge(K, P) && inside.end >= (P - 1) * STRIDE + K - edge(K, P)
    }

    /// `P` pixels of `R` rows from pixel `x`.
    #[inline(always)]
    fn tile<S: Simd, const K: usize, const STRIDE: usize, const R: usize, const P: usize>(
        &self,
        simd: S,
        x: usize,
        lanes: usize,
        bounds: Option<(f32, f32)>,
        out: &mut [f32],
    ) {
        let ([_, w, c], [_, ow, _]) = (self.dw.input, self.dw.output);
        let first = (x * STRIDE) as isize - self.dw.window.before[1] as isize;
        let inside = self.inside::<K, STRIDE, P>(x);
        // Changes nothing, but tells the compiler which columns need no test.
        let inside = inside.start.min(edge(K, P))..inside.end.max((P - 1) * STRIDE + K - edge(K, P));
        let columns = Columns::new(w * c, first * c as isize + self.channel as isize, c, lanes, inside);

        let (bias, weights) = self.packed.split_at(S::LANES);
        let weights = |ky: usize| &weights[ky * K * S::LANES..][..K * S::LANES];
        let mut sums = [[simd.load(bias); P]; R];
        for t in self.taps.clone() {
            let line = self.lines[t];
            let (upper, lower) = sums.split_at_mut(1);
            if R == 1 || t < STRIDE {
                add_line::<S, K, STRIDE, P, 1>(simd, &columns, line, [weights(t)], [&mut upper[0]]);
            } else if t < K {
                let weights = [weights(t), weights(t - STRIDE)];
                add_line::<S, K, STRIDE, P, 2>(simd, &columns, line, weights, [&mut upper[0], &mut lower[0]]);
            } else {
                add_line::<S, K, STRIDE, P, 1>(simd, &columns, line, [weights(t - STRIDE)], [&mut lower[0]]);
            }
        }

        if let Some((low, high)) = bounds {
            for sum in sums.as_flattened_mut() {
                *sum = simd.min(simd.splat(high), simd.max(simd.splat(low), *sum));
            }
        }
        let pixels = Columns::new(ow * c, (x * c + self.channel) as isize, c, lanes, 0..P);
        for (r, sums) in sums.iter().enumerate() {
            let line = &mut out[r * ow * c..][..ow * c];
            for (p, sum) in sums.iter().enumerate() {
                pixels.store(simd, *sum, line, p);
            }
        }
    }
}

/// How many columns at either end of a tile may be outside the plane. With same-padding a tile of several pixels never has more;
/// a single pixel is ready for anything.
const fn edge(kernel: usize, pixels: usize) -> usize {
    if pixels > 1 { kernel / 2 } else { kernel }
}

/// Repeats `body` with constants `0..n`: the compiler's own unrolling gives up on the larger kernels, and sums that it indexes
/// at run time are not in registers.
macro_rules! unroll {
    ($i:ident in 0..$n:expr, $body:block) => {
        unroll!(@ $i $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18)
    };
    (@ $i:ident $n:expr, $body:block, $($value:literal)*) => {
        $(if $value < $n {
            let $i: usize = $value;
            $body
        })*
    };
}

/// Adds what the columns of one input row contribute to the tiles of `R` output rows, each with its row of weights.
#[inline(always)]
fn add_line<S: Simd, const K: usize, const STRIDE: usize, const P: usize, const R: usize>(
    simd: S,
    columns: &Columns,
    line: &[f32],
    weights: [&[f32]; R],
    sums: [&mut [S::F32; P]; R],
) {
    let mut taps = [[simd.splat(0.0); K]; R];
    for (taps, weights) in taps.iter_mut().zip(weights) {
        for (tap, weights) in taps.iter_mut().zip(weights.chunks_exact(S::LANES)) {
            *tap = simd.load(weights);
        }
    }
    unroll!(j in 0..(P - 1) * STRIDE + K, {
        if let Some(x) = columns.load(simd, line, j) {
            for r in 0..R {
                for (kx, tap) in taps[r].iter().enumerate() {
                    if j >= kx && (j - kx) % STRIDE == 0 && (j - kx) / STRIDE < P {
                        let p = (j - kx) / STRIDE;
                        sums[r][p] = simd.mul_add(x, *tap, sums[r][p]);
                    }
                }
            }
        }
    });
}

impl Run<'_> {
    /// Any window: one channel vector of one pixel at a time.
    #[inline(always)]
    pub(super) fn general<S: Simd>(self, simd: S) {
        let ([h, w, c], [_, ow, channels], window) = (self.dw.input, self.dw.output, &self.dw.window);
        let (kw, taps, multiplier) = (window.kernel[1], self.dw.taps(), self.dw.multiplier());
        let pixels = self.out.chunks_exact_mut(channels);
        let places = self.rows.flat_map(|y| (0..ow).map(move |x| (y, x)));
        for (out, (y, x)) in pixels.zip(places) {
            let groups = self.packed.chunks_exact(S::LANES * (taps + 1));
            for ((v, out), packed) in out.chunks_mut(S::LANES).enumerate().zip(groups) {
                let mut sum = simd.load(packed);
                for ky in window.taps(0, y, h) {
                    let line = self.x.row(window.source(0, y, ky));
                    for kx in window.taps(1, x, w) {
                        let weights = simd.load(&packed[(1 + ky * kw + kx) * S::LANES..]);
                        let pixel = &line[window.source(1, x, kx) * c..][..c];
                        let x = spread(simd, pixel, v * S::LANES, out.len(), multiplier);
                        sum = simd.mul_add(x, weights, sum);
                    }
                }
                simd.store_part(activation::apply(simd, self.activation, sum), out);
            }
        }
    }
}

/// The inputs of `lanes` output channels from `first`: each input channel serves `multiplier` of them.
#[inline(always)]
fn spread<S: Simd>(simd: S, pixel: &[f32], first: usize, lanes: usize, multiplier: usize) -> S::F32 {
    if multiplier == 1 {
        return simd.load_part(&pixel[first..][..lanes]);
    }
    let mut spread = [0.0; 16];
    for (lane, to) in spread[..lanes].iter_mut().enumerate() {
        *to = pixel[(first + lane) / multiplier];
    }
    simd.load(&spread)
}
