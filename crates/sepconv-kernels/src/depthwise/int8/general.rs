use super::kernel::Run;
use super::pack::{Sections, group_len, groups};
use crate::simd::{self, Int8};

impl Run<'_> {
    /// Any window and multiplier: one vector of channels of one pixel at a time, four taps together.
    #[inline(always)]
    pub(in super::super) fn general<S: Int8>(self, simd: S) {
        let ([h, w, c], [_, ow, channels], window) = (self.dw.input, self.dw.output, &self.dw.window);
        let (taps, multiplier, [_, kw]) = (self.dw.taps(), self.dw.multiplier(), window.kernel);
        let sections = Sections::of(self.variant, S::LANES, self.dw, self.packed);
        let padding = simd::unsigned(sections.padding);
        let vector = 4 * S::LANES;
        for (y, out) in self.rows.zip(self.out.chunks_exact_mut(ow * channels)) {
            let (rows, mut rest) = (window.taps(0, y, h), sections.groups);
            for (group, &parts) in groups(self.variant, S::LANES, channels).zip(sections.parts) {
                let now;
                (now, rest) = rest.split_at(group_len(self.variant, S::LANES, self.dw, &group, parts as usize));
                let (bias, scale) = (simd.load_quads(now), simd.reinterpret(simd.load_quads(&now[vector..])));
                for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                    let columns = window.taps(1, x, w);
                    let pixel = |tap: usize| {
                        let (ky, kx) = (tap / kw, tap % kw);
                        if rows.contains(&ky) && columns.contains(&kx) {
                            &self.x.row(window.source(0, y, ky))[window.source(1, x, kx) * c..][..c]
                        } else {
                            &padding[..c]
                        }
                    };
                    let mut sum = bias;
                    let weights = now[2 * vector..].chunks_exact(taps.div_ceil(4) * vector);
                    for weights in weights {
                        for (slot, weights) in weights.chunks_exact(vector).enumerate() {
                            let mut spread = [[0; 16]; 4];
                            for (spread, tap) in spread.iter_mut().zip((4 * slot..taps).take(4)) {
                                let pixel = pixel(tap);
                                for (to, channel) in spread.iter_mut().zip(group.channels.clone()) {
                                    *to = pixel[channel / multiplier];
                                }
                            }
                            let quad = simd.interleave_part(spread.each_ref().map(|row| &row[..group.channels.len()]));
                            sum = simd.dot(sum, quad, simd.load_quads(weights));
                        }
                    }
                    let result = self.epilogue.output.vector(simd, sum, scale);
                    simd.store_u8_part(result, &mut out[group.channels.clone()]);
                }
            }
            if let Some(table) = self.epilogue.table {
                simd.lookup_all(table, out);
            }
        }
    }
}
