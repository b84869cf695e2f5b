//! Convolutions and fully connected layers.

use sepconv_core::op::Activation;
use sepconv_kernels::conv_transpose::{self, conv_transpose};
use sepconv_kernels::conv2d::{self, conv2d, gradient};
use sepconv_kernels::depthwise::{self, Variant};
use sepconv_kernels::pointwise::{self, pointwise};
use sepconv_kernels::{ConvGeometry, ConvOperands, F32Output, Isa, Rows, Tile};

use crate::shards::{SHARD, each, join};

/// Which kernels compute it.
enum Method {
    Pointwise { pixels: usize, k: usize, n: usize },
    Depthwise,
    Standard,
}

impl Method {
    fn of(geometry: &ConvGeometry) -> Self {
        let ([h, w, c], n) = (geometry.input, geometry.output[2]);
        if geometry.groups == 1 && geometry.window.is_pointwise() {
            Self::Pointwise { pixels: h * w, k: c, n }
        } else if geometry.groups == c && c > 1 {
            Self::Depthwise
        } else {
            Self::Standard
        }
    }
}

fn size(map: [usize; 3]) -> usize {
    map.into_iter().product()
}

/// The layer of a whole batch.
pub(crate) fn forward(
    isa: Isa,
    geometry: &ConvGeometry,
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
) {
    let (from, to) = (size(geometry.input), size(geometry.output));
    let no_bias = vec![0.0; geometry.output[2]];
    let bias = bias.unwrap_or(&no_bias);
    let mut shards: Vec<_> = x.chunks(SHARD * from).zip(y.chunks_mut(SHARD * to)).collect();
    match Method::of(geometry) {
        Method::Pointwise { pixels, k, n } => {
            let tile = Tile::choose(isa, SHARD * pixels, k, n);
            let mut packed = vec![0.0; pointwise::packed_len(isa, tile, k, n)];
            pointwise::pack(isa, tile, k, weights, bias, &mut packed);
            each(&mut shards, &|(x, y)| pointwise(isa, tile, [k, n], x, &packed, plain(y)));
        }
        Method::Depthwise => {
            let mut packed = vec![0.0; depthwise::packed_len(isa, geometry)];
            depthwise::pack(isa, geometry, weights, Some(bias), &mut packed);
            let variant = Variant::choose(geometry);
            each(&mut shards, &|(x, y)| {
                for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
                    let operands = operands(geometry, x, &packed);
                    depthwise::depthwise(isa, variant, geometry, operands, Activation::Identity, y);
                }
            });
        }
        Method::Standard => {
            let tile = geometry.tile(isa);
            let mut packed = vec![0.0; conv2d::packed_len(isa, tile, geometry)];
            conv2d::pack(isa, tile, geometry, weights, bias, &mut packed);
            each(&mut shards, &|(x, y)| {
                let mut scratch = vec![0.0; conv2d::scratch_len(tile, geometry)];
                for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
                    conv2d(isa, tile, geometry, operands(geometry, x, &packed), plain(y), &mut scratch);
                }
            });
        }
    }
}

/// Adds the gradient by the weights of a whole batch.
pub(crate) fn weight_gradient(isa: Isa, geometry: &ConvGeometry, x: &[f32], dy: &[f32], gradient: &mut [f32]) {
    let (from, to) = (size(geometry.input), size(geometry.output));
    let shards = x.len().div_ceil(SHARD * from);
    let mut parts = vec![0.0; shards * gradient.len()];
    let operands = x.chunks(SHARD * from).zip(dy.chunks(SHARD * to));
    let mut work: Vec<_> = operands.zip(parts.chunks_exact_mut(gradient.len())).collect();
    match Method::of(geometry) {
        Method::Depthwise => each(&mut work, &|((x, dy), part)| {
            let mut scratch = vec![0.0; depthwise::gradient::weight_gradient_scratch_len(isa, geometry)];
            depthwise::gradient::weight_gradient(isa, geometry, x, dy, &mut scratch, part);
        }),
        Method::Pointwise { .. } | Method::Standard => each(&mut work, &|((x, dy), part)| {
            let mut scratch = vec![0.0; gradient::weight_gradient_scratch_len(isa, geometry)];
            gradient::weight_gradient(isa, geometry, x, dy, &mut scratch, part);
        }),
    }
    join(&parts, gradient);
}

/// The gradient by the input of a whole batch, which overwrites `dx`.
pub(crate) fn input_gradient(isa: Isa, geometry: &ConvGeometry, weights: &[f32], dy: &[f32], dx: &mut [f32]) {
    let (from, to) = (size(geometry.input), size(geometry.output));
    let mut shards: Vec<_> = dy.chunks(SHARD * to).zip(dx.chunks_mut(SHARD * from)).collect();
    let transposed = || {
        let mut transposed = vec![0.0; weights.len()];
        gradient::transpose_weights(geometry, weights, &mut transposed);
        transposed
    };
    let bias = vec![0.0; geometry.input[2]];
    match Method::of(geometry) {
        Method::Pointwise { pixels, k, n } => {
            let tile = Tile::choose(isa, SHARD * pixels, n, k);
            let mut packed = vec![0.0; pointwise::packed_len(isa, tile, n, k)];
            pointwise::pack(isa, tile, n, &transposed(), &bias, &mut packed);
            each(&mut shards, &|(dy, dx)| pointwise(isa, tile, [n, k], dy, &packed, plain(dx)));
        }
        Method::Depthwise => each(&mut shards, &|(dy, dx)| {
            let mut scratch = vec![0.0; depthwise::gradient::input_gradient_scratch_len(isa, geometry)];
            depthwise::gradient::input_gradient(isa, geometry, weights, dy, &mut scratch, dx);
        }),
        Method::Standard => {
            let spread = ConvGeometry { input: geometry.output, output: geometry.input, ..*geometry };
            let tile = spread.transposed_tile(isa);
            let mut packed = vec![0.0; conv_transpose::packed_len(isa, tile, &spread)];
            conv_transpose::pack(isa, tile, &spread, &transposed(), &bias, &mut packed);
            each(&mut shards, &|(dy, dx)| {
                for (dy, dx) in dy.chunks_exact(to).zip(dx.chunks_exact_mut(from)) {
                    conv_transpose(isa, tile, &spread, operands(&spread, dy, &packed), Activation::Identity, dx);
                }
            });
        }
    }
}

fn plain(out: &mut [f32]) -> F32Output<'_> {
    F32Output { residual: None, activation: Activation::Identity, out }
}

fn operands<'a>(geometry: &ConvGeometry, x: &'a [f32], packed: &'a [f32]) -> ConvOperands<'a, f32, f32> {
    let x = Rows::new(x, geometry.input[1] * geometry.input[2]);
    ConvOperands { x, packed, rows: 0..geometry.output[0] }
}
