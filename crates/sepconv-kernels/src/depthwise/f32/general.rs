use super::kernel::DepthwiseF32;
use crate::activation;
use crate::simd::Simd;

/// Pixels that share each load of a weight.
const PIXELS: usize = 4;

impl DepthwiseF32<'_> {
    /// Any window and multiplier: one channel vector of a few pixels at a time.
    #[inline(always)]
    pub(super) fn any_window<S: Simd>(self, simd: S) {
        let ([h, w, c], [_, ow, channels], window) = (self.dw.input, self.dw.output, &self.dw.window);
        let ([_, kw], [_, stride], [_, dilation], [_, left]) =
            (window.kernel, window.stride, window.dilation, window.before);
        let (taps, multiplier) = (self.dw.taps(), self.dw.multiplier());
        for (y, out) in self.rows.zip(self.out.chunks_exact_mut(ow * channels)) {
            for (v, packed) in self.packed.chunks_exact(S::LANES * (taps + 1)).enumerate() {
                let channel = v * S::LANES;
                let lanes = S::LANES.min(channels - channel);
                for (x, out) in (0..ow).step_by(PIXELS).zip(out.chunks_mut(PIXELS * channels)) {
                    // Beyond the last pixel there is no place: with a stride beyond all sizes it could not even be
                    // counted.
                    let pixels = out.len() / channels;
                    let mut sums = [simd.load(packed); PIXELS];
                    for ky in window.taps(0, y, h) {
                        let line = self.x.row(window.source(0, y, ky));
                        for kx in 0..kw {
                            let weights = simd.load(&packed[(1 + ky * kw + kx) * S::LANES..]);
                            for (p, sum) in sums.iter_mut().enumerate().take(pixels) {
                                let place = (x + p) * stride + kx * dilation;
                                if place >= left && place - left < w {
                                    let pixel = &line[(place - left) * c..][..c];
                                    let x = spread(simd, pixel, channel, lanes, multiplier);
                                    *sum = simd.mul_add(x, weights, *sum);
                                }
                            }
                        }
                    }
                    for (pixel, sum) in out.chunks_exact_mut(channels).zip(sums) {
                        let result = activation::apply(simd, self.activation, sum);
                        simd.store_part(result, &mut pixel[channel..][..lanes]);
                    }
                }
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
