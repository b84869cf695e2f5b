use super::{Lanes, pack_map};
use crate::ConvGeometry;
use crate::simd::{Kernel, Simd};
use crate::unroll::unrolled_array;

/// Vectors of each packed operand.
pub(super) struct Sizes {
    /// Rows and columns of the input that windows read, padding among them.
    map: [usize; 2],
    /// Pixels of the output.
    outputs: usize,
    taps: usize,
}

impl Sizes {
    pub(super) fn new(dw: &ConvGeometry) -> Self {
        let ([oh, ow, _], window) = (dw.output, &dw.window);
        let size = |axis: usize, outputs: usize| {
            (outputs - 1) * window.stride[axis] + (window.kernel[axis] - 1) * window.dilation[axis] + 1
        };
        Self { map: [size(0, oh), size(1, ow)], outputs: oh * ow, taps: dw.taps() }
    }

    pub(super) fn scratch(&self) -> usize {
        self.map[0] * self.map[1] + self.outputs + self.taps
    }
}

pub(super) struct WeightGradient<'a> {
    pub(super) dw: &'a ConvGeometry,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) scratch: &'a mut [f32],
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { dw, x, dy, scratch, out } = self;
        let sizes = Sizes::new(dw);
        let ([h, w, c], [oh, ow, o], window, multiplier) = (dw.input, dw.output, &dw.window, dw.multiplier());
        let (map, scratch) = scratch.split_at_mut(sizes.map[0] * sizes.map[1] * S::LANES);
        let (outputs, sums) = scratch.split_at_mut(sizes.outputs * S::LANES);
        // What lies in the padding is never written to.
        map.fill(0.0);
        let [top, left] = window.before;
        let inside = |axis: usize, size: usize| 0..size.min(sizes.map[axis].saturating_sub(window.before[axis]));
        let inside = [inside(0, h), inside(1, w)];
        for channel in (0..c).step_by(S::LANES) {
            let count = S::LANES.min(c - channel);
            for filter in 0..multiplier {
                sums.fill(0.0);
                for (x, dy) in x.chunks_exact(h * w * c).zip(dy.chunks_exact(oh * ow * o)) {
                    let lanes = Lanes { first: channel, step: 1, count };
                    if let Some(to) = map.get_mut((top * sizes.map[1] + left) * S::LANES..) {
                        pack_map(simd, [w, c], x, lanes, inside.clone(), sizes.map[1], to);
                    }
                    let lanes = Lanes { first: channel * multiplier + filter, step: multiplier, count };
                    pack_map(simd, [ow, o], dy, lanes, [0..oh, 0..ow], ow, outputs);
                    simd.vectorize(Image { dw, pitch: sizes.map[1], map, outputs, sums });
                }
                for (tap, sums) in sums.chunks_exact(S::LANES).enumerate() {
                    for (lane, sum) in sums[..count].iter().enumerate() {
                        out[((channel + lane) * multiplier + filter) * sizes.taps + tap] += sum;
                    }
                }
            }
        }
    }
}

/// The packed vectors of one image.
struct Image<'a> {
    dw: &'a ConvGeometry,
    pitch: usize,
    map: &'a [f32],
    outputs: &'a [f32],
    sums: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, simd: S) {
        let ([kh, kw], dense) = (self.dw.window.kernel, self.dw.window.dilation[1] == 1);
        let mut ky = 0;
        while ky < kh {
            ky += match (kw, kh - ky) {
                (3, 3..) if dense => self.taps::<S, 3, 3>(simd, [ky, 0]),
                (3, _) if dense => self.taps::<S, 1, 3>(simd, [ky, 0]),
                (5, 2..) if dense => self.taps::<S, 2, 5>(simd, [ky, 0]),
                (5, _) if dense => self.taps::<S, 1, 5>(simd, [ky, 0]),
                (7, _) if dense => self.taps::<S, 1, 7>(simd, [ky, 0]),
                _ => {
                    for kx in 0..kw {
                        self.taps::<S, 1, 1>(simd, [ky, kx]);
                    }
                    1
                }
            };
        }
    }
}

impl Image<'_> {
    /// Sums `R` rows of `K` neighboring taps, from `ky` and `kx` on. Returns the rows.
    #[inline(always)]
    fn taps<S: Simd, const R: usize, const K: usize>(&mut self, simd: S, [ky, kx]: [usize; 2]) -> usize {
        let ([_, ow, _], window) = (self.dw.output, &self.dw.window);
        let at = |r: usize, k: usize| ((ky + r) * window.kernel[1] + kx + k) * S::LANES;
        // Loops: closures within closures are not always inlined.
        let mut sums = [[simd.splat(0.0); K]; R];
        unroll!(r in 0..R, {
            unroll!(k in 0..K, {
                sums[r][k] = simd.load(&self.sums[at(r, k)..]);
            });
        });
        let step = window.stride[1] * S::LANES;
        for (y, outputs) in self.outputs.chunks_exact(ow * S::LANES).enumerate() {
            let row = |r: usize| {
                let place = (y * window.stride[0] + (ky + r) * window.dilation[0]) * self.pitch;
                &self.map[(place + kx * window.dilation[1]) * S::LANES..][..(ow - 1) * step + K * S::LANES]
            };
            let rows: [&[f32]; R] = unrolled_array(row);
            for (x, output) in outputs.chunks_exact(S::LANES).enumerate() {
                let output = simd.load(output);
                unroll!(r in 0..R, {
                    let inputs = &rows[r][x * step..][..K * S::LANES];
                    unroll!(k in 0..K, {
                        sums[r][k] = simd.mul_add(output, simd.load(&inputs[k * S::LANES..]), sums[r][k]);
                    });
                });
            }
        }
        unroll!(r in 0..R, {
            unroll!(k in 0..K, {
                simd.store(sums[r][k], &mut self.sums[at(r, k)..]);
            });
        });
        R
    }
}
