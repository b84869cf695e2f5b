use crate::filters::Filters;
use crate::requantize::Epilogue;

/// The definition: `x` `[m, k]`, weights `[n, k]`, `residual` and `out` `[m, n]`.
pub fn reference_int8(
    k: usize,
    x: &[u8],
    filters: &Filters<'_>,
    residual: Option<&[u8]>,
    epilogue: &Epilogue<'_>,
    out: &mut [u8],
) {
    let n = filters.bias.len();
    for (i, out) in out.iter_mut().enumerate() {
        *out = epilogue.apply(sum(k, x, filters, i), filters.scale[i % n], residual.map(|residual| residual[i]));
    }
}

/// The sum that number `i` of the output is made of.
pub(super) fn sum(k: usize, x: &[u8], filters: &Filters<'_>, i: usize) -> i32 {
    let (pixel, channel) = (i / filters.bias.len(), i % filters.bias.len());
    let x = &x[pixel * k..][..k];
    let products = x.iter().zip(channel * k..).map(|(&x, weight)| filters.product(x, weight));
    (i64::from(filters.bias[channel]) + products.sum::<i64>()) as i32
}
