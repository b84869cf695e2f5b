use super::quads::{contributes_to, is_horizontal, quads, row_of_byte, weight_index, weight_vectors};
use super::strip::Strip;
use crate::simd::{Int8, Kernel};
use crate::unroll::unrolled_array;

/// Columns whose quads are made before they are multiplied.
const COLUMNS: usize = 64;

/// The kernel of a strip on machines without vectors, where a group is one channel: the quads of some columns are made
/// first, and then the sum of each output. Everything that a row needs is worked out once, or it would take longer than
/// the products.
pub(super) struct OneChannel<'a, const K: usize, const STRIDE: usize> {
    pub(super) strip: Strip<'a>,
    pub(super) out: &'a mut [u8],
}

impl<S: Int8, const K: usize, const STRIDE: usize> Kernel<S> for OneChannel<'_, K, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Strip { dw, phase, lines, padding, group, packed, output, .. } = self.strip;
        let ([_, _, c], [_, ow, _], channel) = (dw.input, dw.output, group.channels.start);
        let pitch = phase.dilation * c;
        let [from, to] = phase.first.map(|column| column * c + channel);
        let (padding, [width, outputs]) = (padding[channel], phase.width);
        let (constants, weights) = packed.split_at(8 * S::LANES);
        let (bias, scale) = (simd.load_quads(constants), simd.reinterpret(simd.load_quads(&constants[4 * S::LANES..])));
        let (first, more) = weights.split_at(4 * S::LANES * weight_vectors(K));
        let mut columns = [[bias; 2]; COLUMNS];
        let most = (COLUMNS - K) / STRIDE + 1;
        for (y, out) in self.out.chunks_exact_mut(ow * c).enumerate() {
            let rows: &[&[u8]; K] = lines[y * STRIDE..].first_chunk().expect("as many lines as the window has rows");
            for x in (0..outputs).step_by(most) {
                let count = most.min(outputs - x);
                for (i, column) in columns[..(count - 1) * STRIDE + K].iter_mut().enumerate() {
                    let j = (x * STRIDE + i).wrapping_sub(phase.before);
                    let (at, column) = (from.wrapping_add(j.wrapping_mul(pitch)), &mut column[..]);
                    unroll!(q in 0..2, {
                        if q < quads(K) && is_horizontal(K, q) {
                            column[q] = simd.splat_quad(unrolled_array(|b| {
                                let inside = j.wrapping_add(b) < width;
                                if inside { rows[K - 1][at.wrapping_add(b * pitch)] } else { padding }
                            }));
                        } else if q < quads(K) && j < width {
                            column[q] = simd.splat_quad(unrolled_array(|b| rows[row_of_byte(K, q, b)][at]));
                        } else if q < quads(K) {
                            column[q] = simd.splat_quad([padding; 4]);
                        }
                    });
                }
                let windows = columns.windows(K).step_by(STRIDE).take(count);
                for (window, out) in windows.zip(out[to + x * pitch..].chunks_mut(pitch)) {
                    let mut sum = add::<S, K, STRIDE>(simd, bias, window, first);
                    for weights in more.chunks_exact(first.len()) {
                        sum = add::<S, K, STRIDE>(simd, sum, window, weights);
                    }
                    simd.store_u8_part(output.vector(simd, sum, scale), &mut out[..1]);
                }
            }
        }
    }
}

/// Adds the products of a window.
#[inline(always)]
fn add<S: Int8, const K: usize, const STRIDE: usize>(
    simd: S,
    mut sum: S::I32,
    window: &[[S::I32; 2]],
    weights: &[i8],
) -> S::I32 {
    unroll!(kx in 0..K, {
        let column = &window[kx][..];
        unroll!(q in 0..2, {
            if q < quads(K) && contributes_to(K, STRIDE, q, kx) {
                let weights = simd.load_quads(&weights[4 * S::LANES * weight_index(K, STRIDE, q, kx)..]);
                sum = simd.dot(sum, column[q], weights);
            }
        });
    });
    sum
}
