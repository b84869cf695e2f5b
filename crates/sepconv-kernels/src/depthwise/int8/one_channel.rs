use super::super::phase::phases;
use super::kernel::{DepthwiseInt8, lines};
use super::pack::{Sections, Vectors};
use super::strip::ROWS;
use crate::simd::{Int8, Windows, bytes};

/// Pairs of bytes that are made before they are multiplied: those of 64 columns of three rows.
const PAIRS: usize = 128;

impl DepthwiseInt8<'_> {
    /// A few rows at a time, channel by channel, on machines without vectors: the bytes of some columns of a row,
    /// padding included, become pairs of 16 bits first, and then the sums of windows.
    #[inline(always)]
    pub(super) fn channel_by_channel<S: Int8, const K: usize, const STRIDE: usize>(self, simd: S) {
        let ([_, w, c], [_, ow, _], output) = (self.dw.input, self.dw.output, self.epilogue.output);
        let sections = Sections::of(Vectors::of::<S>(), self.dw, self.packed);
        let padding = self.padding(&sections);
        let (height, weights) = (K.div_ceil(2), (K * K).next_multiple_of(4));
        let (mut pairs, most) = ([0; PAIRS], (PAIRS / height - K) / STRIDE + 1);
        let at_once = if self.dw.window.dilation[0] == 1 { ROWS } else { 1 };
        for (y, out) in self.rows.clone().step_by(at_once).zip(self.out.chunks_mut(at_once * ow * c)) {
            let lines = lines::<K, STRIDE>(self.dw, self.x, padding, y, out.len() / (ow * c));
            for phase in phases(self.dw) {
                let [width, count] = phase.width;
                for x in (0..count).step_by(most) {
                    let windows = most.min(count - x);
                    let pairs = &mut pairs[..((windows - 1) * STRIDE + K) * height];
                    pairs.chunks_exact_mut(height).for_each(|pairs| pair_up([padding[0]; K], pairs));
                    // Columns of padding before those of the feature map, which are the same for all rows.
                    let before = phase.before.saturating_sub(x * STRIDE).min(pairs.len() / height);
                    let first = x * STRIDE + before - phase.before;
                    let inside = first..width.min(first + pairs.len() / height - before).max(first);
                    let mut rest = sections.groups;
                    for (channel, header) in (0..c).zip(sections.headers()) {
                        let packed;
                        (packed, rest) = rest.split_at(8 + weights * header.summands);
                        let [bias, scale] = [0, 4].map(|at| bytes::word(&packed[at..]));
                        let (scale, zero_point) = (f32::from_bits(scale as u32), output.zero_point.into());
                        let windows_of =
                            Windows { weights: pairs_of_weights::<K>(&packed[8..]), bias, scale, zero_point };
                        let (from, to) = (phase.inputs(self.dw, channel, 1), phase.outputs(self.dw, channel, 1));
                        for (lines, out) in lines.windows(K).step_by(STRIDE).zip(out.chunks_exact_mut(ow * c)) {
                            let mut rows = [padding; K];
                            unroll!(t in 0..K, {
                                rows[t % K] = &lines[t][..w * c];
                            });
                            let mut inner = pairs[before * height..].chunks_exact_mut(height);
                            from.each(rows, inside.clone(), |bytes| {
                                inner.next().map_or((), |pairs| pair_up(bytes, pairs))
                            });
                            let out = to.run_of_mut(out, x..x + windows);
                            simd.add_windows::<K, STRIDE>(&windows_of, pairs, out, to.pitch());
                        }
                    }
                }
            }
            if !self.epilogue.is_plain() {
                self.epilogue.refine(simd, out, None);
            }
        }
    }
}

/// The bytes of a column as pairs of 16 bits.
#[inline(always)]
fn pair_up<const K: usize>(bytes: [u8; K], pairs: &mut [i32]) {
    unroll!(t in 0..K.div_ceil(2), {
        let second = if 2 * t + 1 < K { i32::from(bytes[(2 * t + 1) % K]) << 16 } else { 0 };
        pairs[t] = i32::from(bytes[2 * t % K]) | second;
    });
}

/// The weights of each column of the window, two rows in a pair of 16 bits. They are the sums of what is packed.
#[inline(always)]
fn pairs_of_weights<const K: usize>(packed: &[i8]) -> [[i32; 4]; K] {
    let weight = |tap: usize| {
        let summands = packed.chunks_exact((K * K).next_multiple_of(4));
        summands.map(|weights| i32::from(weights[tap])).sum::<i32>()
    };
    let mut pairs = [[0; 4]; K];
    for (kx, pairs) in pairs.iter_mut().enumerate() {
        for (t, pair) in pairs[..K.div_ceil(2)].iter_mut().enumerate() {
            let second = if 2 * t + 1 < K { weight((2 * t + 1) * K + kx) } else { 0 };
            *pair = weight(2 * t * K + kx) & 0xffff | second << 16;
        }
    }
    pairs
}
