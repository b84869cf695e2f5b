use super::PoolKind;
use crate::ConvGeometry;

/// Adds the gradient of pooling by its input to `out`, one image: `x` and `out` are `[h, w, c]`, `dy` is `[oh, ow, c]`.
///
/// That of a maximum goes to the first of equal values, row by row, as in PyTorch; `x` is read for maxima only. Cost:
/// an addition per tap inside the feature map.
pub fn pool_gradient(kind: PoolKind, pool: &ConvGeometry, x: &[f32], dy: &[f32], out: &mut [f32]) {
    pool.check_pool();
    let ([h, w, c], [oh, ow, _], window) = (pool.input, pool.output, &pool.window);
    assert_eq!([x.len(), out.len(), dy.len()], [h * w * c, h * w * c, oh * ow * c], "maps of one image");
    for (place, dy) in dy.chunks_exact(c).enumerate() {
        let at = [place / ow, place % ow];
        let pixels = || {
            let columns = move |ky: usize| {
                let row = window.source(0, at[0], ky) * w;
                window.taps(1, at[1], w).map(move |kx| (row + window.source(1, at[1], kx)) * c)
            };
            window.taps(0, at[0], h).flat_map(columns)
        };
        match kind {
            PoolKind::Average { .. } => {
                let divisor = pool.pool_divisor(kind, at);
                for pixel in pixels() {
                    out[pixel..][..c].iter_mut().zip(dy).for_each(|(out, dy)| *out += dy / divisor);
                }
            }
            PoolKind::Max => {
                for (channel, dy) in dy.iter().enumerate() {
                    let greatest = pixels().reduce(
                        |best, other| {
                            if x[other + channel] > x[best + channel] { other } else { best }
                        },
                    );
                    if let Some(pixel) = greatest {
                        out[pixel + channel] += dy;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::Window;
    use crate::pool::reference;
    use crate::testing::Lcg;

    /// Pooling is linear between ties, and numbers are small: a difference of two results is exact but for the
    /// division.
    #[test]
    fn equals_differences_of_the_reference() {
        let mut lcg = Lcg(1);
        for (kernel, stride, dilation, padding) in [(3, 2, 1, 1), (2, 2, 1, 0), (3, 1, 2, 2), (3, 1, 1, 1)] {
            let window = Window {
                stride: [stride; 2],
                dilation: [dilation; 2],
                before: [padding; 2],
                after: [padding; 2],
                ..Window::new(kernel, kernel)
            };
            let (h, w, c) = (7, 6, 3);
            let [oh, ow] = window.output([h, w]).unwrap();
            let pool = ConvGeometry::depthwise(window, [h, w, c], [oh, ow, c]);
            // All different, so that a small step changes no order.
            let mut x: vec::Vec<f32> = (0..h * w * c).map(|i| (i * 37 % 127) as f32).collect();
            let dy = lcg.integers(oh * ow * c);
            for kind in
                [PoolKind::Max, PoolKind::Average { count_padding: false }, PoolKind::Average { count_padding: true }]
            {
                let mut gradient = vec![0.0; x.len()];
                pool_gradient(kind, &pool, &x, &dy, &mut gradient);
                let total = |x: &[f32]| -> f64 {
                    let mut y = vec![0.0; dy.len()];
                    reference(kind, &pool, x, &mut y);
                    y.iter().zip(&dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
                };
                let before = total(&x);
                for i in 0..x.len() {
                    x[i] += 0.5;
                    let difference = (total(&x) - before) / 0.5;
                    x[i] -= 0.5;
                    assert!((f64::from(gradient[i]) - difference).abs() < 1e-3, "{kind:?} {window:?} {i}");
                }
            }
        }
    }
}
