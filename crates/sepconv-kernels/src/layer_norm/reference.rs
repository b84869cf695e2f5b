/// The definition, in double precision.
pub fn reference(n: usize, epsilon: f32, x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    super::check(n, x, scale, shift, out);
    for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
        let square = |&x: &f32| (f64::from(x) - mean) * (f64::from(x) - mean);
        let variance = x.iter().map(square).sum::<f64>() / n as f64;
        let deviation = libm::sqrt(variance + f64::from(epsilon));
        for (i, (x, out)) in x.iter().zip(out).enumerate() {
            let [scale, shift] = [scale, shift].map(|values| f64::from(values[i % values.len()]));
            *out = ((f64::from(*x) - mean) / deviation * scale + shift) as f32;
        }
    }
}
