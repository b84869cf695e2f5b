use super::PoolKind;
use crate::ConvGeometry;

/// The definition, of a whole feature map `x` of `[h, w, c]`; sums in double precision.
pub fn reference(kind: PoolKind, pool: &ConvGeometry, x: &[f32], out: &mut [f32]) {
    pool.check_pool();
    let ([h, w, c], [oh, ow, _], window) = (pool.input, pool.output, &pool.window);
    for y in 0..oh {
        for column in 0..ow {
            for channel in 0..c {
                let mut greatest = f32::NEG_INFINITY;
                let mut sum = 0.0;
                for ky in window.taps(0, y, h) {
                    for kx in window.taps(1, column, w) {
                        let (row, col) = (window.source(0, y, ky), window.source(1, column, kx));
                        let x = x[(row * w + col) * c + channel];
                        greatest = greatest.max(x);
                        sum += f64::from(x);
                    }
                }
                out[(y * ow + column) * c + channel] = match kind {
                    PoolKind::Max => greatest,
                    PoolKind::Average { .. } => (sum / f64::from(pool.pool_divisor(kind, [y, column]))) as f32,
                };
            }
        }
    }
}

/// The definition of the global average, in double precision.
pub fn global_average_reference(c: usize, x: &[f32], out: &mut [f32]) {
    let pixels = (x.len() / c) as f64;
    for (channel, out) in out.iter_mut().enumerate() {
        let sum: f64 = x.chunks_exact(c).map(|pixel| f64::from(pixel[channel])).sum();
        *out = (sum / pixels) as f32;
    }
}
