use super::ConvGeometry;
use crate::activation::Activation;

/// The definition: `x` `[h, w, c]`, `weights` `[o, kh, kw, c / groups]`, `bias` `[o]`, `out` `[oh, ow, o]`; summed in
/// double precision.
pub fn reference(
    conv: &ConvGeometry,
    x: &[f32],
    weights: &[f32],
    bias: &[f32],
    activation: Activation,
    out: &mut [f32],
) {
    let ConvGeometry { window, input: [_, w, c], output: [_, ow, o], groups } = *conv;
    let [kh, kw] = window.kernel;
    let (group_in, group_out) = (c / groups, o / groups);
    for (i, out) in out.iter_mut().enumerate() {
        let (oy, ox, channel) = (i / (ow * o), i / o % ow, i % o);
        let mut sum = f64::from(bias[channel]);
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let (Some(iy), Some(ix)) = (conv.transposed_source(0, oy, ky), conv.transposed_source(1, ox, kx)) else {
                continue;
            };
            let x = &x[(iy * w + ix) * c + channel / group_out * group_in..][..group_in];
            let weights = &weights[((channel * kh + ky) * kw + kx) * group_in..][..group_in];
            sum += x.iter().zip(weights).map(|(&x, &weight)| f64::from(x) * f64::from(weight)).sum::<f64>();
        }
        *out = activation.apply(sum as f32);
    }
}
