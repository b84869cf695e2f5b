use super::ConvGeometry;
use crate::QuantizedConvParams;
use crate::epilogue::Epilogue;

/// The definition, of a whole feature map `x` of `[h, w, c]`.
pub fn reference_int8(
    dw: &ConvGeometry,
    x: &[u8],
    params: &QuantizedConvParams<'_>,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    params.check(dw);
    let ([h, w, c], [oh, ow, channels], window) = (dw.input, dw.output, &dw.window);
    let [kh, kw] = window.kernel;
    for y in 0..oh {
        for column in 0..ow {
            for o in 0..channels {
                let mut sum = params.bias[o];
                for ky in window.taps(0, y, h) {
                    for kx in window.taps(1, column, w) {
                        let from = (window.source(0, y, ky) * w + window.source(1, column, kx)) * c;
                        let x = i32::from(x[from + o / dw.multiplier()]) - i32::from(params.x_zero_point);
                        sum = sum.wrapping_add(params.weight((o * kh + ky) * kw + kx) * x);
                    }
                }
                out[(y * ow + column) * channels + o] = epilogue.apply(sum, params.scale[o], None);
            }
        }
    }
}
