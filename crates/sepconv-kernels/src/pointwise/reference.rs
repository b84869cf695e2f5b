use crate::activation::Activation;

/// The definition: `x` `[m, k]`, `weights` `[n, k]`, `bias` `[n]`, `residual` and `out` `[m, n]`; summed in double
/// precision.
#[allow(clippy::too_many_arguments)]
pub fn reference(
    k: usize,
    n: usize,
    x: &[f32],
    weights: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    for (m, (x, out)) in x.chunks_exact(k).zip(out.chunks_exact_mut(n)).enumerate() {
        for (i, out) in out.iter_mut().enumerate() {
            let mut sum = f64::from(bias[i]);
            for (x, w) in x.iter().zip(&weights[i * k..][..k]) {
                sum += f64::from(*x) * f64::from(*w);
            }
            sum += residual.map_or(0.0, |residual| f64::from(residual[m * n + i]));
            *out = activation.apply(sum as f32);
        }
    }
}
