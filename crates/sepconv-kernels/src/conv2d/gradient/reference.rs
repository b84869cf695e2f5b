use crate::geometry::ConvGeometry;

/// The definition of [`weight_gradient`](super::weight_gradient), in double precision.
pub fn weight_gradient_reference(conv: &ConvGeometry, x: &[f32], dy: &[f32], out: &mut [f64]) {
    super::check_images(conv, x.len(), dy.len());
    for_each_product(conv, x.len(), |x_at, weight_at, dy_at| {
        out[weight_at] += f64::from(x[x_at]) * f64::from(dy[dy_at]);
    });
}

/// The definition: adds the gradient by the input `[images, h, w, c]` to `out`, in double precision.
pub fn input_gradient_reference(conv: &ConvGeometry, weights: &[f32], dy: &[f32], out: &mut [f64]) {
    super::check_images(conv, out.len(), dy.len());
    for_each_product(conv, out.len(), |x_at, weight_at, dy_at| {
        out[x_at] += f64::from(weights[weight_at]) * f64::from(dy[dy_at]);
    });
}

/// Calls `f` with the places of the input, the weight and the result of each product of the convolution.
fn for_each_product(conv: &ConvGeometry, x: usize, mut f: impl FnMut(usize, usize, usize)) {
    let ([h, w, c], [oh, ow, o], window) = (conv.input, conv.output, &conv.window);
    let ([group_in, group_out], [kh, kw]) = (conv.group_channels(), window.kernel);
    for image in 0..x / (h * w * c) {
        for (y, column) in (0..oh).flat_map(|y| (0..ow).map(move |column| (y, column))) {
            for out in 0..o {
                for ky in window.taps(0, y, h) {
                    for kx in window.taps(1, column, w) {
                        let [row, col] = [window.source(0, y, ky), window.source(1, column, kx)];
                        for i in 0..group_in {
                            f(
                                ((image * h + row) * w + col) * c + out / group_out * group_in + i,
                                ((out * kh + ky) * kw + kx) * group_in + i,
                                ((image * oh + y) * ow + column) * o + out,
                            );
                        }
                    }
                }
            }
        }
    }
}
