use super::ConvGeometry;
use crate::epilogue::Epilogue;
use crate::quantized_params::QuantizedConvParams;

/// The definition, for any number of groups (depthwise convolution is `groups == c`): `x` `[h, w, c]`, weights
/// `[o, kh, kw, c / groups]`, `residual` and `out` `[oh, ow, o]`. Taps beyond the feature map read what stands for
/// zero.
pub fn reference_int8(
    conv: &ConvGeometry,
    x: &[u8],
    params: &QuantizedConvParams<'_>,
    residual: Option<&[u8]>,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    for (i, out) in out.iter_mut().enumerate() {
        let scale = params.scale[i % conv.output[2]];
        *out = epilogue.apply(sum(conv, x, params, i), scale, residual.map(|residual| residual[i]));
    }
}

/// The sum that number `i` of the output is made of.
pub(super) fn sum(conv: &ConvGeometry, x: &[u8], params: &QuantizedConvParams<'_>, i: usize) -> i32 {
    let ConvGeometry { window, input: [h, w, c], output: [_, ow, o], groups } = *conv;
    let [kh, kw] = window.kernel;
    let (group_in, group_out) = (c / groups, o / groups);
    let (oy, ox, channel) = (i / (ow * o), i / o % ow, i % o);
    let mut sum = i64::from(params.bias[channel]);
    for ky in window.taps(0, oy, h) {
        for kx in window.taps(1, ox, w) {
            let pixel = window.source(0, oy, ky) * w + window.source(1, ox, kx);
            let x = &x[pixel * c + channel / group_out * group_in..][..group_in];
            let weight = ((channel * kh + ky) * kw + kx) * group_in;
            sum += x.iter().zip(weight..).map(|(&x, weight)| params.product(x, weight)).sum::<i64>();
        }
    }
    sum as i32
}
