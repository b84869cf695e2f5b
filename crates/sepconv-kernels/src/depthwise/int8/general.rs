use core::mem::take;
use core::ops::Range;

use super::kernel::DepthwiseInt8;
use super::pack::{Sections, Vectors, group_len, groups};
use crate::simd::{self, Int8};

impl DepthwiseInt8<'_> {
    /// Any window and multiplier: one vector of channels of one pixel at a time, four taps together.
    #[inline(always)]
    pub(super) fn any_window<S: Int8>(mut self, simd: S) {
        let ([h, w, c], [_, ow, channels], window) = (self.dw.input, self.dw.output, &self.dw.window);
        let vectors = Vectors::of::<S>();
        let sections = Sections::of(self.variant, vectors, self.dw, self.packed);
        let padding = &simd::unsigned(sections.padding)[..c];
        let vector = 4 * S::LANES;
        for (y, out) in self.rows.clone().zip(take(&mut self.out).chunks_exact_mut(ow * channels)) {
            let (rows, mut rest) = (window.taps(0, y, h), sections.groups);
            for (group, &summands) in groups(self.variant, vectors, channels).zip(sections.summands) {
                let packed;
                (packed, rest) = rest.split_at(group_len(self.variant, vectors, self.dw, &group, summands as usize));
                let (bias, scale) = (simd.load_quads(packed), simd.reinterpret(simd.load_quads(&packed[vector..])));
                let part = self.dw.taps().div_ceil(4) * vector;
                for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                    let columns = window.taps(1, x, w);
                    let pixel = |ky: usize, kx: usize| {
                        if rows.contains(&ky) && columns.contains(&kx) {
                            &self.x.row(window.source(0, y, ky))[window.source(1, x, kx) * c..][..c]
                        } else {
                            padding
                        }
                    };
                    let [kh, kw] = window.kernel;
                    let mut taps = (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx)));
                    let mut sum = bias;
                    for at in (2 * vector..2 * vector + part).step_by(vector) {
                        let mut spread = [[0; 16]; 4];
                        for (spread, (ky, kx)) in spread.iter_mut().zip(&mut taps) {
                            self.spread(pixel(ky, kx), group.channels.clone(), spread);
                        }
                        let quad = simd.interleave_part(spread.each_ref().map(|row| &row[..group.channels.len()]));
                        for at in (at..packed.len()).step_by(part) {
                            sum = simd.dot(sum, quad, simd.load_quads(&packed[at..]));
                        }
                    }
                    let result = self.epilogue.output.vector(simd, sum, scale);
                    simd.store_u8_part(result, &mut out[group.channels.clone()]);
                }
            }
            if let Some(lut) = self.epilogue.lut {
                simd.lookup_all(lut, out);
            }
        }
    }

    /// The inputs of some output channels: each input channel serves `multiplier` of them.
    #[inline(always)]
    fn spread(&self, pixel: &[u8], channels: Range<usize>, to: &mut [u8; 16]) {
        let multiplier = self.dw.multiplier();
        if multiplier == 1 {
            to[..channels.len()].copy_from_slice(&pixel[channels]);
        } else {
            for (to, channel) in to.iter_mut().zip(channels) {
                *to = pixel[channel / multiplier];
            }
        }
    }
}
