use super::Taps;

/// The definition: a whole feature map `x` of `[h, w, c]`, sums in double precision.
pub fn reference(input: [usize; 3], row_taps: &[Taps], column_taps: &[Taps], x: &[f32], out: &mut [f32]) {
    let [_, w, c] = input;
    let places = row_taps.iter().flat_map(|row| column_taps.iter().map(move |column| (row, column)));
    for (out, (row, column)) in out.chunks_exact_mut(c).zip(places) {
        for (channel, out) in out.iter_mut().enumerate() {
            let mut sum = 0.0;
            for ky in 0..row.count {
                for kx in 0..column.count {
                    let x = x[((row.first + ky) * w + column.first + kx) * c + channel];
                    sum += f64::from(row.weights[ky]) * f64::from(column.weights[kx]) * f64::from(x);
                }
            }
            *out = sum as f32;
        }
    }
}

/// The definition of bytes: sums in single precision in this order, each operation rounded by itself, so that all
/// instruction sets give the same.
pub fn reference_int8(input: [usize; 3], row_taps: &[Taps], column_taps: &[Taps], x: &[u8], out: &mut [u8]) {
    let [_, w, c] = input;
    let places = row_taps.iter().flat_map(|row| column_taps.iter().map(move |column| (row, column)));
    for (out, (row, column)) in out.chunks_exact_mut(c).zip(places) {
        for (channel, out) in out.iter_mut().enumerate() {
            let along =
                |y: usize| weighted(column, |x_at| x[((row.first + y) * w + column.first + x_at) * c + channel].into());
            *out = libm::rintf(weighted(row, along).clamp(0.0, 255.0)) as u8;
        }
    }
}

fn weighted(taps: &Taps, sample: impl Fn(usize) -> f32) -> f32 {
    let first = sample(0) * taps.weights[0];
    (1..taps.count).fold(first, |sum, i| sum + sample(i) * taps.weights[i])
}
