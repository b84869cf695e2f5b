/// The definition, sums in double precision.
pub fn reference(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    super::check([m, k, n], a, b, out);
    for i in 0..m {
        for j in 0..n {
            let products = (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[l * n + j]));
            out[i * n + j] = products.sum::<f64>() as f32;
        }
    }
}
