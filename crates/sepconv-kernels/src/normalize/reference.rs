use super::Moments;
use crate::Activation;

/// The definition of the moments of channel `channel` of `c` in `x` `[pixels, c]`, in double precision.
pub fn moments_reference(x: &[f32], c: usize, channel: usize) -> Moments {
    let values = || x.iter().skip(channel).step_by(c).map(|&x| f64::from(x));
    let count = (x.len() / c) as f64;
    let mean = values().sum::<f64>() / count;
    Moments { count, mean, squares: values().map(|x| (x - mean) * (x - mean)).sum() }
}

/// The definition of the gradients of batch normalization and the activation behind it, of one channel in double
/// precision: by scale `γ`, by shift `β`, and by each pixel into `out`.
pub fn input_gradient_reference(
    [gamma, beta, epsilon]: [f64; 3],
    activation: Activation,
    [x, dy]: [&[f64]; 2],
    out: &mut [f64],
) -> [f64; 2] {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    let inverse = 1.0 / libm::sqrt(variance + epsilon);
    let normal = |x: f64| (x - mean) * inverse;
    let gradient = |x: f64, dy: f64| dy * activation.derivative(normal(x) * gamma + beta);
    let pairs = || x.iter().zip(dy).map(|(&x, &dy)| (normal(x), gradient(x, dy)));
    let shift: f64 = pairs().map(|(_, g)| g).sum();
    let scale: f64 = pairs().map(|(normal, g)| normal * g).sum();
    for (out, (normal, g)) in out.iter_mut().zip(pairs()) {
        *out = gamma * inverse * (g - shift / count - normal * scale / count);
    }
    [scale, shift]
}
