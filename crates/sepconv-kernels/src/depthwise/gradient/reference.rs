use crate::ConvGeometry;

/// The definition of [`weight_gradient`](super::weight_gradient), in double precision.
pub fn weight_gradient_reference(dw: &ConvGeometry, x: &[f32], dy: &[f32], out: &mut [f64]) {
    super::check_images(dw, x.len(), dy.len());
    for_each_product(dw, x.len(), |x_at, weight_at, dy_at| {
        out[weight_at] += f64::from(x[x_at]) * f64::from(dy[dy_at]);
    });
}

/// The definition of [`input_gradient`](super::input_gradient), in double precision; `out` is added to.
pub fn input_gradient_reference(dw: &ConvGeometry, weights: &[f32], dy: &[f32], out: &mut [f64]) {
    super::check_images(dw, out.len(), dy.len());
    for_each_product(dw, out.len(), |x_at, weight_at, dy_at| {
        out[x_at] += f64::from(weights[weight_at]) * f64::from(dy[dy_at]);
    });
}

/// Calls `f` with the places of the input, the weight and the result of each product of the convolution.
fn for_each_product(dw: &ConvGeometry, x: usize, mut f: impl FnMut(usize, usize, usize)) {
    let ([h, w, c], [oh, ow, channels], window) = (dw.input, dw.output, &dw.window);
    let [kh, kw] = window.kernel;
    for image in 0..x / (h * w * c) {
        for (y, column) in (0..oh).flat_map(|y| (0..ow).map(move |column| (y, column))) {
            for o in 0..channels {
                for ky in window.taps(0, y, h) {
                    for kx in window.taps(1, column, w) {
                        let [row, col] = [window.source(0, y, ky), window.source(1, column, kx)];
                        f(
                            ((image * h + row) * w + col) * c + o / dw.multiplier(),
                            (o * kh + ky) * kw + kx,
                            ((image * oh + y) * ow + column) * channels + o,
                        );
                    }
                }
            }
        }
    }
}
