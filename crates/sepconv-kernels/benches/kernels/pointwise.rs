use std::hint::black_box;

use sepconv_kernels::pointwise::{Tile, pack, pack_int8, packed_len, packed_len_int8, pointwise, pointwise_int8};
use sepconv_kernels::{Activation, F32Output, Int8Output};

use crate::harness::{Aligned, Bench, EPILOGUE, rate, with_params};

/// Pixels, and the input and output channels of the pointwise and fully connected layers that MobileNetV1, V2 and
/// V3-Large, MNASNet and EfficientNet-B0 have there; and a row of 112 pixels, as fused layers take them.
const LAYERS: &str = "
    12544: 32x64 32x16 16x96 16x64 16x48 16x16
    3136: 144x24 128x128 96x24 72x24 64x128 64x24 48x24 24x144 24x72
    784: 256x256 240x40 192x32 144x40 144x32 128x256 120x40 72x40 40x240 40x120 32x192
    196: 672x112 576x96 512x512 480x112 480x96 480x80 384x96 384x64 256x512 240x80 200x80 192x64 184x80
    196: 112x672 96x576 80x480 80x200 80x184 64x384
    112: 32x16
    49: 1152x320 1152x192 1024x1024 960x320 960x160 672x192 672x160 576x192 576x160 512x1024 320x1280 192x1152 160x960
    1: 1280x1000 1152x48 1024x1000 960x1280 960x240 672x168 672x28 480x120 480x20 240x960 240x10 168x672
    1: 144x6 120x480 120x32 96x4 72x24 48x1152 32x120 32x8 28x672 24x72 20x480 10x240 8x32 6x144 4x96";

fn layers() -> impl Iterator<Item = [usize; 3]> {
    let number = |text: &str| text.trim().parse().expect("a number");
    LAYERS.trim().lines().flat_map(move |line| {
        let (pixels, channels) = line.split_once(':').expect("pixels");
        channels.split_whitespace().map(move |pair| {
            let (k, n) = pair.split_once('x').expect("two numbers");
            [number(pixels), number(k), number(n)]
        })
    })
}

fn shape([m, k, n]: [usize; 3]) -> String {
    format!("pointwise {m}x{k}x{n}")
}

pub(crate) fn f32(bench: &Bench<'_>) {
    for layer @ [m, k, n] in layers() {
        let chosen = Tile::choose(bench.isa, m, k, n);
        bench.tiles(&shape(layer), Tile::variants(bench.isa), chosen, |tile| {
            let [mut x, mut weights, mut bias, mut out] =
                [m * k, n * k, n, m * n].map(|length| Aligned::new(length, |i| i as f32 - 3.0));
            let mut packed = Aligned::new(packed_len(bench.isa, tile, k, n), |_| 0.0);
            pack(bench.isa, tile, k, weights.get(), bias.get(), packed.get());
            rate(m * k * n, || {
                let (x, out) = (black_box(x.get()), black_box(out.get()));
                pointwise(
                    bench.isa,
                    tile,
                    [k, n],
                    x,
                    packed.get(),
                    F32Output { residual: None, activation: Activation::RELU6, out },
                );
            })
        });
    }
}

pub(crate) fn int8(bench: &Bench<'_>) {
    for layer @ [m, k, n] in layers() {
        let chosen = Tile::choose_int8(bench.isa, m, k, n);
        bench.tiles(&shape(layer), Tile::variants_int8(bench.isa), chosen, |tile| {
            let [mut x, mut out] = [m * k, m * n].map(|length| Aligned::new(length, |i| 30 * i as u8));
            let (mut packed, zero_points) = with_params(k, n, |params| {
                let mut packed = Aligned::new(packed_len_int8(bench.isa, tile, k, params), |_| 0);
                pack_int8(bench.isa, tile, k, params, packed.get());
                (packed, params.zero_points())
            });
            rate(m * k * n, || {
                let (x, out) = (black_box(x.get()), black_box(out.get()));
                pointwise_int8(
                    bench.isa,
                    tile,
                    [k, n],
                    zero_points,
                    x,
                    packed.get(),
                    Int8Output::U8 { epilogue: &EPILOGUE, residual: None, out },
                );
            })
        });
    }
}
