use crate::epilogue::Epilogue;
use crate::quantized_params::QuantizedConvParams;

/// The definition: `x` `[m, k]`, weights `[n, k]`, `residual` and `out` `[m, n]`.
pub fn reference_int8(
    k: usize,
    x: &[u8],
    params: &QuantizedConvParams<'_>,
    residual: Option<&[u8]>,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    let n = params.bias.len();
    for (i, out) in out.iter_mut().enumerate() {
        *out = epilogue.apply(sum(k, x, params, i), params.scale[i % n], residual.map(|residual| residual[i]));
    }
}

/// The sum that number `i` of the output is made of.
pub(super) fn sum(k: usize, x: &[u8], params: &QuantizedConvParams<'_>, i: usize) -> i32 {
    let (pixel, channel) = (i / params.bias.len(), i % params.bias.len());
    let x = &x[pixel * k..][..k];
    let products = x.iter().zip(channel * k..).map(|(&x, weight)| params.product(x, weight));
    (i64::from(params.bias[channel]) + products.sum::<i64>()) as i32
}
