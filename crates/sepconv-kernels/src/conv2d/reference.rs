use super::ConvGeometry;
use crate::activation::Activation;

/// The definition, for any number of groups (depthwise convolution is `groups == c`): `x` `[h, w, c]`, `weights`
/// `[o, kh, kw, c / groups]`, `bias` `[o]`, `residual` and `out` `[oh, ow, o]`; summed in double precision.
pub fn reference(
    conv: &ConvGeometry,
    x: &[f32],
    weights: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    let ConvGeometry { window, input: [h, w, c], output: [_, ow, o], groups } = *conv;
    let [kh, kw] = window.kernel;
    let (group_in, group_out) = (c / groups, o / groups);
    for (i, out) in out.iter_mut().enumerate() {
        let (oy, ox, channel) = (i / (ow * o), i / o % ow, i % o);
        let mut sum = f64::from(bias[channel]);
        for ky in window.taps(0, oy, h) {
            for kx in window.taps(1, ox, w) {
                let pixel = window.source(0, oy, ky) * w + window.source(1, ox, kx);
                let x = &x[pixel * c + channel / group_out * group_in..][..group_in];
                let weights = &weights[((channel * kh + ky) * kw + kx) * group_in..][..group_in];
                sum += x.iter().zip(weights).map(|(&x, &weight)| f64::from(x) * f64::from(weight)).sum::<f64>();
            }
        }
        sum += residual.map_or(0.0, |residual| f64::from(residual[i]));
        *out = activation.apply(sum as f32);
    }
}
