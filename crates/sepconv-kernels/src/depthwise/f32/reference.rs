use crate::{Activation, ConvGeometry};

/// The definition: a whole feature map `x` of `[h, w, c]`, weights `[c·multiplier, kh, kw, 1]`, biases (absent: zeros),
/// sums in double precision.
pub fn reference(
    dw: &ConvGeometry,
    x: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    dw.check_depthwise();
    let ([h, w, c], [oh, ow, channels], window) = (dw.input, dw.output, &dw.window);
    let [kh, kw] = window.kernel;
    for y in 0..oh {
        for column in 0..ow {
            for o in 0..channels {
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
                for ky in window.taps(0, y, h) {
                    for kx in window.taps(1, column, w) {
                        let from = (window.source(0, y, ky) * w + window.source(1, column, kx)) * c;
                        let weight = weights[(o * kh + ky) * kw + kx];
                        sum += f64::from(weight) * f64::from(x[from + o / dw.multiplier()]);
                    }
                }
                out[(y * ow + column) * channels + o] = activation.apply(sum as f32);
            }
        }
    }
}
